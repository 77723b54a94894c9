#include "control/api/key_link.h"
#include "tests/support/check.h"

#include <string.h>

/** Not random at all, but it fills every byte. */
static void fill(uint64_t *state, uint8_t ret_random[KEY_LINK_RANDOM_SIZE])
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	memcpy(ret_random, state, KEY_LINK_RANDOM_SIZE);
}

static void links_ascend_strictly_whatever_the_clock_does(void)
{
	// the clock stands, goes back, jumps, is before 1970
	static const int64_t clock[] = {1000, 1000, 999, 5000, -5, 0, 5000, 1700000000000, 3};
	struct key_link_maker maker;
	uint8_t last[KEY_LINK_SIZE] = {0};
	uint8_t random[KEY_LINK_RANDOM_SIZE];
	uint64_t state = 1;
	size_t wrong = 0;

	key_link_init(&maker, NULL);
	for (size_t i = 0; i < 100000; i++) {
		uint8_t link[KEY_LINK_SIZE];

		fill(&state, random);
		key_link_next(
			&maker, clock[i / 1000 % (sizeof(clock) / sizeof(clock[0]))], random, link
		);
		wrong += memcmp(link, last, KEY_LINK_SIZE) <= 0;
		wrong += (link[6] & 0xf0) != 0x70 || (link[8] & 0xc0) != 0x80;
		wrong += memcmp(link + 13, random + 5, 3) != 0;
		memcpy(last, link, sizeof(last));
	}
	CHECK_EQUAL(wrong, 0);
}

static void the_time_stands_in_front(void)
{
	static const uint8_t expected[] = {0x01, 0x7f, 0x22, 0xe2, 0x79, 0xb0};
	struct key_link_maker maker;
	uint8_t random[KEY_LINK_RANDOM_SIZE] = {0};
	uint8_t link[KEY_LINK_SIZE];

	key_link_init(&maker, NULL);
	key_link_next(&maker, 0x017f22e279b0, random, link); // RFC 9562, A.6
	CHECK(memcmp(link, expected, sizeof(expected)) == 0);
}

static void a_maker_goes_on_after_a_link(void)
{
	struct key_link_maker maker;
	uint8_t random[KEY_LINK_RANDOM_SIZE];
	uint8_t full[KEY_LINK_SIZE];
	uint8_t next[KEY_LINK_SIZE];

	memset(random, 0xff, sizeof(random));
	memset(full, 0xff, sizeof(full)); // the counter is at its end
	full[0] = 0x01;
	full[6] = 0x7f;
	full[8] = 0xbf;
	key_link_init(&maker, full);
	CHECK_EQUAL(maker.counter, ((uint64_t)1 << 50) - 1);
	key_link_next(&maker, 0, random, next);
	CHECK(memcmp(next, full, KEY_LINK_SIZE) > 0);
	CHECK_EQUAL(next[6] & 0xf0, 0x70);
	CHECK_EQUAL(next[0], 0x02); // the millisecond moved on
}

static void links_beside_lie_between_two_of_a_maker(void)
{
	static const int64_t steps[] = {0, 0, 1, -7, 0}; // ms between two links
	uint8_t random[KEY_LINK_RANDOM_SIZE] = {0};      // the least step
	uint8_t low[KEY_LINK_SIZE];
	uint8_t between[KEY_LINK_SIZE];
	uint8_t high[KEY_LINK_SIZE];
	struct key_link_maker maker;
	uint8_t zeros[KEY_LINK_SIZE] = {0};
	int64_t now = 1700000000000;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		key_link_init(&maker, NULL);
		// near the end of the counter in the last round
		maker.ms = (uint64_t)now;
		maker.counter = i == 4 ? ((uint64_t)1 << 50) - KEY_LINK_BESIDES - 5000 : 7;
		key_link_next(&maker, now, random, low);
		key_link_next(&maker, now + steps[i], random, high);
		memcpy(between, low, sizeof(between));
		for (size_t n = 0; n < KEY_LINK_BESIDES; n++) {
			uint8_t last[KEY_LINK_SIZE];

			memcpy(last, between, sizeof(last));
			key_link_beside(last, random, between);
			if (memcmp(between, last, KEY_LINK_SIZE) <= 0
			    || memcmp(between, high, KEY_LINK_SIZE) >= 0)
				CU_FAIL("a link beside is out of order");
		}
		CHECK_EQUAL(between[6] & 0xf0, 0x70);
		CHECK_EQUAL(between[8] & 0xc0, 0x80);
	}
	key_link_beside(zeros, random, between);
	CHECK(memcmp(between, zeros, KEY_LINK_SIZE) > 0);
}

static const struct check_test tests[] = {
	{"links ascend strictly whatever the clock does",
	 links_ascend_strictly_whatever_the_clock_does},
	{"the time stands in front", the_time_stands_in_front},
	{"a maker goes on after a link", a_maker_goes_on_after_a_link},
	{"links beside lie between two of a maker", links_beside_lie_between_two_of_a_maker},
};

CHECK_MAIN("control/key_link")
