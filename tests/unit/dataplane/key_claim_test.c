#include "control/api/key_link.h"
#include "crypto/siphash.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/key_claim.h"
#include "io/base/clock.h"
#include "tests/support/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum {
	PURPOSES = 2,
	KEYS_SIZE = (1 + PURPOSES) * KEY_SIZE,
	WORKERS = 3,
	NAMES = 5000,
	WINDOW_MS = 3600000
};

static const uint8_t purposes[PURPOSES] = {1, 2};
static const uint8_t hash_key[SIPHASH_KEY_SIZE] = {3};

struct scene {
	struct key_ring *ring;
	struct key_table *table;
	struct key_maker *maker;
};

struct worker {
	struct engine *engine;
	struct key_claim *claim;
	struct key_source source;
};

static struct scene scene_of(size_t records, size_t entries)
{
	struct scene s;
	struct problem p;

	if (key_ring_create(records, &s.ring, &p) != SL_OK
	    || key_table_new(entries, PURPOSES, &s.table) != SL_OK
	    || key_maker_new(s.ring, &s.maker) != SL_OK)
		abort();
	return s;
}

static void scene_free(struct scene *s)
{
	key_maker_free(s->maker);
	key_table_free(s->table);
	key_ring_free(s->ring);
}

static struct worker worker_of(const struct scene *s, int64_t window_ms)
{
	const struct engine_options options = {0};
	struct worker w;
	struct problem p;
	struct key_claim_options claim_options = {
		.maker = s->maker,
		.table = s->table,
		.hash_key = hash_key,
		.purposes = purposes,
		.purpose_count = PURPOSES,
		.scope = 77,
		.window_ms = window_ms,
	};

	if (engine_new(&options, &w.engine, &p) != SL_OK)
		abort();
	claim_options.engine = w.engine;
	if (key_claim_new(&claim_options, &w.claim) != SL_OK)
		abort();
	w.source = key_claim_source(w.claim);
	return w;
}

static void worker_free(struct worker *w)
{
	key_claim_free(w->claim);
	engine_free(w->engine);
}

static struct key_want want_of(uint64_t name, uint64_t subject, struct key_entry *entry)
{
	struct key_want want = {.subject = subject, .entry = entry, .is_given = true};

	siphash(hash_key, view_of(&name, sizeof(name)), want.hash);
	memcpy(want.subject_hash, &subject, sizeof(subject));
	return want;
}

/** Claim one key. */
static bool claim(struct worker *w, uint64_t name, uint64_t subject, struct key_entry *ret_entry)
{
	struct key_want want = want_of(name, subject, ret_entry);

	w->source.claim(w->source.self, &want, 1);
	return want.is_given;
}

static bool is_of(struct worker *w, const struct key_entry *e, const struct key_record *r)
{
	uint8_t keys[KEYS_SIZE];

	engine_derive(w->engine, r->dek, 1, purposes, PURPOSES, keys);
	return memcmp(e->link, r->link, KEY_LINK_SIZE) == 0 && memcmp(e->key, keys, KEYS_SIZE) == 0;
}

static void a_new_key_goes_to_journal_and_table(void)
{
	struct scene s = scene_of(256, 64);
	struct worker w = worker_of(&s, WINDOW_MS);
	int64_t before = clock_wall_ms();
	struct key_entry e;
	struct key_entry again;
	struct key_record r[4];
	struct key_want want = want_of(1, 9, &e);

	CHECK_EQUAL(w.source.scope, 77);
	CHECK_EQUAL(w.source.window_ms, WINDOW_MS);
	CHECK(w.source.table == s.table);
	w.source.claim(w.source.self, &want, 1);
	CHECK(want.is_given);
	CHECK_EQUAL(e.position, 1);
	CHECK_EQUAL(e.subject, 9);
	CHECK_FATAL(key_ring_peek(s.ring, r, 4) == 1);
	CHECK(is_of(&w, &e, &r[0]));
	CHECK(memcmp(r[0].name_hash, want.hash, KEY_HASH_SIZE) == 0);
	CHECK(memcmp(r[0].subject_hash, want.subject_hash, KEY_HASH_SIZE) == 0);
	CHECK_EQUAL(r[0].scope, 77);
	CHECK_EQUAL(r[0].day, 0);
	CHECK_EQUAL(r[0].flags, 0);
	CHECK(r[0].created_ms >= before && r[0].created_ms <= clock_wall_ms());
	CHECK(key_link_ms(r[0].link) >= before);
	// Claimed again it is the same, and nothing is journalled.
	CHECK(claim(&w, 1, 9, &again));
	CHECK(memcmp(&again, &e, offsetof(struct key_entry, key) + KEYS_SIZE) == 0);
	CHECK_EQUAL(key_ring_position(s.ring), 1);
	worker_free(&w);
	scene_free(&s);
}

