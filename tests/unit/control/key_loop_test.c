#include "control/api/key_source.h"
#include "control/key_feed.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/key_claim.h"
#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

// The whole way of a key between processes: claimed in a dataplane, fed to the vault by control, used once it is durable.
// Both processes are killed at random moments and begin anew, apart or together, with their memory or without.

enum {
	PURPOSES = 2,
	KEYS_SIZE = (1 + PURPOSES) * KEY_SIZE,
	NAMES = 200000,
	USED_MAX = 1 << 19,
	PENDING_MAX = 65536, // a power of two
	ROUNDS = 24,
	USES_MIN = 200 // of a round, before something is killed
};

static const uint8_t purposes[PURPOSES] = {1, 2};
static const int64_t WINDOW_MS = 86400000;

/** A key that sealed something that was let out. */
struct use {
	uint64_t name;
	uint64_t position;
	uint8_t link[KEY_LINK_SIZE];
	uint8_t keys[KEYS_SIZE];
};

/** What outlives both. */
struct world {
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	uint64_t scope;
	atomic_uint recover_wanted;
	atomic_uint recover_done;
	atomic_bool is_warm_wanted;
	atomic_size_t dropped; // by key_table_recover
	atomic_size_t use_count;
	struct use use[USED_MAX];
	atomic_bool is_told[USED_MAX]; // whole: its dataplane may have died while it told
};

struct loop {
	struct vault_dir dir;
	struct world *world;
	struct key_ring *ring; // for their descriptors only
	struct key_table *table;
	pid_t control;
	pid_t dataplane;
};

static void sleep_us(long us)
{
	const struct timespec pause = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};

	nanosleep(&pause, NULL);
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	_exit(1);
}

static struct key_ring *ring_at(int fd)
{
	struct key_ring *ring;
	struct problem p;

	if (key_ring_attach(fd, &ring, &p) != SL_OK)
		fail(p.what);
	return ring;
}

static struct key_table *table_at(int fd)
{
	struct key_table *table;
	struct problem p;

	if (key_table_attach(fd, &table, &p) != SL_OK)
		fail(p.what);
	return table;
}

static void name_hash(const struct world *w, uint64_t name, uint8_t ret_hash[KEY_HASH_SIZE])
{
	siphash(w->hash_key, view_of(&name, sizeof(name)), ret_hash);
}

static void warm(struct vault *v, struct key_table *table)
{
	struct key_warm warms[1] = {{.table = table, .window_ms = WINDOW_MS}};
	struct problem p;

	if (key_feed_warm(v, warms, 1, clock_wall_ms(), NULL, &p) != SL_OK)
		fail(p.what);
}

static _Noreturn void run_control(const struct loop *l)
{
	struct world *w = l->world;
	struct vault *v = vault_dir_vault(&l->dir);
	struct key_ring *ring = ring_at(key_ring_fd(l->ring));
	const struct key_feed_scope rules = {.scope = w->scope};
	struct key_feed *feed;
	struct problem p;

	if (atomic_load(&w->is_warm_wanted)) {
		warm(v, table_at(key_table_fd(l->table)));
		atomic_store(&w->is_warm_wanted, false);
	}
	if (key_feed_new(v, &feed, &p) != SL_OK || key_feed_allow(feed, &rules) != SL_OK
	    || key_feed_attach(feed, ring, &p) != SL_OK)
		fail(p.what);
	for (;;) {
		unsigned wanted = atomic_load(&w->recover_wanted);

		if (key_feed_status(feed, &p) != SL_OK)
			fail(p.what);
		if (wanted == atomic_load(&w->recover_done)) {
			sleep_us(500);
			continue;
		}
		if (key_feed_recover(feed, &p) != SL_OK)
			fail(p.what);
		atomic_fetch_add(&w->dropped, key_table_recover(table_at(key_table_fd(l->table))));
		atomic_store(&w->recover_done, wanted);
	}
}

/** A dataplane: what it does, and what waits to be let out. */
struct dataplane {
	struct world *world;
	struct key_ring *ring;
	struct key_source source;
	struct use *pending; // [PENDING_MAX]
	size_t first;
	size_t end;
};

