#include "bench/load/search.h"
#include "tests/support/check.h"

/** Search with something that takes limit events/s and loses what is above; it loses more when it is overrun. */
static struct search search_for(double limit, double min, double max, double resolution)
{
	struct search s;

	search_init(&s, min, max, resolution);
	while (!s.is_done && s.trial_count < 100) {
		CHECK_FATAL(s.rate >= min && s.rate <= max);
		search_tell(&s, s.rate <= limit, s.rate <= limit ? s.rate : limit * 0.9);
	}
	CHECK(s.is_done);
	return s;
}

static void test_finds_the_limit(void)
{
	static const double limits[] = {1000, 1001, 12345, 500000, 999999};
	static const double resolutions[] = {0.0001, 0.01, 0.5};

	for (int l = 0; l < 5; l++) {
		for (int r = 0; r < 3; r++) {
			struct search s = search_for(limits[l], 1000, 1000000, resolutions[r]);

			CHECK(s.good <= limits[l] && s.bad > limits[l]);
			CHECK(s.bad - s.good <= s.bad * resolutions[r]);
			CHECK(s.trial_count <= 30);
		}
	}
}

static void test_highest_is_good(void)
{
	struct search s = search_for(2000000, 1000, 1000000, 0.01);

	CHECK(s.good == 1000000 && s.bad == 0 && s.trial_count == 1);
}

static void test_none_is_good(void)
{
	struct search s = search_for(10, 1000, 1000000, 0.01);

	CHECK(s.good == 0 && s.trial_count < 25);
}

/** A single rate: one trial. */
static void test_one_rate(void)
{
	CHECK(search_for(10, 1000, 1000, 0.01).good == 0);
	CHECK(search_for(5000, 1000, 1000, 0.01).good == 1000);
	CHECK_EQUAL(search_for(10, 1000, 1000, 0.01).trial_count, 1);
}

/** What came through the first time is tried next, and lies are not believed. */
static void test_guess(void)
{
	struct search s;

	search_init(&s, 1, 1000, 0.01);
	search_tell(&s, false, 300);
	CHECK(s.rate == 300);
	search_init(&s, 1, 1000, 0.01);
	search_tell(&s, false, 5000);
	CHECK(s.rate == 500);
	search_init(&s, 400, 1000, 0.01);
	search_tell(&s, false, 0);
	CHECK(s.rate == 500);
	search_tell(&s, false, 0);
	CHECK(s.rate == 400);
	search_tell(&s, false, 0);
	CHECK(s.is_done && s.good == 0);
}

static const struct check_test tests[] = {
	{"the limit is found", test_finds_the_limit},
	{"the highest rate is good", test_highest_is_good},
	{"no rate is good", test_none_is_good},
	{"one rate only", test_one_rate},
	{"the first guess", test_guess},
};
CHECK_MAIN("search")