static void a_key_with_several_subjects_is_made_once(void)
{
	struct scene s = scene_of(256, 64);
	struct worker w = worker_of(&s, 0);
	struct key_entry e[4];
	struct key_record r[8];
	struct key_want wants[4];

	CHECK_EQUAL(w.source.window_ms, KEY_WINDOW_NEVER);
	for (size_t i = 0; i < 4; i++)
		wants[i] = want_of(1, 10 + i, &e[i]);
	w.source.claim(w.source.self, wants, 4);
	CHECK_FATAL(key_ring_peek(s.ring, r, 8) == 4);
	for (size_t i = 0; i < 4; i++) {
		CHECK(wants[i].is_given);
		CHECK(is_of(&w, &e[i], &r[0]));
		CHECK_EQUAL(e[i].position, i + 1);
		CHECK_EQUAL(r[i].flags, i == 0 ? 0 : KEY_RECORD_LINK_ONLY);
		CHECK(memcmp(r[i].link, r[0].link, KEY_LINK_SIZE) == 0);
		CHECK(memcmp(r[i].subject_hash, wants[i].subject_hash, KEY_HASH_SIZE) == 0);
	}
	// A row that only brings a subject has its key at hand; and what is remembered is not journalled again.
	for (uint64_t subject = 10; subject < 15; subject++) {
		wants[0] = want_of(1, subject, &e[0]);
		wants[0].is_link_only = true;
		w.source.claim(w.source.self, wants, 1);
		CHECK(wants[0].is_given);
		CHECK_EQUAL(e[0].subject, subject);
		CHECK_EQUAL(key_ring_position(s.ring), subject == 14 ? 5 : 4);
	}
	CHECK_EQUAL(e[0].position, 5);
	CHECK(claim(&w, 1, 0, &e[1])); // no subject: nothing to register
	CHECK_EQUAL(e[1].subject, 14);
	CHECK_EQUAL(key_ring_position(s.ring), 5);
	worker_free(&w);
	scene_free(&s);
}

/** What the table shows a worker without a claim. */
static struct key_entry entry_in_table(const struct scene *s, uint64_t name)
{
	struct key_entry e = {0};
	const struct key_want want = want_of(name, 0, &e);
	bool is_found;

	key_table_find_burst(
		s->table,
		(const uint8_t(*)[KEY_HASH_SIZE])want.hash,
		1,
		&(struct key_entry *){&e},
		&is_found
	);
	CHECK(is_found);
	return e;
}

/** A worker that finds its row's subject registered asks for nothing: what it finds must say what to wait for. */
static void a_subject_comes_with_the_position_of_its_record(void)
{
	struct scene s = scene_of(256, 2);
	struct worker w = worker_of(&s, 0);
	struct worker other = worker_of(&s, 0);
	struct key_record r;
	struct key_entry e;

	CHECK(claim(&w, 1, 10, &e));
	CHECK_FATAL(key_ring_peek(s.ring, &r, 1) == 1);
	key_ring_commit(s.ring, 1);
	CHECK(claim(&w, 1, 11, &e));
	CHECK_EQUAL(e.position, 2);
	e = entry_in_table(&s, 1);
	CHECK_EQUAL(e.subject, 11);
	CHECK_EQUAL(e.position, 2);
	CHECK(claim(&other, 1, 11, &e));
	CHECK_EQUAL(e.position, 2);
	// One that is remembered, of an earlier record: the key still waits for the later one.
	CHECK(claim(&other, 1, 10, &e));
	CHECK_EQUAL(key_ring_position(s.ring), 2);
	e = entry_in_table(&s, 1);
	CHECK_EQUAL(e.subject, 10);
	CHECK_EQUAL(e.position, 2);
	// Nor does it give way before that.
	CHECK(claim(&w, 2, 0, &e));
	CHECK(!claim(&w, 3, 0, &e));
	CHECK_FATAL(key_ring_peek(s.ring, &r, 1) == 1);
	key_ring_commit(s.ring, 1);
	CHECK(claim(&w, 3, 0, &e));
	worker_free(&other);
	worker_free(&w);
	scene_free(&s);
}

