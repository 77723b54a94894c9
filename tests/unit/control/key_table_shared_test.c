#include "control/api/key_table_inner.h"
#include "tests/support/check.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	PURPOSES = 2,
	WORDS = 4 * (1 + PURPOSES),
	CONSTANT_SIZE = 64, // of the head (key_table_shared.c)
	STATE_AT = 64,
	INDEX_AT = 4096
};

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
static struct key_entry entry_of(uint64_t number, uint64_t version)
{
	struct key_entry e = {.position = version};
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

static enum sl_status insert(struct key_table *t, uint64_t number, uint64_t version)
{
	uint8_t hash[KEY_HASH_SIZE];
	struct key_entry e = entry_of(number, version);

	hash_of(number, hash);
	return key_table_insert(t, hash, &e, UINT64_MAX);
}

static struct key_table *table_of(size_t entries)
{
	const struct key_table_use use = {
		.entry_count_max = entries,
		.scope = 77,
		.purpose_count = PURPOSES,
		.purposes = {3, 9},
	};
	struct key_table *t = NULL;

	if (key_table_create_shared(&use, &t) != SL_OK)
		abort();
	return t;
}

static struct key_table *attached(int fd)
{
	struct key_table *t = NULL;
	struct problem p;

	return key_table_attach(fd, &t, &p) == SL_OK ? t : NULL;
}

static void what_one_process_writes_another_finds(void)
{
	struct key_table *t = table_of(1000);
	struct key_table *other = attached(key_table_fd(t));
	struct key_table_use use;
	struct key_entry e;
	size_t wrong = 0;
	pid_t child;

	CHECK_FATAL(other != NULL);
	use = key_table_use(other);
	CHECK_EQUAL(use.entry_count_max, 1000);
	CHECK_EQUAL(use.scope, 77);
	CHECK_EQUAL(use.purpose_count, PURPOSES);
	CHECK_EQUAL(use.purposes[0], 3);
	CHECK_EQUAL(use.purposes[1], 9);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0) {
		struct key_table *mine = attached(key_table_fd(t));

		for (uint64_t i = 0; i < 1000 && mine != NULL; i++)
			if (insert(mine, i, i) != SL_OK)
				_exit(1);
		_exit(mine == NULL);
	}
	waitpid(child, NULL, 0);
	for (uint64_t i = 0; i < 1000; i++)
		wrong += !find(other, i, &e) || !is_whole(&e, i);
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(key_table_count(t), 1000);
	CHECK_EQUAL(insert(other, 5000, 1), SL_OK); // one gives way
	CHECK(key_table_has_evicted(t));
	CHECK(find(t, 5000, &e));
	key_table_free(other);
	CHECK(find(t, 5000, &e)); // not wiped: it is not only the other's
	CHECK_EQUAL(key_table_recover(t), 0);
	key_table_free(t);
}

static void arguments_out_of_range_are_refused(void)
{
	static const struct key_table_use uses[] = {
		{.entry_count_max = 0},
		{.entry_count_max = (size_t)1 << 40},
		{.entry_count_max = 1, .purpose_count = CONTRACT_PURPOSES_MAX + 1},
		{.entry_count_max = 1, .purpose_count = 2, .purposes = {2, 2}},
		{.entry_count_max = 1, .purpose_count = 1, .purposes = {PURPOSE_MAX + 1}},
	};
	struct key_table *t = NULL;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		CHECK_EQUAL(key_table_create_shared(&uses[i], &t), SL_E_INVALID);
	CHECK(t == NULL);
	CHECK_EQUAL(key_table_new(4, 1, &t), SL_OK);
	CHECK_EQUAL(key_table_fd(t), -1);
	CHECK_EQUAL(key_table_use(t).entry_count_max, 4);
	key_table_free(t);
}

static uint8_t *raw_of(const struct key_table *t)
{
	uint8_t *raw =
		mmap(NULL, t->memory.size, PROT_READ | PROT_WRITE, MAP_SHARED, key_table_fd(t), 0);

	if (raw == MAP_FAILED)
		abort();
	return raw;
}

