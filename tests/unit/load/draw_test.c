#include "bench/load/draw.h"
#include "tests/support/check.h"

#include <math.h>
#include <stdbool.h>

enum {
	SUBJECTS = 1000
};

/** How often each subject comes in all draws. */
static struct draw count_draws(enum draw_kind kind, double exponent, uint32_t seen[SUBJECTS])
{
	struct draw draw;

	for (uint32_t i = 0; i < SUBJECTS; i++)
		seen[i] = 0;
	CHECK_FATAL(draw_init(&draw, kind, exponent, SUBJECTS, 7) == SL_OK);
	for (uint32_t i = 0; i < draw.count; i++) {
		uint32_t subject = draw_next(&draw);

		if (subject >= SUBJECTS)
			CHECK_FATAL(false);
		seen[subject]++;
	}
	return draw;
}

/** A count of a binomial distribution is hardly ever six deviations from its mean. */
static bool is_near(uint32_t seen, double share, uint32_t draws)
{
	double mean = share * draws;

	return fabs(seen - mean) <= 6 * sqrt(mean * (1 - share)) + 1;
}

static void test_uniform(void)
{
	uint32_t seen[SUBJECTS];
	struct draw draw = count_draws(DRAW_UNIFORM, 0, seen);

	CHECK(draw.count >= 1000000);
	for (uint32_t i = 0; i < SUBJECTS; i++)
		CHECK(is_near(seen[i], 1.0 / SUBJECTS, draw.count));
	draw_done(&draw);
}

static void test_zipf(void)
{
	static const double exponents[] = {0.01, 0.5, 0.99, 1, 1.2, 2, 10};

	for (size_t e = 0; e < sizeof(exponents) / sizeof(exponents[0]); e++) {
		uint32_t seen[SUBJECTS];
		struct draw draw = count_draws(DRAW_ZIPF, exponents[e], seen);
		double all = 0;

		for (uint32_t i = 0; i < SUBJECTS; i++)
			all += pow(i + 1, -exponents[e]);
		for (uint32_t i = 0; i < SUBJECTS; i++)
			CHECK(is_near(seen[i], pow(i + 1, -exponents[e]) / all, draw.count));
		draw_done(&draw);
	}
}

static void test_each(void)
{
	uint32_t seen[SUBJECTS];
	struct draw draw = count_draws(DRAW_EACH, 0, seen);

	CHECK_EQUAL(draw.count, SUBJECTS);
	for (uint32_t i = 0; i < SUBJECTS; i++)
		CHECK_EQUAL(seen[i], 1);
	draw_done(&draw);
}

static void test_round_again(void)
{
	struct draw draw;
	uint32_t first;

	CHECK_FATAL(draw_init(&draw, DRAW_UNIFORM, 0, DRAW_COUNT_MAX, 1) == SL_OK);
	first = draw_next(&draw);
	for (uint32_t i = 1; i < draw.count; i++)
		if (draw_next(&draw) >= DRAW_COUNT_MAX)
			CHECK(false);
	CHECK_EQUAL(draw_next(&draw), first);
	draw_done(&draw);
}

static void test_limits(void)
{
	struct draw draw;

	CHECK(draw_init(&draw, DRAW_UNIFORM, 0, 0, 1) == SL_E_INVALID);
	CHECK(draw_init(&draw, DRAW_UNIFORM, 0, DRAW_COUNT_MAX + 1, 1) == SL_E_INVALID);
	CHECK_FATAL(draw_init(&draw, DRAW_ZIPF, 1, 1, 1) == SL_OK);
	CHECK_EQUAL(draw_next(&draw), 0);
	draw_done(&draw);
}

static const struct check_test tests[] = {
	{"uniform: each as likely as any", test_uniform},
	{"Zipf: as the exponent says", test_zipf},
	{"each: once", test_each},
	{"the draws come round again", test_round_again},
	{"limits", test_limits},
};
CHECK_MAIN("draw")
