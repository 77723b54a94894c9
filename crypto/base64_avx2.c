#include "crypto/base64_code.h"

#include <immintrin.h>

// 24 bytes are 32 characters at a time, after Muła and Lemire, "Faster Base64 Encoding and Decoding
// using AVX2 Instructions" (2018). Loads and stores touch exactly those bytes. What is left at the end
// is done by a last block that overlaps the one before, so that only a padded quantum is for scalar code.

#define AVX2 __attribute__((target("avx2")))

enum {
	RAW_BLOCK = 24,
	TEXT_BLOCK = 32
};

// A byte order for each half of a register: the low half has bytes 0..11 of a load at 0, the high half
// bytes 12..23, which a load at 8 has from 4 on. Three bytes become the four of a word as 1, 0, 2, 1.
static const uint8_t spread_bytes[32] __attribute__((aligned(32))) = {
	1, 0, 2, 1, 4, 3, 5, 4, 7,  6,  8,  7,  10, 9,  11, 10,
	5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14,
};

// What makes a value of a class its digit. 0: lower case, 1..10: 0..9, 11: '+', 12: '/', 13: upper case.
static const int8_t value_shift[16] __attribute__((aligned(16))) = {
	71,
	-4,
	-4,
	-4,
	-4,
	-4,
	-4,
	-4,
	-4,
	-4,
	-4,
	-19,
	-16,
	65,
	0,
	0,
};

// A character is right when the rows of its two nibbles have no bit in common.
static const int8_t low_nibble_rows[16] __attribute__((aligned(16))) = {
	0x15,
	0x11,
	0x11,
	0x11,
	0x11,
	0x11,
	0x11,
	0x11,
	0x11,
	0x11,
	0x13,
	0x1a,
	0x1b,
	0x1b,
	0x1b,
	0x1a,
};
static const int8_t high_nibble_rows[16] __attribute__((aligned(16))) = {
	0x10,
	0x10,
	0x01,
	0x02,
	0x04,
	0x08,
	0x04,
	0x08,
	0x10,
	0x10,
	0x10,
	0x10,
	0x10,
	0x10,
	0x10,
	0x10,
};

// What makes a digit its value, by high nibble; '/' shares that with '+' and is looked up one row lower.
static const int8_t digit_shift[16] __attribute__((aligned(16))) = {
	0,
	16,
	19,
	4,
	-65,
	-65,
	-71,
	-71,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
	0,
};

// Bytes 2, 1, 0 of every word; the last four are not kept.
static const int8_t pack[16] __attribute__((aligned(16))) = {
	2,
	1,
	0,
	6,
	5,
	4,
	10,
	9,
	8,
	14,
	13,
	12,
	-1,
	-1,
	-1,
	-1,
};

/** A table in both halves of a register. */
AVX2 static inline __m256i twice(const int8_t table[static 16])
{
	return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)table));
}

/** The 32 characters of 24 bytes. */
AVX2 static inline __m256i encode_block(const uint8_t *raw)
{
	__m256i spread = _mm256_load_si256((const __m256i *)spread_bytes);
	__m256i shift = twice(value_shift);
	__m128i low = _mm_loadu_si128((const __m128i *)raw);
	__m128i high = _mm_loadu_si128((const __m128i *)(raw + 8));
	__m256i in = _mm256_shuffle_epi8(_mm256_set_m128i(high, low), spread);
	__m256i ac = _mm256_mulhi_epu16(
		_mm256_and_si256(in, _mm256_set1_epi32(0x0fc0fc00)), _mm256_set1_epi32(0x04000040)
	);
	__m256i bd = _mm256_mullo_epi16(
		_mm256_and_si256(in, _mm256_set1_epi32(0x003f03f0)), _mm256_set1_epi32(0x01000010)
	);
	__m256i value = _mm256_or_si256(ac, bd);
	__m256i class = _mm256_subs_epu8(value, _mm256_set1_epi8(51));
	__m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), value);

	class = _mm256_or_si256(class, _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));
	return _mm256_add_epi8(value, _mm256_shuffle_epi8(shift, class));
}

AVX2 void base64_encode_avx2(struct view raw, uint8_t *ret_text)
{
	size_t whole = raw.size / 3 * 3;
	size_t at = 0;

	if (whole < RAW_BLOCK) {
		base64_encode_scalar(raw, ret_text);
		return;
	}
	while (at < whole) {
		if (at > whole - RAW_BLOCK)
			at = whole - RAW_BLOCK;
		_mm256_storeu_si256(
			(__m256i *)(ret_text + at / 3 * 4), encode_block(raw.bytes + at)
		);
		at += RAW_BLOCK;
	}
	base64_encode_scalar(
		view_of(raw.bytes + whole, raw.size - whole), ret_text + whole / 3 * 4
	);
}

/** The 24 bytes of 32 characters; bits of *wrong are set where a character is no base64. */
AVX2 static inline void decode_block(const uint8_t *text, uint8_t *raw, __m256i *wrong)
{
	__m256i low_rows = twice(low_nibble_rows);
	__m256i high_rows = twice(high_nibble_rows);
	__m256i shift = twice(digit_shift);
	__m256i in = _mm256_loadu_si256((const __m256i *)text);
	__m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), _mm256_set1_epi8(0x0f));
	__m256i low = _mm256_and_si256(in, _mm256_set1_epi8(0x0f));
	__m256i is_slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/'));
	__m256i value;

	*wrong = _mm256_or_si256(
		*wrong,
		_mm256_and_si256(
			_mm256_shuffle_epi8(low_rows, low), _mm256_shuffle_epi8(high_rows, high)
		)
	);
	value = _mm256_add_epi8(in, _mm256_shuffle_epi8(shift, _mm256_add_epi8(is_slash, high)));
	value = _mm256_maddubs_epi16(value, _mm256_set1_epi32(0x01400140));
	value = _mm256_madd_epi16(value, _mm256_set1_epi32(0x00011000));
	value = _mm256_shuffle_epi8(value, twice(pack));
	value = _mm256_permutevar8x32_epi32(value, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
	_mm_storeu_si128((__m128i *)raw, _mm256_castsi256_si128(value));
	_mm_storel_epi64((__m128i *)(raw + 16), _mm256_extracti128_si256(value, 1));
}

AVX2 size_t base64_decode_avx2(struct view text, uint8_t *ret_raw)
{
	__m256i wrong = _mm256_setzero_si256();
	size_t plain;
	size_t last;
	size_t at = 0;

	if (text.size % 4 != 0 || text.size < TEXT_BLOCK + 4)
		return base64_decode_scalar(text, ret_raw);
	plain = text.size - 4; // the last quantum may be padded
	while (at < plain) {
		if (at > plain - TEXT_BLOCK)
			at = plain - TEXT_BLOCK;
		decode_block(text.bytes + at, ret_raw + at / 4 * 3, &wrong);
		at += TEXT_BLOCK;
	}
	last = base64_decode_scalar(view_of(text.bytes + plain, 4), ret_raw + plain / 4 * 3);
	if (last == SIZE_MAX || !_mm256_testz_si256(wrong, wrong))
		return SIZE_MAX;
	return plain / 4 * 3 + last;
}
