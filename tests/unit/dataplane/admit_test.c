#include "dataplane/pipeline/admit.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"

#define SECOND 1000000000ull

static struct frame_address address_of(const char *hex)
{
	struct frame_address a;

	hex_read(hex, a.bytes, sizeof(a.bytes));
	return a;
}

static const struct source_case {
	const char *what;
	const char *net;
	uint32_t prefix;
	const char *source;
	bool is_admitted;
} source_cases[] = {
	{"host", "00000000000000000000ffffc0000201", 128, "00000000000000000000ffffc0000201", true},
	{"other host",
	 "00000000000000000000ffffc0000201",
	 128,
	 "00000000000000000000ffffc0000200",
	 false},
	{"10/8", "00000000000000000000ffff0a000000", 104, "00000000000000000000ffff0affffff", true},
	{"not 10/8",
	 "00000000000000000000ffff0a000000",
	 104,
	 "00000000000000000000ffff0b000000",
	 false},
	{"172.16/12, last",
	 "00000000000000000000ffffac100000",
	 108,
	 "00000000000000000000ffffac1fffff",
	 true},
	{"172.16/12, next",
	 "00000000000000000000ffffac100000",
	 108,
	 "00000000000000000000ffffac200000",
	 false},
	{"0/0 of IPv4",
	 "00000000000000000000ffff00000000",
	 96,
	 "00000000000000000000ffff12345678",
	 true},
	{"0/0 of IPv4, not IPv6",
	 "00000000000000000000ffff00000000",
	 96,
	 "20010db8000000000000000000000001",
	 false},
	{"::/0", "00000000000000000000000000000000", 0, "20010db8000000000000000000000001", true},
	{"2001:db8::/33, low",
	 "20010db8000000000000000000000000",
	 33,
	 "20010db87fff00000000000000000000",
	 true},
	{"2001:db8::/33, high",
	 "20010db8000000000000000000000000",
	 33,
	 "20010db8800000000000000000000000",
	 false},
	{"/127", "20010db8000000000000000000000000", 127, "20010db8000000000000000000000001", true},
	{"/127, next",
	 "20010db8000000000000000000000000",
	 127,
	 "20010db8000000000000000000000002",
	 false},
	{"bits behind the prefix mean nothing",
	 "00000000000000000000ffffac1f1234",
	 108,
	 "00000000000000000000ffffac100000",
	 true},
};

static void test_sources(void)
{
	for (size_t i = 0; i < sizeof(source_cases) / sizeof(source_cases[0]); i++) {
		const struct admit_rules rules = {
			.net = {{address_of(source_cases[i].net), source_cases[i].prefix}},
			.net_count = 1};
		const struct frame_address source = address_of(source_cases[i].source);

		CHECK_EQUAL(admit_source(&rules, &source), source_cases[i].is_admitted);
	}
}

static void test_no_list_admits_everybody(void)
{
	const struct admit_rules rules = {0};
	const struct frame_address source = {0};

	CHECK(admit_source(&rules, &source));
}

static void test_last_net_of_the_list(void)
{
	struct admit_rules rules = {.net_count = ADMIT_NETS_MAX};
	const struct frame_address source = address_of("00000000000000000000ffffc0000201");

	for (uint32_t i = 0; i < ADMIT_NETS_MAX; i++)
		rules.net[i] =
			(struct admit_net){address_of("20010db8000000000000000000000000"), 64};
	CHECK(!admit_source(&rules, &source));
	rules.net[ADMIT_NETS_MAX - 1] = (struct admit_net){source, 128};
	CHECK(admit_source(&rules, &source));
}

/** Ask for one after the other (by the thousand, where so many may be there), at most count; how many went. */
static uint32_t take(
	const struct admit_rules *rules,
	struct admit_bucket *bucket,
	uint32_t count,
	uint64_t now_ns
)
{
	uint32_t taken = 0;

	while (rules->burst_events >= 1000 && count - taken >= 1000
	       && admit_all(rules, bucket, 1000, now_ns))
		taken += 1000;
	while (taken < count && admit_all(rules, bucket, 1, now_ns))
		taken++;
	return taken;
}

static void test_no_limit(void)
{
	const struct admit_rules rules = {.burst_events = 1};
	struct admit_bucket bucket = {0};

	CHECK(admit_all(&rules, &bucket, UINT32_MAX, 0));
	CHECK(admit_all(&rules, &bucket, UINT32_MAX, 0));
}

static void test_bucket(void)
{
	const struct admit_rules rules = {.events_per_s = 1000, .burst_events = 10};
	struct admit_bucket bucket = {0};
	uint64_t now = 5 * SECOND;

	CHECK_EQUAL(take(&rules, &bucket, 4, now), 4);
	CHECK_EQUAL(take(&rules, &bucket, 64, now), 6);
	CHECK_EQUAL(take(&rules, &bucket, 1, now), 0);
	now += 999999;
	CHECK_EQUAL(take(&rules, &bucket, 1, now), 0);
	now += 1;
	CHECK_EQUAL(take(&rules, &bucket, 2, now), 1);
	now += 7 * SECOND / 1000;
	CHECK_EQUAL(take(&rules, &bucket, 64, now), 7);
	now += 3600 * SECOND;
	CHECK_EQUAL(take(&rules, &bucket, 64, now), 10);
}

