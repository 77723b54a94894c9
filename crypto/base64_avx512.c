#include "crypto/base64_avx512.h"

#include "crypto/base64_code.h"

// Masks keep loads and stores within the buffers, ends included.

// Bytes 2, 1, 0 of every word; the last sixteen are not kept.
static const uint8_t pack[64] __attribute__((aligned(64))) = {
	2,  1,  0,  6,  5,  4,  10, 9,  8,  14, 13, 12, 18, 17, 16, 22,
	21, 20, 26, 25, 24, 30, 29, 28, 34, 33, 32, 38, 37, 36, 42, 41,
	40, 46, 45, 44, 50, 49, 48, 54, 53, 52, 58, 57, 56, 62, 61, 60,
};

AVX512_VBMI void base64_encode_avx512(struct view raw, uint8_t *ret_text)
{
	size_t whole = raw.size / RAW_BLOCK * RAW_BLOCK;
	size_t rest = raw.size - whole;
	size_t rest_text = base64_size(rest);
	__mmask64 pads;

	for (size_t at = 0; at < whole; at += RAW_BLOCK, ret_text += TEXT_BLOCK)
		_mm512_storeu_si512(
			ret_text,
			encode_block(_mm512_maskz_loadu_epi8(first_bytes(RAW_BLOCK), raw.bytes + at)
			)
		);
	if (rest == 0)
		return;
	pads = first_bytes(rest_text) & ~first_bytes((rest * 4 + 2) / 3);
	_mm512_mask_storeu_epi8(
		ret_text,
		first_bytes(rest_text),
		_mm512_mask_blend_epi8(
			pads,
			encode_block(_mm512_maskz_loadu_epi8(first_bytes(rest), raw.bytes + whole)),
			_mm512_set1_epi8('=')
		)
	);
}

/** The 48 bytes of 64 characters; the top bit of a byte of *wrong is set where one is no base64. */
AVX512_VBMI static inline __m512i decode_block(__m512i text, __m512i *wrong)
{
	// Values of the characters 0x00..0x3f and 0x40..0x7f; 0x80: no base64.
	static const uint8_t values[128] __attribute__((aligned(64))) = {
#define X 0x80
		X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
		X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,  X,
		X,  X,  X,  X,  X,  62, X,  X,  X,  63, 52, 53, 54, 55, 56, 57, 58, 59, 60,
		61, X,  X,  X,  X,  X,  X,  X,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
		11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, X,  X,  X,  X,
		X,  X,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42,
		43, 44, 45, 46, 47, 48, 49, 50, 51, X,  X,  X,  X,  X,
#undef X
	};
	__m512i value = _mm512_permutex2var_epi8(
		_mm512_load_si512(values), text, _mm512_load_si512(values + 64)
	);

	*wrong = _mm512_ternarylogic_epi32(*wrong, value, text, 0xfe); // a | b | c
	value = _mm512_maddubs_epi16(value, _mm512_set1_epi32(0x01400140));
	value = _mm512_madd_epi16(value, _mm512_set1_epi32(0x00011000));
	return _mm512_permutexvar_epi8(_mm512_load_si512(pack), value);
}

AVX512_VBMI size_t base64_decode_avx512(struct view text, uint8_t *ret_raw)
{
	__m512i wrong = _mm512_setzero_si512();
	size_t pads;
	size_t at;
	size_t rest;
	__m512i raw;

	if (text.size == 0)
		return 0;
	if (text.size % 4 != 0)
		return SIZE_MAX;
	pads = text.bytes[text.size - 1] != '=' ? 0 : text.bytes[text.size - 2] != '=' ? 1 : 2;
	for (at = 0; at + TEXT_BLOCK < text.size; at += TEXT_BLOCK)
		_mm512_mask_storeu_epi8(
			ret_raw + at / 4 * 3,
			first_bytes(RAW_BLOCK),
			decode_block(_mm512_loadu_si512(text.bytes + at), &wrong)
		);
	// What is missing in the last block reads as 'A', which is zero bits.
	rest = text.size - at;
	raw = decode_block(
		_mm512_mask_loadu_epi8(
			_mm512_set1_epi8('A'), first_bytes(rest - pads), text.bytes + at
		),
		&wrong
	);
	rest = rest / 4 * 3 - pads;
	_mm512_mask_storeu_epi8(ret_raw + at / 4 * 3, first_bytes(rest), raw);
	// One text has one spelling: bits that the padding leaves over are zero.
	if (_mm512_movepi8_mask(wrong) != 0
	    || (_mm512_test_epi8_mask(raw, raw) & first_bytes(RAW_BLOCK) & ~first_bytes(rest)) != 0)
		return SIZE_MAX;
	return at / 4 * 3 + rest;
}
