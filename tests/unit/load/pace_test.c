#include "bench/load/pace.h"
#include "bench/load/random.h"
#include "tests/support/check.h"

#include <math.h>

/** Constant intervals: the n-th event is due at n / rate, with no error that adds up. */
static void test_constant(void)
{
	static const double rates[] = {1, 3, 7, 12345.678, 1e6, 4999999};

	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		struct pace pace;

		pace_init(&pace, rates[r], false, 1000, 1);
		for (uint64_t n = 0; n < 1000000; n++) {
			double due = (double)n * 1e9 / rates[r] + 1000;
			uint64_t next = pace_next_ns(&pace);

			if (fabs((double)pace_take(&pace) - due) > 1 + due * 1e-12
			    || pace_next_ns(&pace) < next)
				CHECK(false);
		}
		CHECK_EQUAL(pace.count, 1000000);
	}
}

/** Poisson: the gaps are exponential, so their mean and their deviation are the same. */
static void test_poisson(void)
{
	enum {
		COUNT = 200000
	};

	struct pace pace;
	uint64_t last;
	double sum = 0;
	double squares = 0;
	int above = 0;

	pace_init(&pace, 1000, true, 5, 3);
	last = pace_take(&pace);
	for (int i = 0; i < COUNT; i++) {
		uint64_t now = pace_take(&pace);
		double gap = (double)(now - last);

		CHECK_FATAL(now >= last);
		sum += gap;
		squares += gap * gap;
		above += gap > 1e6;
		last = now;
	}
	CHECK(fabs(sum / COUNT / 1e6 - 1) < 0.02);
	CHECK(fabs(sqrt(squares / COUNT - pow(sum / COUNT, 2)) / 1e6 - 1) < 0.03);
	CHECK(fabs((double)above / COUNT - exp(-1)) < 0.01);
}

static void test_seed(void)
{
	struct pace a;
	struct pace b;
	struct pace other;

	pace_init(&a, 10, true, 0, 1);
	pace_init(&b, 10, true, 0, 1);
	pace_init(&other, 10, true, 0, 2);
	CHECK_EQUAL(pace_next_ns(&a), pace_next_ns(&b));
	CHECK(pace_next_ns(&a) != pace_next_ns(&other));
}

/** Whose event it is comes from the same seed: a long gap must not belong to some subjects. */
static void test_gaps_are_their_own(void)
{
	for (uint64_t seed = 0; seed < 1000; seed++) {
		uint64_t subjects = seed;
		struct pace pace;

		pace_init(&pace, 1, true, 0, seed);
		for (int i = 0; i < 8; i++) {
			const uint64_t last_ns = i == 0 ? 0 : pace_take(&pace);
			const double gap_ns = (double)(pace_next_ns(&pace) - last_ns);
			const double same_ns = -log(1 - random_unit(&subjects)) * 1e9;

			CHECK(fabs(gap_ns - same_ns) > 2);
		}
	}
}

static const struct check_test tests[] = {
	{"constant intervals", test_constant},
	{"Poisson intervals", test_poisson},
	{"seeds", test_seed},
	{"gaps are not drawn as subjects are", test_gaps_are_their_own},
};
CHECK_MAIN("pace")
