#include "control/api/key_table.h"
#include "tests/support/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum {
	PURPOSES = 2,
	WORDS = 4 * (1 + PURPOSES)
};

/** A hash that spreads as the keyed one does. */
static void hash_of(uint64_t number, uint8_t ret_hash[KEY_HASH_SIZE])
{
	uint64_t h[2];

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t x = number * 2 + i + 0x9e3779b97f4a7c15u;

		x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
		x = (x ^ x >> 27) * 0x94d049bb133111ebu;
		h[i] = x ^ x >> 31;
	}
	memcpy(ret_hash, h, sizeof(h));
}

/** Every word of an entry tells its number and version, so that a torn copy shows. */
static struct key_entry entry_of(uint64_t number, uint64_t version, uint64_t position)
{
	struct key_entry e = {.subject = number + 1, .position = position};
	uint64_t words[WORDS];

	memcpy(e.link, &number, 8);
	memcpy(e.link + 8, &version, 8);
	for (size_t i = 0; i < WORDS; i++)
		words[i] = number * 1000003 + version;
	memcpy(e.key, words, sizeof(words));
	return e;
}

static bool is_whole(const struct key_entry *e, uint64_t number)
{
	uint64_t words[WORDS];
	uint64_t got;
	uint64_t version;

	memcpy(&got, e->link, 8);
	memcpy(&version, e->link + 8, 8);
	memcpy(words, e->key, sizeof(words));
	for (size_t i = 0; i < WORDS; i++)
		if (words[i] != number * 1000003 + version)
			return false;
	return got == number;
}

static bool find(const struct key_table *t, uint64_t number, struct key_entry *ret_entry)
{
	uint8_t hash[1][KEY_HASH_SIZE];
	bool found[1];

	hash_of(number, hash[0]);
	key_table_find_burst(t, hash, 1, &(struct key_entry *){ret_entry}, found);
	return found[0];
}

static enum sl_status insert(struct key_table *t, uint64_t number, uint64_t position, uint64_t mark)
{
	uint8_t hash[KEY_HASH_SIZE];
	struct key_entry e = entry_of(number, 1, position);

	hash_of(number, hash);
	return key_table_insert(t, hash, &e, mark);
}

static void arguments_out_of_range_are_refused(void)
{
	struct key_table *t = NULL;

	CHECK_EQUAL(key_table_new(0, 1, &t), SL_E_INVALID);
	CHECK_EQUAL(key_table_new(1, CONTRACT_PURPOSES_MAX + 1, &t), SL_E_INVALID);
	CHECK_EQUAL(key_table_new((size_t)1 << 40, 1, &t), SL_E_INVALID);
	CHECK(t == NULL);
	key_table_free(NULL);
}

static void what_was_inserted_is_found(void)
{
	enum {
		COUNT = 20000
	};
	static struct key_entry found_entry[COUNT];
	static struct key_entry *out[COUNT];
	static uint8_t hashes[COUNT][KEY_HASH_SIZE];
	static bool found[COUNT];
	struct key_table *t;
	size_t wrong = 0;

	CHECK_FATAL(key_table_new(COUNT, PURPOSES, &t) == SL_OK);
	for (uint64_t i = 0; i < COUNT; i += 2)
		CHECK_EQUAL(insert(t, i, i, 0), SL_OK);
	CHECK_EQUAL(key_table_count(t), COUNT / 2);
	for (uint64_t i = 0; i < COUNT; i++) {
		hash_of(i, hashes[i]);
		out[i] = &found_entry[i];
	}
	CHECK_EQUAL(key_table_find_burst(t, hashes, COUNT, out, found), COUNT / 2);
	for (uint64_t i = 0; i < COUNT; i++)
		wrong += found[i] != (i % 2 == 0)
			|| (found[i]
			    && (!is_whole(&found_entry[i], i) || found_entry[i].position != i
				|| found_entry[i].subject != i + 1));
	CHECK_EQUAL(wrong, 0);
	CHECK(!key_table_has_evicted(t));
	key_table_free(t);
}

