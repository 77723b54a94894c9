#include "dataplane/pipeline/put.h"
#include "tests/support/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_SIZE = 32 + ROOM_SLACK,
	ROUNDS = 200000
};

/** Does the number come out as printf has it, and no byte before it change? */
static bool is_right(uint64_t number)
{
	char expected[32];
	uint8_t text[1 + TEXT_SIZE] = {'#'};
	size_t size = (size_t)snprintf(expected, sizeof(expected), "%" PRIu64, number);
	const uint8_t *end = put_unsigned(text + 1, number);

	return text[0] == '#' && end == text + 1 + size && memcmp(text + 1, expected, size) == 0;
}

static bool is_signed_right(int64_t number)
{
	char expected[32];
	uint8_t text[TEXT_SIZE];
	size_t size = (size_t)snprintf(expected, sizeof(expected), "%" PRId64, number);
	const uint8_t *end = put_signed(text, number);

	return end == text + size && memcmp(text, expected, size) == 0;
}

static void numbers_around_powers_of_ten(void)
{
	uint64_t power = 1;

	for (uint32_t digits = 0; digits < 20; digits++, power *= 10) {
		for (uint64_t factor = 1; factor < 10 && power <= UINT64_MAX / 10; factor++)
			CHECK(is_right(power * factor) && is_right(power * factor + 1));
		CHECK(is_right(power) && is_right(power - 1) && is_right(power + 1));
		CHECK(is_signed_right((int64_t)power) && is_signed_right(-(int64_t)power));
	}
	CHECK(is_right(0) && is_right(UINT64_MAX));
	CHECK(is_signed_right(INT64_MIN) && is_signed_right(INT64_MAX) && is_signed_right(-1));
}

static void numbers_of_every_length(void)
{
	uint64_t state = 88172645463325252u;
	uint32_t wrong = 0;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		wrong += !is_right(n);
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		wrong += !is_right(state >> n % 64);
	}
	CHECK_EQUAL(wrong, 0);
}

static bool is_time_right(int64_t number)
{
	char expected[32];
	uint8_t text[PUT_TIME_SIZE + 2];

	memset(text, '#', sizeof(text));
	put_time(text + 1, number);
	snprintf(expected, sizeof(expected), "#%" PRId64 "#", number);
	return memcmp(text, expected, sizeof(text)) == 0;
}

static void times_of_thirteen_digits(void)
{
	static const int64_t first = 1000000000000;
	static const int64_t last = 9999999999999;

	CHECK(put_is_time(first) && put_is_time(last));
	CHECK(!put_is_time(first - 1) && !put_is_time(last + 1) && !put_is_time(-first));
	CHECK(is_time_right(first) && is_time_right(last) && is_time_right(1441932418771));
	for (int64_t power = 1; power < first; power *= 10)
		CHECK(is_time_right(first + power) && is_time_right(last - power));
}

static const struct check_test tests[] = {
	{"numbers around powers of ten", numbers_around_powers_of_ten},
	{"numbers of every length", numbers_of_every_length},
	{"times of thirteen digits", times_of_thirteen_digits},
};

CHECK_MAIN("put")