static void what_is_no_table_is_refused(void)
{
	// used, hand, of four entries
	static const uint64_t states[][2] = {{5, 0}, {UINT64_MAX, 0}, {4, 4}, {1, UINT64_MAX}};
	// words that name no entry of four
	static const uint64_t words[] = {5, 0xffff0005, 1ull << 32, UINT64_MAX, 0xfffffffe};
	struct key_table *t = table_of(4);
	uint8_t *raw = raw_of(t);
	int fd;

	for (size_t bit = 0; bit < 8 * (size_t)CONSTANT_SIZE; bit++) {
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(attached(key_table_fd(t)) == NULL);
		raw[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		memcpy(raw + STATE_AT, states[i], sizeof(states[i]));
		CHECK(attached(key_table_fd(t)) == NULL);
		memset(raw + STATE_AT, 0, sizeof(states[i]));
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		memcpy(raw + INDEX_AT + 24, &words[i], 8);
		CHECK(attached(key_table_fd(t)) == NULL);
		memset(raw + INDEX_AT + 24, 0, 8);
	}
	fd = memfd_create("keys", MFD_ALLOW_SEALING);
	CHECK_FATAL(fd >= 0 && ftruncate(fd, 1 << 24) == 0);
	CHECK_EQUAL((ssize_t)INDEX_AT, pwrite(fd, raw, INDEX_AT, 0));
	CHECK(attached(fd) == NULL); // it could shrink
	close(fd);
	CHECK(attached(fd) == NULL);
	munmap(raw, t->memory.size);
	key_table_free(attached(key_table_fd(t)));
	key_table_free(t);
}

/** Every way in which a death in the middle of an insert, or worse, can leave the table. */
static void what_is_half_written_is_dropped(void)
{
	struct key_table *t = table_of(8);
	struct key_table_place place;
	uint8_t hash[KEY_HASH_SIZE];
	struct key_entry e;
	word *free_word = NULL;

	for (uint64_t i = 0; i < 6; i++)
		CHECK_EQUAL(insert(t, i, i), SL_OK);
	// A slot was given out, and no more.
	hash_of(100, hash);
	CHECK_EQUAL(key_table_reserve(t, hash, 0, 0, &place), SL_OK);
	CHECK_EQUAL(key_table_recover(t), 0);
	// A slot half written, in place (slots were given out in order).
	atomic_fetch_add(&slot_at(t, 2)->sequence, 1);
	// A word that names a slot never given out, and one of a slot that another word names.
	for (size_t i = 0; i < BUCKET_WORDS * t->bucket_count && free_word == NULL; i++)
		if (atomic_load(&t->buckets[i]) == 0)
			free_word = &t->buckets[i];
	CHECK_FATAL(free_word != NULL);
	atomic_store(free_word, 8);
	CHECK_EQUAL(key_table_recover(t), 2);
	atomic_store(free_word, tag_of((uint64_t[]){0, 12345ull << 32}) | 1);
	CHECK_EQUAL(key_table_recover(t), 1);
	for (uint64_t i = 0; i < 6; i++) {
		CHECK_EQUAL(find(t, i, &e), i != 2);
		CHECK(i == 2 || is_whole(&e, i));
	}
	CHECK_EQUAL(key_table_count(t), 5);
	CHECK_EQUAL(key_table_recover(t), 0);
	// And it goes on: the slots that nobody names are given out again.
	for (uint64_t i = 10; i < 2000; i++) {
		CHECK_EQUAL(insert(t, i, i), SL_OK);
		CHECK(find(t, i, &e));
	}
	CHECK(key_table_count(t) <= 8 && key_table_count(t) >= 6);
	key_table_free(t);
}

enum {
	KEYS = 3000,
	ENTRIES = 2000
};

static void write_for_ever(int fd)
{
	struct key_table *t = attached(fd);
	uint64_t state = (uint64_t)getpid();

	if (t == NULL)
		_exit(1);
	for (uint64_t version = 1;; version++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		if (insert(t, (state >> 33) % KEYS, version) != SL_OK)
			_exit(2);
	}
}

static void a_dead_writer_leaves_a_table_that_is_made_sound(void)
{
	struct key_table *t = table_of(ENTRIES);
	struct key_entry e;
	size_t dropped = 0;
	size_t wrong = 0;
	size_t odd = 0;
	size_t rounds = 0;

	// Beside others a child may not get to work before its end: then there are more of them.
	for (; rounds < 40 || (key_table_count(t) <= ENTRIES / 2 && rounds < 2000); rounds++) {
		const struct timespec pause = {.tv_nsec = 1000000 + (long)(rounds % 40) * 37123};
		pid_t child = fork();
		size_t found = 0;

		CHECK_FATAL(child >= 0);
		if (child == 0)
			write_for_ever(key_table_fd(t));
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		dropped += key_table_recover(t);
		for (size_t i = 0; i < ENTRIES; i++)
			odd += atomic_load(&slot_at(t, i)->sequence) & 1;
		CHECK_FATAL(odd == 0); // else a look-up would not return
		for (uint64_t i = 0; i < KEYS; i++) {
			bool is_found = find(t, i, &e);

			found += is_found;
			wrong += is_found && !is_whole(&e, i);
		}
		CHECK_EQUAL(found, key_table_count(t));
		CHECK_EQUAL(key_table_recover(t), 0);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK(dropped <= rounds);
	CHECK(key_table_count(t) > ENTRIES / 2);
	for (uint64_t i = 0; i < KEYS; i++)
		wrong += insert(t, i, 1) != SL_OK || !find(t, i, &e) || !is_whole(&e, i);
	CHECK_EQUAL(wrong, 0);
	key_table_free(t);
}

/** Words of a process that was taken over: slots far outside, and inside. */
static _Noreturn void write_wild_words(int fd)
{
	struct key_table *t = attached(fd);

	if (t == NULL || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		_exit(1);
	for (uint64_t n = 1;; n++) {
		uint64_t wild = (n * 6364136223846793005u) | 0x80000000;

		atomic_store(
			&t->buckets[n % (t->bucket_count * BUCKET_WORDS)],
			n % 3 == 0 ? 1 + n % 8 : wild
		);
	}
}

static _Noreturn void recover_beside_a_writer(int fd)
{
	struct key_table *t = attached(fd);
	pid_t writer = fork();
	size_t dropped = 0;

	if (writer == 0)
		write_wild_words(fd);
	if (t == NULL || writer < 0)
		_exit(1);
	// It begins when it gets a core; from then on every table has something to drop.
	for (size_t round = 0; round < 20000; round += dropped != 0)
		dropped += key_table_recover(t);
	kill(writer, SIGKILL);
	waitpid(writer, NULL, 0);
	_exit(0);
}

/** Control makes a table sound while somebody still writes to it: it has to end, and to read nothing outside. */
static void a_writer_that_lives_leads_nobody_outside(void)
{
	struct key_table *t = table_of(8);
	struct key_entry e;
	int code = -1;
	pid_t child;

	for (uint64_t i = 0; i < 8; i++)
		CHECK_EQUAL(insert(t, i, i), SL_OK);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0)
		recover_beside_a_writer(key_table_fd(t));
	waitpid(child, &code, 0);
	CHECK_EQUAL(code, 0);
	(void)key_table_recover(t);
	CHECK_EQUAL(insert(t, 20, 1), SL_OK);
	CHECK(find(t, 20, &e) && is_whole(&e, 20));
	key_table_free(t);
}

static const struct check_test tests[] = {
	{"what one process writes another finds", what_one_process_writes_another_finds},
	{"arguments out of range are refused", arguments_out_of_range_are_refused},
	{"what is no table is refused", what_is_no_table_is_refused},
	{"what is half written is dropped", what_is_half_written_is_dropped},
	{"a dead writer leaves a table that is made sound",
	 a_dead_writer_leaves_a_table_that_is_made_sound},
	{"a writer that lives leads nobody outside", a_writer_that_lives_leads_nobody_outside},
};

CHECK_MAIN("control/key_table_shared")