/** Look up and claim one turn's names. */
static void turn(struct dataplane *d, uint64_t *state)
{
	static struct key_entry entries[BATCH_MAX];
	struct key_entry *out[BATCH_MAX];
	uint8_t hashes[BATCH_MAX][KEY_HASH_SIZE];
	uint64_t names[BATCH_MAX];
	bool is_found[BATCH_MAX];
	struct key_want wants[BATCH_MAX];
	uint64_t first = *state = *state * 6364136223846793005u + 1442695040888963407u;
	size_t want_count = 0;

	for (size_t i = 0; i < BATCH_MAX; i++) {
		names[i] = ((first >> 33) + i) % NAMES;
		name_hash(d->world, names[i], hashes[i]);
		out[i] = &entries[i];
	}
	key_table_find_burst(d->source.table, hashes, BATCH_MAX, out, is_found);
	for (size_t i = 0; i < BATCH_MAX; i++) {
		if (is_found[i])
			continue;
		wants[want_count] = (struct key_want){.entry = out[i]};
		memcpy(wants[want_count++].hash, hashes[i], KEY_HASH_SIZE);
	}
	if (want_count != 0)
		d->source.claim(d->source.self, wants, want_count);
	for (size_t i = 0; i < want_count; i++)
		if (!wants[i].is_given)
			fail("a key is refused");
	for (size_t i = 0; i < BATCH_MAX; i++) {
		struct use *u = &d->pending[d->end++ % PENDING_MAX];

		u->name = names[i];
		u->position = entries[i].position;
		memcpy(u->link, entries[i].link, KEY_LINK_SIZE);
		memcpy(u->keys, entries[i].key, KEYS_SIZE);
	}
}

/** What is durable goes out. */
static void let_out(struct dataplane *d)
{
	uint64_t durable = key_ring_durable(d->ring);

	for (; d->first < d->end; d->first++) {
		const struct use *u = &d->pending[d->first % PENDING_MAX];
		size_t at;

		if (u->position > durable)
			return;
		at = atomic_fetch_add(&d->world->use_count, 1);
		if (at >= USED_MAX)
			for (;;)
				sleep_us(1000); // enough
		d->world->use[at] = *u;
		atomic_store(&d->world->is_told[at], true);
	}
}

static _Noreturn void run_dataplane(const struct loop *l)
{
	const struct engine_options options = {0};
	struct dataplane d = {
		.world = l->world,
		.ring = ring_at(key_ring_fd(l->ring)),
		.pending = calloc(PENDING_MAX, sizeof(*d.pending)),
	};
	struct key_claim_options claim_options = {
		.table = table_at(key_table_fd(l->table)),
		.hash_key = l->world->hash_key,
		.purposes = purposes,
		.purpose_count = PURPOSES,
		.scope = l->world->scope,
		.window_ms = WINDOW_MS,
	};
	struct key_claim *claim;
	uint64_t state = (uint64_t)getpid();
	struct problem p;

	if (d.pending == NULL || engine_new(&options, &claim_options.engine, &p) != SL_OK
	    || key_maker_new(d.ring, &claim_options.maker) != SL_OK
	    || key_claim_new(&claim_options, &claim) != SL_OK)
		fail("a dataplane can not start");
	d.source = key_claim_source(claim);
	for (;;) {
		if (key_claim_has_room(claim, 1) && PENDING_MAX - (d.end - d.first) >= BATCH_MAX)
			turn(&d, &state);
		sleep_us(200);
		let_out(&d);
	}
}

static void start_control(struct loop *l)
{
	l->control = fork();
	if (l->control == 0)
		run_control(l);
}

static void start_dataplane(struct loop *l)
{
	l->dataplane = fork();
	if (l->dataplane == 0)
		run_dataplane(l);
}