static void an_aged_key_is_replaced(void)
{
	struct scene s = scene_of(256, 64);
	struct worker w = worker_of(&s, WINDOW_MS);
	struct worker never = worker_of(&s, 0);
	struct key_entry old = {.position = 0};
	struct key_entry e;
	struct key_want want = want_of(1, 0, &e);
	struct key_link_maker links;
	const uint8_t random[KEY_LINK_RANDOM_SIZE] = {1};

	key_link_init(&links, NULL);
	key_link_next(&links, clock_wall_ms() - WINDOW_MS, random, old.link);
	CHECK_EQUAL(key_table_insert(s.table, want.hash, &old, 0), SL_OK);
	CHECK(claim(&never, 1, 0, &e));
	CHECK(memcmp(e.link, old.link, KEY_LINK_SIZE) == 0);
	CHECK(claim(&w, 1, 0, &e));
	CHECK(memcmp(e.link, old.link, KEY_LINK_SIZE) > 0);
	CHECK_EQUAL(e.position, 1);
	CHECK_EQUAL(key_table_count(s.table), 1);
	CHECK(claim(&w, 1, 0, &e));
	CHECK_EQUAL(key_ring_position(s.ring), 1);
	worker_free(&never);
	worker_free(&w);
	scene_free(&s);
}

/** Decision 9: the owner of a key that gave way gets another one, and what either has sealed can be opened. */
static void a_key_that_gave_way_opens_still(void)
{
	struct scene s = scene_of(256, 4);
	struct worker w = worker_of(&s, WINDOW_MS);
	struct key_record first;
	struct key_record second;
	struct key_entry e;
	uint64_t others = 100;

	CHECK(claim(&w, 1, 9, &e));
	CHECK_FATAL(key_ring_peek(s.ring, &first, 1) == 1);
	CHECK(is_of(&w, &e, &first));
	key_ring_commit(s.ring, 1);
	for (struct key_record r; !key_table_has_evicted(s.table); others++) {
		CHECK_FATAL(claim(&w, others, 0, &e) && key_ring_peek(s.ring, &r, 1) == 1);
		key_ring_commit(s.ring, 1);
	}
	// Whichever gave way: take others in until it was this one.
	while (claim(&w, 1, 9, &e) && memcmp(e.link, first.link, KEY_LINK_SIZE) == 0) {
		CHECK_FATAL(others < 1000 && claim(&w, others++, 0, &e));
		CHECK_FATAL(key_ring_peek(s.ring, &second, 1) == 1);
		key_ring_commit(s.ring, 1);
	}
	CHECK_FATAL(key_ring_peek(s.ring, &second, 1) == 1);
	// Both went to the vault whole, under one name and one subject.
	CHECK(is_of(&w, &e, &second) && memcmp(first.link, second.link, KEY_LINK_SIZE) < 0);
	CHECK(memcmp(first.dek, second.dek, KEY_SIZE) != 0);
	CHECK(memcmp(first.name_hash, second.name_hash, KEY_HASH_SIZE) == 0);
	CHECK(memcmp(first.subject_hash, second.subject_hash, KEY_HASH_SIZE) == 0);
	CHECK(first.scope == second.scope && second.flags == 0);
	worker_free(&w);
	scene_free(&s);
}

static void without_room_nothing_is_given(void)
{
	struct scene s = scene_of(BATCH_MAX, 4);
	struct worker w = worker_of(&s, WINDOW_MS);
	struct key_record r[BATCH_MAX];
	struct key_entry e[BATCH_MAX];
	struct key_want wants[BATCH_MAX];

	CHECK(key_claim_has_room(w.claim, 1));
	CHECK(!key_claim_has_room(w.claim, 2));
	for (uint64_t i = 0; i < 4; i++)
		CHECK(claim(&w, i, 0, &e[i]));
	CHECK(!key_claim_has_room(w.claim, 1));
	// The table is full, and nothing is durable: the journal is spared.
	CHECK(!claim(&w, 4, 0, &e[0]));
	CHECK_EQUAL(key_ring_position(s.ring), 4);
	CHECK_EQUAL(key_ring_peek(s.ring, r, BATCH_MAX), 4);
	key_ring_commit(s.ring, 2);
	CHECK(claim(&w, 4, 0, &e[0]));
	CHECK(claim(&w, 5, 0, &e[0]));
	CHECK(!claim(&w, 6, 0, &e[0]));
	CHECK_EQUAL(key_table_count(s.table), 4);
	// A turn's worth does not fit into the ring.
	for (size_t i = 0; i < BATCH_MAX; i++)
		wants[i] = want_of(2 + i % 4, 0, &e[i]);
	w.source.claim(w.source.self, wants, BATCH_MAX);
	for (size_t i = 0; i < BATCH_MAX; i++)
		CHECK(!wants[i].is_given);
	worker_free(&w);
	scene_free(&s);
}

