#include "crypto/uuid.h"

#include <emmintrin.h>
#include <string.h>

// Characters of the text where a byte begins; between them the four dashes.
static const uint8_t byte_at[UUID_SIZE] = {
	0,
	2,
	4,
	6,
	9,
	11,
	14,
	16,
	19,
	21,
	24,
	26,
	28,
	30,
	32,
	34,
};
static const uint8_t dash_at[] = {8, 13, 18, 23};

/** Nibbles as lower case digits. */
static inline __m128i digits_of(__m128i nibbles)
{
	__m128i is_letter = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
	__m128i base = _mm_add_epi8(
		_mm_set1_epi8('0'), _mm_and_si128(is_letter, _mm_set1_epi8('a' - '0' - 10))
	);

	return _mm_add_epi8(nibbles, base);
}

/** The first four or eight. */
static inline void put_digits(char *to, __m128i digits, size_t count)
{
	uint64_t text = (uint64_t)_mm_cvtsi128_si64(digits);

	memcpy(to, &text, count);
}

void uuid_write(const uint8_t uuid[static UUID_SIZE], char ret_text[static UUID_TEXT_SIZE])
{
	__m128i bytes = _mm_loadu_si128((const __m128i *)uuid);
	__m128i low = _mm_and_si128(bytes, _mm_set1_epi8(0x0f));
	__m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
	__m128i first = digits_of(_mm_unpacklo_epi8(high, low));
	__m128i last = digits_of(_mm_unpackhi_epi8(high, low));

	// Sixteen digits each: 8 - 4 - 4 - and 4 - 12.
	put_digits(ret_text, first, 8);
	put_digits(ret_text + 9, _mm_srli_si128(first, 8), 4);
	put_digits(ret_text + 14, _mm_srli_si128(first, 12), 4);
	put_digits(ret_text + 19, last, 4);
	put_digits(ret_text + 24, _mm_srli_si128(last, 4), 8);
	put_digits(ret_text + 32, _mm_srli_si128(last, 12), 4);
	for (size_t i = 0; i < sizeof(dash_at); i++)
		ret_text[dash_at[i]] = '-';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool uuid_read(const char text[static UUID_TEXT_SIZE], uint8_t ret_uuid[static UUID_SIZE])
{
	uint8_t uuid[UUID_SIZE];

	for (size_t i = 0; i < sizeof(dash_at); i++)
		if (text[dash_at[i]] != '-')
			return false;
	for (size_t i = 0; i < UUID_SIZE; i++) {
		int high = digit_value(text[byte_at[i]]);
		int low = digit_value(text[byte_at[i] + 1]);

		if (high < 0 || low < 0)
			return false;
		uuid[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(ret_uuid, uuid, UUID_SIZE);
	return true;
}
