#include "bench/load/follow.h"
#include "tests/support/check.h"

#include <stdlib.h>
#include <string.h>

enum {
	START_NS = 5000,
	GAP_NS = 1000
};

static struct counters *counters;
static struct counted counted;
static struct histogram latency;

/** Counters in which the streams of rows 3 and 7 have been at work before. */
static struct follow begin(bool is_poisson)
{
	const size_t size = counters_size(1);
	struct follow follow;
	struct pace pace;

	free(counters);
	counters = aligned_alloc(64, (size + 63) / 64 * 64);
	CHECK_FATAL(counters != NULL);
	memset(counters, 0, size);
	counters->worker_count = 1;
	counters->stream_id[3][0] = counters->stream_id[7][15] = 1;
	counters->sink[3].rows_delivered = 100;
	counters->sink[7].rows_delivered = 50;
	counted =
		(struct counted){.source = COUNTED_BY_COUNTERS, .counters = counters, .size = size};
	histogram_reset(&latency);
	pace_init(&pace, 1e9 / GAP_NS, is_poisson, START_NS, 9);
	follow_init(&follow, &counted, &pace, &latency);
	return follow;
}

static void test_each_from_its_time(void)
{
	struct follow f = begin(false);

	follow_look(&f, 10, START_NS + 4000);
	CHECK(latency.count == 0 && !follow_is_through(&f, 10));
	counters->sink[3].rows_delivered += 3;
	follow_look(&f, 10, START_NS + 5000);
	CHECK_EQUAL(latency.count, 3);
	CHECK(latency.min_ns == 3000 && latency.max_ns == 5000);
	// A stall: what was due meanwhile has waited, each from its own time.
	counters->sink[7].rows_delivered += 7;
	follow_look(&f, 10, START_NS + 109000);
	CHECK_EQUAL(latency.count, 10);
	CHECK_EQUAL(latency.max_ns, 106000);
	CHECK(follow_is_through(&f, 10) && !follow_is_through(&f, 11));
}

/** Others' events, and a clock that is behind, do no harm. */
static void test_no_more_than_offered(void)
{
	struct follow f = begin(false);

	counters->sink[3].rows_delivered += 1000;
	counters->sink[4].rows_delivered += 1000; // of no stream that was there
	follow_look(&f, 2, START_NS);
	CHECK_EQUAL(latency.count, 2);
	CHECK_EQUAL(latency.max_ns, 0);
	follow_look(&f, 2, START_NS + 5000);
	CHECK_EQUAL(latency.count, 2);
}

/** The times are those that the events were sent by. */
static void test_poisson(void)
{
	struct follow f = begin(true);
	struct pace pace = f.pace;

	for (uint64_t n = 1; n <= 1000; n++) {
		uint64_t due_ns = pace_take(&pace);

		counters->sink[7].rows_delivered++;
		follow_look(&f, n, due_ns + 12345);
	}
	CHECK_EQUAL(latency.count, 1000);
	CHECK(latency.min_ns == 12345 && latency.max_ns == 12345);
}

static void test_nothing_to_follow(void)
{
	const struct counted none = {.source = COUNTED_NOT};
	struct follow f = begin(false);
	struct pace pace = f.pace;

	follow_init(&f, &none, &pace, &latency);
	follow_look(&f, 5, START_NS);
	CHECK(latency.count == 0 && follow_is_through(&f, 5));
	follow_init(&f, NULL, &pace, &latency);
	follow_look(&f, 5, START_NS);
	CHECK(latency.count == 0 && follow_is_through(&f, 5));
	free(counters);
	counters = NULL;
}

static const struct check_test tests[] = {
	{"each from the time it was due at", test_each_from_its_time},
	{"no more than were offered", test_no_more_than_offered},
	{"Poisson", test_poisson},
	{"nothing to follow", test_nothing_to_follow},
};
CHECK_MAIN("follow")