/** Turns of new keys only, until it is told to wait. @return keys made */
static size_t flood(struct worker *w, uint32_t worker_count, uint64_t *name)
{
	struct key_entry e[BATCH_MAX];
	struct key_want wants[BATCH_MAX];
	size_t made = 0;

	for (; key_claim_has_room(w->claim, worker_count); made += BATCH_MAX) {
		for (size_t i = 0; i < BATCH_MAX; i++)
			wants[i] = want_of(++*name, 0, &e[i]);
		w->source.claim(w->source.self, wants, BATCH_MAX);
		for (size_t i = 0; i < BATCH_MAX; i++)
			CHECK_FATAL(wants[i].is_given);
	}
	return made;
}

/** The vault takes so many records. */
static void commit(const struct scene *s, size_t count)
{
	struct key_record r;

	for (; count > 0; count--) {
		CHECK_FATAL(key_ring_peek(s->ring, &r, 1) == 1);
		key_ring_commit(s->ring, 1);
	}
}

static void who_floods_leaves_room_for_others(void)
{
	enum {
		RECORDS = 8192,
		WORKERS_HERE = 2,
		NEED = WORKERS_HERE * BATCH_MAX
	};
	struct scene s = scene_of(RECORDS, 4 * RECORDS);
	struct worker w = worker_of(&s, 0);
	struct worker second = worker_of(&s, 0);
	struct worker quiet = worker_of(&s, 0);
	struct key_entry e;
	uint64_t name = 1000000;
	size_t made = flood(&w, WORKERS_HERE, &name);
	size_t made_second;

	// Alone it gets half.
	CHECK(made <= RECORDS / 2 && made >= RECORDS / 2 - 2 * NEED);
	made_second = flood(&second, WORKERS_HERE, &name);
	CHECK(made_second <= RECORDS / 4 && made_second >= RECORDS / 4 - 2 * NEED);
	// Others go on, with new keys, too.
	for (uint64_t i = 0; i < 2 * BATCH_MAX; i++) {
		CHECK(key_claim_has_room(quiet.claim, WORKERS_HERE));
		CHECK(claim(&quiet, i, 7, &e));
	}
	CHECK(!key_claim_has_room(w.claim, WORKERS_HERE));
	// Some more that flood, each gets half of what is left; for who holds nothing there is a turn of every worker.
	for (size_t i = 0; i < 3; i++) {
		struct worker more = worker_of(&s, 0);

		(void)flood(&more, WORKERS_HERE, &name);
		worker_free(&more);
	}
	CHECK(key_ring_room(s.ring) >= NEED);
	commit(&s, RECORDS - key_ring_room(s.ring));
	CHECK(flood(&w, WORKERS_HERE, &name) >= RECORDS / 2 - 2 * NEED);
	worker_free(&quiet);
	worker_free(&second);
	worker_free(&w);
	scene_free(&s);
}

/** What waits is counted too high while a group becomes durable: that neither stops a claim nor takes its share from it. */
static void who_floods_goes_on_as_keys_become_durable(void)
{
	enum {
		RECORDS = 8192,
		COMMITS = 200,
		COMMIT = 500
	};
	struct scene s = scene_of(RECORDS, 4 * RECORDS);
	struct worker w = worker_of(&s, 0);
	uint64_t name = 0;

	(void)flood(&w, 2, &name);
	for (size_t i = 0; i < COMMITS; i++) {
		size_t held;

		commit(&s, COMMIT);
		(void)flood(&w, 2, &name);
		held = RECORDS - key_ring_room(s.ring);
		CHECK(held >= RECORDS / 8 && held <= RECORDS / 2);
	}
	// Nothing waits: all of the share is there again.
	commit(&s, RECORDS - key_ring_room(s.ring));
	CHECK(flood(&w, 2, &name) >= RECORDS / 2 - 4 * BATCH_MAX);
	worker_free(&w);
	scene_free(&s);
}

static void links_go_on_after_the_last_process(void)
{
	struct scene s = scene_of(256, 64);
	struct worker w;
	struct key_entry first;
	struct key_entry second;
	uint8_t last[KEY_LINK_SIZE];
	struct key_link_maker future;
	const uint8_t random[KEY_LINK_RANDOM_SIZE] = {1};

	// Of a process whose clock was a minute ahead.
	key_link_init(&future, NULL);
	key_link_next(&future, clock_wall_ms() + 60000, random, last);
	key_ring_set_last_link(s.ring, last);
	key_maker_free(s.maker);
	CHECK_FATAL(key_maker_new(s.ring, &s.maker) == SL_OK);
	w = worker_of(&s, WINDOW_MS);
	CHECK(claim(&w, 1, 0, &first));
	CHECK(memcmp(first.link, last, KEY_LINK_SIZE) > 0);
	CHECK(claim(&w, 2, 0, &second));
	CHECK(memcmp(second.link, first.link, KEY_LINK_SIZE) > 0);
	key_ring_last_link(s.ring, last);
	CHECK(memcmp(second.link, last, KEY_LINK_SIZE) == 0);
	worker_free(&w);
	scene_free(&s);
}