static void an_entry_can_be_replaced_and_its_subject_set(void)
{
	struct key_entry e;
	struct key_entry next = entry_of(7, 2, 9);
	uint8_t hash[KEY_HASH_SIZE];
	struct key_table *t;

	CHECK_FATAL(key_table_new(4, PURPOSES, &t) == SL_OK);
	CHECK_EQUAL(insert(t, 7, 1, 0), SL_OK);
	hash_of(7, hash);
	CHECK_EQUAL(key_table_insert(t, hash, &next, 0), SL_OK);
	CHECK_EQUAL(key_table_count(t), 1);
	CHECK(find(t, 7, &e));
	CHECK(is_whole(&e, 7));
	CHECK_EQUAL(e.position, 9);
	key_table_set_subject(t, hash, 77, 12);
	CHECK(find(t, 7, &e));
	CHECK_EQUAL(e.subject, 77);
	CHECK_EQUAL(e.position, 12);
	key_table_set_subject(t, hash, 78, 5); // of an earlier record: positions only go up
	CHECK(find(t, 7, &e));
	CHECK_EQUAL(e.subject, 78);
	CHECK_EQUAL(e.position, 12);
	hash_of(8, hash);
	key_table_set_subject(t, hash, 78, 13); // not there: nothing happens
	CHECK(!find(t, 8, &e));
	key_table_free(t);
}

static void keys_that_come_round_are_mostly_found(void)
{
	enum {
		COUNT = 20000,
		KEYS = COUNT + COUNT / 50,
		ROUNDS = 5
	};
	struct key_entry e;
	struct key_table *t;
	size_t missed = 0;

	CHECK_FATAL(key_table_new(COUNT, PURPOSES, &t) == SL_OK);
	for (uint64_t i = 0; i < (uint64_t)KEYS * (1 + ROUNDS); i++) {
		if (find(t, i % KEYS, &e))
			continue;
		missed += i >= KEYS;
		CHECK_EQUAL(insert(t, i % KEYS, 1, 1), SL_OK);
	}
	// If the oldest gave way, every one of them would be missed.
	CHECK(missed > 0 && missed < (size_t)KEYS * ROUNDS / 10);
	key_table_free(t);
}

static void only_entries_below_the_mark_give_way(void)
{
	enum {
		COUNT = 1000
	};
	struct key_entry e;
	struct key_table *t;
	size_t lost = 0;

	CHECK_FATAL(key_table_new(COUNT, PURPOSES, &t) == SL_OK);
	for (uint64_t i = 0; i < COUNT; i++)
		CHECK_EQUAL(insert(t, i, i + 1, 0), SL_OK);
	CHECK_EQUAL(insert(t, COUNT, COUNT + 1, 0), SL_E_FULL);
	CHECK(!key_table_has_evicted(t));
	for (uint64_t i = COUNT; i < COUNT + 100; i++)
		CHECK_EQUAL(insert(t, i, i + 1, 100), SL_OK);
	CHECK_EQUAL(insert(t, 5000, 5000, 100), SL_E_FULL);
	CHECK(key_table_has_evicted(t));
	CHECK_EQUAL(key_table_count(t), COUNT);
	for (uint64_t i = 0; i < COUNT + 100; i++)
		lost += !find(t, i, &e);
	CHECK_EQUAL(lost, 100);
	for (uint64_t i = 0; i < 100; i++)
		CHECK(!find(t, i, &e));
	key_table_free(t);
}

/** An entry whose link says when it was made. */
static enum sl_status insert_of_time(
	struct key_table *t,
	uint64_t number,
	int64_t ms,
	int64_t aged_before_ms
)
{
	uint8_t hash[KEY_HASH_SIZE];
	struct key_table_place place;
	struct key_entry e = entry_of(number, 1, 1);

	for (int i = 0; i < 6; i++)
		e.link[i] = (uint8_t)(ms >> (40 - 8 * i));
	hash_of(number, hash);
	SL_TRY(key_table_reserve(t, hash, 1, aged_before_ms, &place));
	key_table_put(t, &place, hash, &e);
	return SL_OK;
}

static void aged_entries_give_way_first(void)
{
	enum {
		COUNT = 1000
	};
	struct key_entry e;
	struct key_table *t;
	size_t lost = 0;

	// Every fifth is a day old.
	CHECK_FATAL(key_table_new(COUNT, PURPOSES, &t) == SL_OK);
	for (uint64_t i = 0; i < COUNT; i++)
		CHECK_EQUAL(insert_of_time(t, i, i % 5 == 3 ? 1000 : 90000000, 0), SL_OK);
	for (uint64_t i = 0; i < COUNT / 5; i++)
		CHECK_EQUAL(insert_of_time(t, COUNT + i, 90000000, 1001), SL_OK);
	CHECK(!key_table_has_evicted(t));
	for (uint64_t i = 0; i < COUNT + COUNT / 5; i++)
		lost += find(t, i, &e) != (i % 5 != 3 || i >= COUNT);
	CHECK_EQUAL(lost, 0);
	CHECK_EQUAL(key_table_count(t), COUNT);
	// None is aged any more: others give way, and that is told.
	CHECK_EQUAL(insert_of_time(t, 5000, 90000000, 1001), SL_OK);
	CHECK(key_table_has_evicted(t));
	CHECK(find(t, 5000, &e));
	CHECK_EQUAL(key_table_count(t), COUNT);
	key_table_free(t);
}

