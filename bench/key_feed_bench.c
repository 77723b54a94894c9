// New keys of a dataplane on their way: claimed in bursts by one worker (DEK, link, three derived keys, ring, table), fed
// to the vault and durable; then how fast a new control fills a table with them. On the device that the directory is on.
#include "control/key_feed.h"
#include "crypto/siphash.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/key_claim.h"
#include "io/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	PURPOSES = 2
};

static const int64_t WINDOW_MS = 86400000;

static void check(enum sl_status status, const struct problem *p)
{
	if (status == SL_OK)
		return;
	problem_print(stderr, p);
	exit(EXIT_FAILURE);
}

static void report(uint64_t since_ns, uint64_t count, const char *what)
{
	double s = (double)(clock_monotonic_ns() - since_ns) / 1e9;

	printf("  %-44s %6.2f s  %6.0f k/s\n", what, s, (double)count / s / 1e3);
}

static struct key_table *table_of(uint64_t scope, uint64_t count)
{
	const struct key_table_use use = {
		.entry_count_max = 2 * count,
		.scope = scope,
		.purpose_count = PURPOSES,
		.purposes = {1, 2},
	};
	struct key_table *t;

	if (key_table_create_shared(&use, &t) != SL_OK)
		exit(EXIT_FAILURE);
	return t;
}

static void pause_shortly(void)
{
	const struct timespec pause = {.tv_nsec = 50000};

	nanosleep(&pause, NULL);
}

/** @return nanoseconds that the worker spent in claims */
static uint64_t claim_all(struct key_claim *claim, uint64_t count)
{
	const struct key_source source = key_claim_source(claim);
	static struct key_entry entries[BATCH_MAX];
	struct key_want wants[BATCH_MAX];
	uint64_t spent = 0;

	for (uint64_t at = 0; at < count; at += BATCH_MAX) {
		uint64_t start;

		for (uint64_t i = 0; i < BATCH_MAX; i++) {
			uint64_t text[2] = {source.scope, at + i};

			wants[i] = (struct key_want){.entry = &entries[i], .subject = at + i + 1};
			siphash(source.hash_key, view_of(text, sizeof(text)), wants[i].hash);
			memcpy(wants[i].subject_hash, wants[i].hash, KEY_HASH_SIZE);
		}
		while (!key_claim_has_room(claim, 1))
			pause_shortly();
		start = clock_monotonic_ns();
		source.claim(source.self, wants, BATCH_MAX);
		spent += clock_monotonic_ns() - start;
		if (!wants[BATCH_MAX - 1].is_given)
			exit(EXIT_FAILURE);
	}
	return spent;
}

static void make_keys(struct vault *v, uint64_t scope, uint64_t count)
{
	static const uint8_t purposes[PURPOSES] = {1, 2};
	const struct engine_options options = {0};
	const struct key_feed_scope rules = {.scope = scope};
	struct key_claim_options claim_options = {
		.table = table_of(scope, count),
		.hash_key = vault_hash_key(v),
		.purposes = purposes,
		.purpose_count = PURPOSES,
		.scope = scope,
		.window_ms = WINDOW_MS,
	};
	struct key_claim *claim;
	struct key_ring *ring;
	struct key_feed *feed;
	uint64_t start;
	uint64_t spent;
	struct problem p;

	check(key_ring_create(KEY_RING_DEFAULT, &ring, &p), &p);
	check(key_feed_new(v, &feed, &p), &p);
	check(key_feed_allow(feed, &rules), &p);
	check(key_feed_attach(feed, ring, &p), &p);
	check(engine_new(&options, &claim_options.engine, &p), &p);
	if (key_maker_new(ring, &claim_options.maker) != SL_OK
	    || key_claim_new(&claim_options, &claim) != SL_OK)
		exit(EXIT_FAILURE);
	start = clock_monotonic_ns();
	spent = claim_all(claim, count);
	while (key_ring_durable(ring) < key_ring_position(ring))
		pause_shortly();
	report(start, count, "claimed and durable");
	printf("  %-44s %6.0f ns a key\n", "of it the worker's own", (double)spent / (double)count);
	key_feed_free(feed);
	key_claim_free(claim);
	key_maker_free(claim_options.maker);
	engine_free(claim_options.engine);
	key_table_free(claim_options.table);
	key_ring_free(ring);
}

static void warm(struct vault *v, uint64_t scope, uint64_t count)
{
	struct key_warm warms[1] = {{.scope = scope, .window_ms = WINDOW_MS}};
	uint64_t start = clock_monotonic_ns();
	struct problem p;

	check(key_feed_warm(v, warms, 1, clock_wall_ms(), NULL, &p), &p);
	report(start, warms[0].key_count, "counted");
	warms[0].table = table_of(scope, count);
	start = clock_monotonic_ns();
	check(key_feed_warm(v, warms, 1, clock_wall_ms(), NULL, &p), &p);
	report(start, key_table_count(warms[0].table), "warmed");
	if (warms[0].key_count != count)
		exit(EXIT_FAILURE);
	key_table_free(warms[0].table);
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1 << 20;
	char dir[512];
	char file[600];
	struct vault_options options = {.dir = dir, .may_create = true};
	struct vault *v;
	uint64_t scope;
	bool is_new;
	struct problem p;

	count = (count + BATCH_MAX - 1) / BATCH_MAX * BATCH_MAX;
	snprintf(dir, sizeof(dir), "%s/sealane-feed-XXXXXX", argc > 2 ? argv[2] : "/tmp");
	if (count == 0 || mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	printf("%llu keys, vault in %s\n", (unsigned long long)count, dir);
	check(vault_open(&options, &v, &p), &p);
	check(vault_scope(v, view_of_text("s"), view_of_text("a/b"), &scope, &is_new, &p), &p);
	make_keys(v, scope, count);
	vault_close(v);
	check(vault_open(&options, &v, &p), &p);
	warm(v, scope, count);
	vault_close(v);
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = {"data.mdb", "lock.mdb", "lock", "root.key"};

		snprintf(file, sizeof(file), "%s/%s", dir, names[i]);
		unlink(file);
	}
	rmdir(dir);
	return EXIT_SUCCESS;
}