/** Asked at any pace, a bucket gives what its rate says, to the event. */
static void test_pace_does_not_matter(void)
{
	static const uint64_t rates[] = {1, 3, 999, 7000000};
	static const uint64_t steps[] = {1, 100, 333333, 1000000};

	for (size_t r = 0; r < 4; r++) {
		for (size_t s = 0; s < 4; s++) {
			const struct admit_rules rules = {
				.events_per_s = rates[r], .burst_events = 1000000};
			struct admit_bucket bucket = {0};
			uint64_t now = 1;
			uint64_t taken = 0;

			(void)take(&rules, &bucket, 1000000, now);
			for (int i = 0; i < 10000; i++)
				taken += take(&rules, &bucket, 10000, now += steps[s]);
			CHECK_EQUAL(taken, rates[r] * steps[s] * 10000 / SECOND);
		}
	}
}

static void test_limits(void)
{
	struct admit_rules rules = {.events_per_s = UINT64_MAX, .burst_events = UINT64_MAX};
	struct admit_bucket bucket = {0};

	CHECK(admit_all(&rules, &bucket, UINT32_MAX, SECOND));
	CHECK(admit_all(&rules, &bucket, UINT32_MAX, UINT64_MAX));
	CHECK(admit_all(&rules, &bucket, 0, UINT64_MAX));
	rules = (struct admit_rules){.events_per_s = 1, .burst_events = 0};
	bucket = (struct admit_bucket){0};
	CHECK_EQUAL(take(&rules, &bucket, 5, SECOND), 1);
	CHECK_EQUAL(take(&rules, &bucket, 5, 2 * SECOND), 1);
}

/** A rate that was lowered keeps to its new burst; a clock that stands or goes back gives nothing. */
static void test_changes(void)
{
	struct admit_rules rules = {.events_per_s = 1000, .burst_events = 1000};
	struct admit_bucket bucket = {0};

	CHECK_EQUAL(take(&rules, &bucket, 10, 10 * SECOND), 10);
	CHECK_EQUAL(take(&rules, &bucket, 2000, 9 * SECOND), 990);
	CHECK_EQUAL(take(&rules, &bucket, 1, 9 * SECOND), 0);
	CHECK_EQUAL(take(&rules, &bucket, 0, 12 * SECOND), 0);
	rules.burst_events = 5;
	CHECK_EQUAL(take(&rules, &bucket, 2000, 12 * SECOND + 1), 5);
}

/** What does not go leaves the bucket as it was: many that ask too early must not starve each other. */
static void test_all_or_none(void)
{
	const struct admit_rules rules = {.events_per_s = 10, .burst_events = 65};
	struct admit_bucket bucket = {0};
	uint64_t now = 5 * SECOND;
	uint32_t went = 0;

	CHECK(admit_all(&rules, &bucket, 30, now));
	CHECK(admit_all(&rules, &bucket, 30, now));
	for (int i = 0; i < 10000; i++) // 100 s
		went += admit_all(&rules, &bucket, 30, now += SECOND / 100);
	CHECK_EQUAL(went, (5 + 10 * 100) / 30);
}

/** One that is larger than the bucket goes when that is full, and is paid for afterwards. */
static void test_larger_than_the_bucket(void)
{
	const struct admit_rules rules = {.events_per_s = 10, .burst_events = 65};
	struct admit_bucket bucket = {0};
	uint64_t now = 5 * SECOND;

	CHECK(admit_all(&rules, &bucket, 1, now));
	CHECK(!admit_all(&rules, &bucket, 200, now));
	now += SECOND / 10;
	CHECK(admit_all(&rules, &bucket, 200, now));
	now += 135 * SECOND / 10; // as many as it had too much
	CHECK(!admit_all(&rules, &bucket, 1, now));
	now += SECOND / 10;
	CHECK(admit_all(&rules, &bucket, 1, now));
	CHECK(!admit_all(&rules, &bucket, 1, now));
	CHECK(admit_all(&rules, &bucket, UINT32_MAX, now + 3600 * SECOND));
	CHECK(!admit_all(&rules, &bucket, 1, now + 7200 * SECOND));
}

/** In the long run no more than the rate, whatever the sizes. */
static void test_sizes_do_not_matter(void)
{
	static const uint32_t sizes[] = {1, 7, 64, 65, 66, 1000, 4482};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const struct admit_rules rules = {.events_per_s = 1000, .burst_events = 164};
		struct admit_bucket bucket = {0};
		uint64_t now = SECOND;
		uint64_t taken = 0;

		for (int n = 0; n < 100000; n++) // 100 s
			if (admit_all(&rules, &bucket, sizes[i], now += SECOND / 1000))
				taken += sizes[i];
		CHECK(taken <= 100000 + 164 + sizes[i] && taken + sizes[i] >= 100000);
	}
}

static const struct check_test tests[] = {
	{"sources and nets", test_sources},
	{"no list admits everybody", test_no_list_admits_everybody},
	{"the last net of a full list", test_last_net_of_the_list},
	{"no limit", test_no_limit},
	{"a bucket fills at its rate", test_bucket},
	{"the pace of asking does not matter", test_pace_does_not_matter},
	{"limits", test_limits},
	{"changed rates and clocks", test_changes},
	{"all or none", test_all_or_none},
	{"larger than the bucket", test_larger_than_the_bucket},
	{"sizes do not matter", test_sizes_do_not_matter},
};
CHECK_MAIN("admit")