static void a_small_table_serves_many_generations(void)
{
	struct key_entry e;
	struct key_table *t;
	size_t wrong = 0;

	CHECK_FATAL(key_table_new(64, PURPOSES, &t) == SL_OK);
	for (uint64_t i = 0; i < 100000; i++) {
		wrong += insert(t, i, i, i) != SL_OK;
		wrong += !find(t, i, &e) || !is_whole(&e, i);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK(key_table_count(t) <= 64);
	CHECK(key_table_count(t) >= 32);
	key_table_free(t);
}

enum {
	STRESS_KEYS = 4096,
	STRESS_ROUNDS = 60,
	STRESS_READERS = 3,
	STRESS_SUBJECT = 1 << 20 // above the subjects that entries are made with
};

struct stress {
	struct key_table *table;
	atomic_bool is_over;
	atomic_size_t found;
	atomic_size_t torn;
};

/** A subject that was set, shown with a position before that of its record. */
static bool is_early(const struct key_entry *e)
{
	return e->subject >= STRESS_SUBJECT && e->position < e->subject - STRESS_SUBJECT;
}

static void *stress_read(void *arg)
{
	struct stress *s = arg;
	struct key_entry entries[64];
	struct key_entry *out[64];
	uint8_t hashes[64][KEY_HASH_SIZE];
	bool found[64];
	uint64_t first = 0;

	while (!atomic_load(&s->is_over)) {
		for (uint64_t i = 0; i < 64; i++) {
			hash_of((first + i) % STRESS_KEYS, hashes[i]);
			out[i] = &entries[i];
		}
		atomic_fetch_add(&s->found, key_table_find_burst(s->table, hashes, 64, out, found));
		for (uint64_t i = 0; i < 64; i++)
			if (found[i]
			    && (!is_whole(&entries[i], (first + i) % STRESS_KEYS)
				|| is_early(&entries[i])))
				atomic_fetch_add(&s->torn, 1);
		first += 64;
	}
	return NULL;
}

/** A writer replaces, evicts and registers subjects under the eyes of readers. */
static void readers_never_see_a_torn_entry(void)
{
	struct stress s = {0};
	pthread_t readers[STRESS_READERS];
	uint64_t position = 1;

	CHECK_FATAL(key_table_new(STRESS_KEYS / 2, PURPOSES, &s.table) == SL_OK);
	for (size_t i = 0; i < STRESS_READERS; i++)
		CHECK_FATAL(pthread_create(&readers[i], NULL, stress_read, &s) == 0);
	for (uint64_t round = 0; round < STRESS_ROUNDS; round++)
		for (uint64_t i = 0; i < STRESS_KEYS; i++) {
			uint8_t hash[KEY_HASH_SIZE];
			struct key_entry e = entry_of(i, round, position++);

			hash_of(i, hash);
			CHECK_FATAL(key_table_insert(s.table, hash, &e, UINT64_MAX) == SL_OK);
			if (i % 3 == 0)
				CHECK_FATAL(
					key_table_insert(s.table, hash, &e, UINT64_MAX) == SL_OK
				);
			key_table_set_subject(s.table, hash, STRESS_SUBJECT + position, position);
			position++;
		}
	while (atomic_load(&s.found) == 0)
		;
	atomic_store(&s.is_over, true);
	for (size_t i = 0; i < STRESS_READERS; i++)
		pthread_join(readers[i], NULL);
	CHECK_EQUAL(atomic_load(&s.torn), 0);
	CHECK(atomic_load(&s.found) > 0);
	key_table_free(s.table);
}

static const struct check_test tests[] = {
	{"arguments out of range are refused", arguments_out_of_range_are_refused},
	{"what was inserted is found", what_was_inserted_is_found},
	{"an entry can be replaced and its subject set",
	 an_entry_can_be_replaced_and_its_subject_set},
	{"keys that come round are mostly found", keys_that_come_round_are_mostly_found},
	{"only entries below the mark give way", only_entries_below_the_mark_give_way},
	{"aged entries give way first", aged_entries_give_way_first},
	{"a small table serves many generations", a_small_table_serves_many_generations},
	{"readers never see a torn entry", readers_never_see_a_torn_entry},
};

CHECK_MAIN("control/key_table")