/** What all workers of the stress see. */
struct stress {
	struct scene scene;
	struct key_record *records; // [records_count] as they came off the ring
	size_t record_count;
	atomic_size_t working;
	atomic_size_t refused;
	struct key_entry got[WORKERS][NAMES];
};

struct stress_worker {
	struct stress *stress;
	size_t number;
};

static void *stress_claim(void *arg)
{
	const struct stress_worker *sw = arg;
	struct stress *s = sw->stress;
	struct worker w = worker_of(&s->scene, WINDOW_MS);
	struct key_want wants[BATCH_MAX];

	for (size_t first = 0; first < NAMES; first += BATCH_MAX) {
		size_t count = NAMES - first < BATCH_MAX ? NAMES - first : BATCH_MAX;

		while (!key_claim_has_room(w.claim, WORKERS))
			sched_yield();
		for (size_t i = 0; i < count; i++)
			wants[i] = want_of(
				first + i, 1 + (first + i) % 3, &s->got[sw->number][first + i]
			);
		w.source.claim(w.source.self, wants, count);
		for (size_t i = 0; i < count; i++)
			atomic_fetch_add(&s->refused, !wants[i].is_given);
	}
	worker_free(&w);
	atomic_fetch_sub(&s->working, 1);
	return NULL;
}

/** Workers race for the same names: each gets one key, and everybody has it. */
static void workers_agree_on_every_key(void)
{
	static struct stress s;
	static struct key_record records[2 * NAMES];
	struct stress_worker workers[WORKERS];
	pthread_t threads[WORKERS];
	struct worker w;
	size_t wrong = 0;
	bool is_over = false;

	s.scene = scene_of(512, 2 * NAMES);
	s.records = records;
	atomic_store(&s.working, WORKERS);
	for (size_t i = 0; i < WORKERS; i++) {
		workers[i] = (struct stress_worker){&s, i};
		CHECK_FATAL(pthread_create(&threads[i], NULL, stress_claim, &workers[i]) == 0);
	}
	while (!is_over) {
		size_t left = 2 * NAMES - s.record_count;
		size_t count;

		is_over = atomic_load(&s.working) == 0;
		count = key_ring_peek(s.scene.ring, records + s.record_count, left);
		key_ring_commit(s.scene.ring, count);
		s.record_count += count;
		is_over = is_over && count == 0;
		if (count == 0)
			sched_yield();
	}
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQUAL(atomic_load(&s.refused), 0);
	CHECK_EQUAL(s.record_count, NAMES);
	w = worker_of(&s.scene, WINDOW_MS);
	for (size_t i = 0; i < NAMES; i++)
		for (size_t k = 0; k < WORKERS; k++) {
			const struct key_entry *e = &s.got[k][i];

			wrong += e->position == 0 || e->position > NAMES
				|| !is_of(&w, e, &records[e->position - 1]);
			wrong += memcmp(e->link, s.got[0][i].link, KEY_LINK_SIZE) != 0;
		}
	for (size_t i = 1; i < s.record_count; i++)
		wrong += memcmp(records[i].link, records[i - 1].link, KEY_LINK_SIZE) <= 0;
	CHECK_EQUAL(wrong, 0);
	worker_free(&w);
	scene_free(&s.scene);
}

static const struct check_test tests[] = {
	{"a new key goes to journal and table", a_new_key_goes_to_journal_and_table},
	{"a key with several subjects is made once", a_key_with_several_subjects_is_made_once},
	{"a subject comes with the position of its record",
	 a_subject_comes_with_the_position_of_its_record},
	{"an aged key is replaced", an_aged_key_is_replaced},
	{"a key that gave way opens still", a_key_that_gave_way_opens_still},
	{"without room nothing is given", without_room_nothing_is_given},
	{"who floods leaves room for others", who_floods_leaves_room_for_others},
	{"who floods goes on as keys become durable", who_floods_goes_on_as_keys_become_durable},
	{"links go on after the last process", links_go_on_after_the_last_process},
	{"workers agree on every key", workers_agree_on_every_key},
};

CHECK_MAIN("dataplane/key_claim")
