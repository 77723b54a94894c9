#include "bench/load/histogram.h"
#include "tests/support/check.h"

static struct histogram h;

/** Every value lies in its step, steps follow each other, and none is wider than a 128th of its values. */
static void test_steps(void)
{
	for (uint32_t step = 0; step + 1 < HISTOGRAM_STEPS; step++) {
		uint64_t top = histogram_top(step);
		uint64_t width = histogram_top(step + 1) - top;

		CHECK_EQUAL(histogram_step(top), step);
		CHECK_EQUAL(histogram_step(top + 1), step + 1);
		CHECK(width == 1 || width * HISTOGRAM_PARTS <= top + 1);
	}
	CHECK_EQUAL(histogram_step(UINT64_MAX), HISTOGRAM_STEPS - 1);
	CHECK_EQUAL(histogram_top(HISTOGRAM_STEPS - 1), UINT64_MAX);
}

static void test_shares(void)
{
	histogram_reset(&h);
	for (uint64_t ns = 1; ns <= 1000; ns++)
		histogram_record(&h, ns * 1000, 1);
	CHECK_EQUAL(h.count, 1000);
	CHECK(h.min_ns == 1000 && h.max_ns == 1000000);
	CHECK(histogram_mean(&h) == 500500);
	for (int percent = 1; percent <= 100; percent++) {
		uint64_t exact = (uint64_t)percent * 10000;
		uint64_t told = histogram_at(&h, percent / 100.0);

		// Never better than it was, and at most a step worse.
		CHECK(told >= exact && told <= exact + exact / HISTOGRAM_PARTS + 1);
	}
	CHECK_EQUAL(histogram_at(&h, 1), 1000000);
}

static void test_counts(void)
{
	histogram_reset(&h);
	CHECK_EQUAL(histogram_at(&h, 0.5), 0);
	CHECK(histogram_mean(&h) == 0);
	histogram_record(&h, 5, 0);
	CHECK(h.count == 0 && h.max_ns == 0);
	histogram_record(&h, 10, 99);
	histogram_record(&h, 77, 1);
	CHECK_EQUAL(histogram_at(&h, 0.99), 10);
	CHECK_EQUAL(histogram_at(&h, 0.991), 77);
	CHECK_EQUAL(histogram_at(&h, 0), 10);
	histogram_record(&h, UINT64_MAX, 1);
	CHECK_EQUAL(histogram_at(&h, 1), UINT64_MAX);
}

static const struct check_test tests[] = {
	{"steps hold their values", test_steps},
	{"shares", test_shares},
	{"counts and limits", test_counts},
};
CHECK_MAIN("histogram")
