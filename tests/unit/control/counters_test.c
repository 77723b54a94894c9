#include "control/api/counters.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <stdlib.h>
#include <string.h>

static void every_counter_has_texts(void)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		CHECK(strlen(counter_key((enum counter)i)) != 0);
		CHECK(strlen(counter_unit((enum counter)i)) != 0);
		CHECK(strlen(counter_help((enum counter)i)) != 0);
		for (int k = 0; k < i; k++)
			CHECK(strcmp(counter_key((enum counter)i), counter_key((enum counter)k))
			      != 0);
	}
	CHECK(strcmp(counter_key(COUNTER_COUNT), "unknown") == 0);
}

/** A duration lies at or above its step's floor, and below the next step's. */
static void check_bucket(uint64_t ns)
{
	uint32_t bucket = counters_latency_bucket(ns);

	CHECK_FATAL(bucket < COUNTERS_LATENCY_BUCKETS);
	CHECK(counters_latency_floor(bucket) <= ns);
	if (ns >= 16 && bucket + 1 < COUNTERS_LATENCY_BUCKETS)
		CHECK(counters_latency_floor(bucket + 1) > ns);
	// A sixteenth is the grain; 0 and 1 share a step.
	CHECK(ns - counters_latency_floor(bucket) <= (ns <= 1 ? 1 : ns / 16));
}

static void durations_fall_in_their_steps(void)
{
	for (uint64_t ns = 0; ns < 5000; ns++)
		check_bucket(ns);
	for (int bit = 4; bit < 64; bit++)
		for (int64_t d = -3; d <= 3; d++)
			check_bucket((UINT64_C(1) << bit) + (uint64_t)d);
	check_bucket(UINT64_MAX);
	CHECK_EQUAL(counters_latency_bucket(UINT64_MAX), COUNTERS_LATENCY_BUCKETS - 1);
}

static void floors_ascend(void)
{
	for (uint32_t i = 1; i < COUNTERS_LATENCY_BUCKETS; i++)
		CHECK(counters_latency_floor(i) >= counters_latency_floor(i - 1));
}

static void strangers_counters_are_checked(void)
{
	const size_t size = counters_size(2);
	struct counters *c = aligned_alloc(64, (size + 63) / 64 * 64);
	struct problem problem;

	CHECK_FATAL(c != NULL);
	memset(c, 0, size);
	CHECK_EQUAL(counters_check(c, size, &problem), SL_E_CORRUPT);
	c->magic = COUNTERS_MAGIC;
	c->version = COUNTERS_VERSION;
	c->size = (uint32_t)size;
	c->worker_count = 2;
	CHECK_EQUAL(counters_check(c, size, &problem), SL_OK);
	CHECK_EQUAL(counters_check(c, size + 4096, &problem), SL_OK);
	CHECK_EQUAL(counters_check(c, size - 1, &problem), SL_E_CORRUPT);
	CHECK_EQUAL(counters_check(c, sizeof(*c) - 1, &problem), SL_E_CORRUPT);
	CHECK_EQUAL(counters_check(c, 0, &problem), SL_E_CORRUPT);
	CHECK_EQUAL(counters_check((char *)c + 8, size - 8, &problem), SL_E_CORRUPT);
	c->worker_count = 3;
	CHECK_EQUAL(counters_check(c, size, &problem), SL_E_CORRUPT);
	c->worker_count = 0;
	CHECK_EQUAL(counters_check(c, size, &problem), SL_E_CORRUPT);
	c->worker_count = COUNTERS_WORKERS_MAX + 1;
	c->size = (uint32_t)counters_size(COUNTERS_WORKERS_MAX + 1);
	CHECK_EQUAL(counters_check(c, c->size, &problem), SL_E_CORRUPT);
	free(c);
}

static const struct check_test tests[] = {
	{"every counter has texts", every_counter_has_texts},
	{"durations fall in their steps", durations_fall_in_their_steps},
	{"floors ascend", floors_ascend},
	{"strangers' counters are checked", strangers_counters_are_checked},
};

CHECK_MAIN("counters")
