#include "dataplane/pipeline/put.h"

#include "dataplane/pipeline/json.h"

static const uint64_t EIGHT_DIGITS = 100000000;
static const uint64_t ZEROS = 0x3030303030303030;

uint8_t *put_doubled(uint8_t *to, struct view text)
{
	to = put_byte(to, '"');
	for (size_t at = 0; at < text.size; at++) {
		if (text.bytes[at] == '"')
			to = put_byte(to, '"');
		to = put_byte(to, text.bytes[at]);
	}
	return put_byte(to, '"');
}

uint8_t *put_string(uint8_t *to, struct view text)
{
	to = put_byte(to, '"');
	to += json_escape(text, to);
	return put_byte(to, '"');
}

/** The digits of a number below 10^8 as eight bytes 0..9, the first in the lowest: halved three times. */
static inline uint64_t eight_digits(uint64_t number)
{
	uint64_t pairs = number / 10000 | number % 10000 << 32;
	uint64_t upper = (pairs * 10486 >> 20) & UINT64_C(0x0000007f0000007f); // / 100

	pairs = upper | (pairs - upper * 100) << 16;
	upper = (pairs * 103 >> 10) & UINT64_C(0x000f000f000f000f); // / 10
	return upper | (pairs - upper * 10) << 8;
}

/** A number below 10^16, without a branch on how long it is. */
static uint8_t *put_sixteen(uint8_t *to, uint64_t number)
{
	uint64_t first = eight_digits(number / EIGHT_DIGITS);
	uint64_t last = eight_digits(number % EIGHT_DIGITS);
	// The last digit is written even if it is 0.
	unsigned zeros = first != 0 ? (unsigned)__builtin_ctzll(first) / 8
				    : 8 + (unsigned)__builtin_ctzll(last | UINT64_C(1) << 56) / 8;
	unsigned __int128 text = (unsigned __int128)(last | ZEROS) << 64 | (first | ZEROS);

	// A copy of fixed size costs nothing; what it has too much lies in the room's slack.
	text >>= 8 * zeros;
	memcpy(to, &text, sizeof(text));
	return to + sizeof(text) - zeros;
}

void put_time(uint8_t to[static PUT_TIME_SIZE], int64_t number)
{
	uint64_t first = eight_digits((uint64_t)number / EIGHT_DIGITS) | ZEROS;
	uint64_t last = eight_digits((uint64_t)number % EIGHT_DIGITS) | ZEROS;

	first >>= 8 * (2 * sizeof(first) - PUT_TIME_SIZE);
	memcpy(to, &first, sizeof(first)); // what it has too much is overwritten
	memcpy(to + PUT_TIME_SIZE - sizeof(last), &last, sizeof(last));
}

uint8_t *put_unsigned(uint8_t *to, uint64_t number)
{
	if (number >= EIGHT_DIGITS * EIGHT_DIGITS) {
		to = put_sixteen(to, number / (EIGHT_DIGITS * EIGHT_DIGITS));
		number %= EIGHT_DIGITS * EIGHT_DIGITS;
		for (unsigned half = 0; half < 2; half++) {
			uint64_t digits =
				(half == 0 ? number / EIGHT_DIGITS : number % EIGHT_DIGITS);

			digits = eight_digits(digits) | ZEROS;
			memcpy(to, &digits, sizeof(digits));
			to += sizeof(digits);
		}
		return to;
	}
	return put_sixteen(to, number);
}

uint8_t *put_signed(uint8_t *to, int64_t number)
{
	uint64_t size = (uint64_t)number;

	if (number >= 0)
		return put_unsigned(to, size);
	return put_unsigned(put_byte(to, '-'), -size);
}