/** @return whether it was alive until then */
static bool kill_it(pid_t *pid)
{
	int status = 0;

	kill(*pid, SIGKILL);
	waitpid(*pid, &status, 0);
	*pid = 0;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool recover(struct world *w)
{
	unsigned wanted = atomic_fetch_add(&w->recover_wanted, 1) + 1;

	for (int i = 0; i < 20000 && atomic_load(&w->recover_done) != wanted; i++)
		sleep_us(1000);
	return atomic_load(&w->recover_done) == wanted;
}

static void new_memory(struct loop *l)
{
	const struct key_table_use use = {
		.entry_count_max = (size_t)2 * NAMES,
		.scope = l->world->scope,
		.purpose_count = PURPOSES,
		.purposes = {1, 2},
	};
	struct problem p;

	key_ring_free(l->ring);
	key_table_free(l->table);
	if (key_ring_create(4096, &l->ring, &p) != SL_OK
	    || key_table_create_shared(&use, &l->table) != SL_OK)
		abort();
	atomic_store(&l->world->is_warm_wanted, true);
}

static struct loop loop_new(void)
{
	struct loop l = {.dir = vault_dir_new()};
	struct vault *v = vault_dir_vault(&l.dir);
	struct problem p;
	bool is_new;

	l.world = mmap(
		NULL, sizeof(*l.world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
	);
	if (l.world == MAP_FAILED
	    || vault_scope(
		       v,
		       view_of_text("stream"),
		       view_of_text("acme/clicks"),
		       &l.world->scope,
		       &is_new,
		       &p
	       ) != SL_OK)
		abort();
	memcpy(l.world->hash_key, vault_hash_key(v), SIPHASH_KEY_SIZE);
	vault_close(v);
	new_memory(&l);
	return l;
}

/** Every key that was used is in the vault, under its name, with the keys that sealed. @return faults */
static size_t check_uses(const struct loop *l, size_t *ret_second_keys)
{
	static struct use first_use[NAMES];
	size_t count = atomic_load(&l->world->use_count);
	struct vault *v = vault_dir_vault(&l->dir);
	size_t wrong = 0;

	*ret_second_keys = 0;
	for (size_t i = 0; i < count && i < USED_MAX; i++) {
		const struct use *u = &l->world->use[i];
		struct use *known = &first_use[u->name];
		static const uint8_t none[KEY_LINK_SIZE];
		uint8_t keys[KEYS_SIZE];

		if (!atomic_load(&l->world->is_told[i]))
			continue;
		if (memcmp(u->link, known->link, KEY_LINK_SIZE) == 0) {
			wrong += memcmp(u->keys, known->keys, KEYS_SIZE) != 0;
			continue;
		}
		*ret_second_keys += memcmp(known->link, none, sizeof(none)) != 0;
		if (vault_find_key(v, u->link, purposes, PURPOSES, keys) != SL_OK
		    || memcmp(keys, u->keys, KEYS_SIZE) != 0)
			wrong++;
		else
			*known = *u;
	}
	vault_close(v);
	return wrong;
}

/** Both at work for a while, at a random end. */
static void let_run(const struct loop *l, unsigned *seed)
{
	size_t before = atomic_load(&l->world->use_count);

	for (int i = 0; i < 20000 && atomic_load(&l->world->use_count) < before + USES_MIN; i++)
		sleep_us(1000);
	sleep_us(10000 + rand_r(seed) % 40000);
}

static void killed_at_random_moments_no_key_in_use_is_lost(void)
{
	struct loop l = loop_new();
	unsigned seed = 4711;
	size_t second_keys;
	size_t early_ends = 0;

	start_control(&l);
	start_dataplane(&l);
	for (int round = 0; round < ROUNDS; round++) {
		bool is_control = round % 4 != 1;
		bool is_dataplane = round % 4 != 0;

		let_run(&l, &seed);
		if (is_control)
			early_ends += !kill_it(&l.control);
		if (is_dataplane)
			early_ends += !kill_it(&l.dataplane);
		if (round % 8 == 7)
			new_memory(&l); // as after a restart of the machine
		if (is_control)
			start_control(&l);
		while (atomic_load(&l.world->is_warm_wanted))
			sleep_us(1000);
		if (!is_dataplane)
			continue;
		CHECK_FATAL(recover(l.world));
		start_dataplane(&l);
	}
	let_run(&l, &seed);
	early_ends += !kill_it(&l.dataplane);
	CHECK(recover(l.world));
	CHECK_EQUAL(key_ring_durable(l.ring), key_ring_position(l.ring));
	early_ends += !kill_it(&l.control);
	CHECK_EQUAL(early_ends, 0);
	CHECK_EQUAL(check_uses(&l, &second_keys), 0);
	CHECK(atomic_load(&l.world->use_count) > (size_t)ROUNDS * USES_MIN);
	CHECK(second_keys <= atomic_load(&l.world->dropped));
	key_ring_free(l.ring);
	key_table_free(l.table);
	munmap(l.world, sizeof(*l.world));
	vault_dir_free(&l.dir);
}

enum {
	WORKERS = 2,
	THREAD_NAMES = 6000
};

struct thread_loop {
	struct loop *loop;
	struct key_ring *ring;
	struct key_table *table;
	struct key_maker *maker;
	size_t failures;
	struct use use[THREAD_NAMES];
};

/** Claims every name, and lets out what is durable. */
static void *work(void *arg)
{
	struct thread_loop *t = arg;
	const struct engine_options options = {0};
	struct key_claim_options claim_options = {
		.maker = t->maker,
		.table = t->table,
		.hash_key = t->loop->world->hash_key,
		.purposes = purposes,
		.purpose_count = PURPOSES,
		.scope = t->loop->world->scope,
		.window_ms = WINDOW_MS,
	};
	struct key_claim *claim;
	struct key_source source;
	struct problem p;

	if (engine_new(&options, &claim_options.engine, &p) != SL_OK
	    || key_claim_new(&claim_options, &claim) != SL_OK)
		abort();
	source = key_claim_source(claim);
	for (uint64_t name = 0; name < THREAD_NAMES; name++) {
		struct key_entry entry;
		struct key_want want = {.entry = &entry};

		while (!key_claim_has_room(claim, WORKERS))
			sleep_us(100);
		name_hash(t->loop->world, name, want.hash);
		source.claim(source.self, &want, 1);
		t->failures += !want.is_given;
		t->use[name].name = name;
		t->use[name].position = entry.position;
		memcpy(t->use[name].link, entry.link, KEY_LINK_SIZE);
		memcpy(t->use[name].keys, entry.key, KEYS_SIZE);
	}
	for (uint64_t name = 0; name < THREAD_NAMES; name++)
		while (key_ring_durable(t->ring) < t->use[name].position)
			sleep_us(100);
	key_claim_free(claim);
	engine_free(claim_options.engine);
	return NULL;
}

static void in_one_process_the_vault_has_what_workers_use(void)
{
	static struct thread_loop t[WORKERS];
	struct loop l = loop_new();
	struct vault *v = vault_dir_vault(&l.dir);
	const struct key_feed_scope rules = {.scope = l.world->scope};
	struct key_feed_dead_letter dead;
	struct key_maker *maker;
	pthread_t threads[WORKERS];
	struct key_feed *feed;
	size_t wrong = 0;
	struct problem p;

	CHECK_FATAL(key_feed_new(v, &feed, &p) == SL_OK);
	CHECK_FATAL(key_feed_allow(feed, &rules) == SL_OK);
	CHECK_FATAL(key_feed_attach(feed, l.ring, &p) == SL_OK);
	CHECK_FATAL(key_maker_new(l.ring, &maker) == SL_OK);
	for (size_t i = 0; i < WORKERS; i++) {
		t[i] = (struct thread_loop
		){.loop = &l, .ring = l.ring, .table = l.table, .maker = maker};
		CHECK_FATAL(pthread_create(&threads[i], NULL, work, &t[i]) == 0);
	}
	for (int64_t day = 20000; day < 20020; day++) {
		wrong += key_feed_dead_letter_key(feed, day, &dead, &p) != SL_OK;
		sleep_us(1000);
	}
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 0; i < THREAD_NAMES; i++) {
		uint8_t keys[KEYS_SIZE];

		for (size_t n = 0; n < WORKERS; n++) {
			const struct use *u = &t[n].use[i];

			wrong += vault_find_key(v, u->link, purposes, PURPOSES, keys) != SL_OK
				|| memcmp(u->keys, keys, KEYS_SIZE) != 0
				|| memcmp(u->link, t[0].use[i].link, KEY_LINK_SIZE) != 0;
		}
	}
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(t[0].failures + t[1].failures, 0);
	CHECK_EQUAL(key_feed_counts(feed).keys, THREAD_NAMES + 20);
	CHECK_EQUAL(vault_key_count(v), THREAD_NAMES + 20);
	key_feed_free(feed);
	key_maker_free(maker);
	vault_close(v);
	key_ring_free(l.ring);
	key_table_free(l.table);
	munmap(l.world, sizeof(*l.world));
	vault_dir_free(&l.dir);
}

static const struct check_test tests[] = {
	{"killed at random moments, no key in use is lost",
	 killed_at_random_moments_no_key_in_use_is_lost},
	{"in one process the vault has what workers use",
	 in_one_process_the_vault_has_what_workers_use},
};

CHECK_MAIN("control/key_loop")
