#pragma once

#include <immintrin.h>
#include <stdint.h>

// 48 bytes are 64 characters at a time, after Muła and Lemire, "Base64 encoding and decoding at almost
// the speed of a memory copy" (2019).

#define AVX512_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi")))

enum {
	RAW_BLOCK = 48, // bytes
	TEXT_BLOCK = 64 // characters of base64
};

static const uint8_t base64_alphabet[64] __attribute__((aligned(64))) =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Every word gets its three bytes as 1, 0, 2, 1: six bits each begin at bit 10, 4, 22 and 16 of it.
static const uint8_t base64_spread[64] __attribute__((aligned(64))) = {
	1,  0,  2,  1,  4,  3,  5,  4,  7,  6,  8,  7,  10, 9,  11, 10, 13, 12, 14, 13, 16, 15,
	17, 16, 19, 18, 20, 19, 22, 21, 23, 22, 25, 24, 26, 25, 28, 27, 29, 28, 31, 30, 32, 31,
	34, 33, 35, 34, 37, 36, 38, 37, 40, 39, 41, 40, 43, 42, 44, 43, 46, 45, 47, 46,
};

/** Mask of the first count of 64 bytes. */
static inline __mmask64 first_bytes(size_t count)
{
	return count >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << count) - 1;
}

/** The 64 characters of 48 bytes; missing bytes are zeros. */
AVX512_VBMI static inline __m512i encode_block(__m512i raw)
{
	const __m512i bits = _mm512_set1_epi64(0x3036242a1016040a);
	__m512i values = _mm512_multishift_epi64_epi8(
		bits, _mm512_permutexvar_epi8(_mm512_load_si512(base64_spread), raw)
	);

	// The permutation looks at the lowest six bits of a byte only.
	return _mm512_permutexvar_epi8(values, _mm512_load_si512(base64_alphabet));
}
