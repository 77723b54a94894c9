// AVX-512 with VAES and VPCLMULQDQ: four lanes a register, thirty-two registers.

#include "crypto/base64.h"
#include "crypto/base64_avx512.h"
#include "crypto/lanes_kernel.h"
#include "io/base/attr.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m512i vec;

enum {
	VEC_LANES = 4,  // lanes of a register
	GROUPS = 3,     // registers side by side: enough work to hide the latency of a round
	TEXT_MAX = 1024 // bytes; from there on ipsec-mb, which has powers of H at hand, is faster
};

static inline vec vec_zero(void)
{
	return _mm512_setzero_si512();
}

static inline vec vec_load(const void *row)
{
	return _mm512_load_si512(row);
}

static inline void vec_store(void *row, vec v)
{
	_mm512_store_si512(row, v);
}

/** Sixteen bytes from each of the pointers, offset further on. */
static inline vec vec_gather(const uint8_t *const rows[VEC_LANES], size_t offset)
{
	vec v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(rows[0] + offset)));

	v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows[1] + offset)), 1);
	v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows[2] + offset)), 2);
	return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(rows[3] + offset)), 3);
}

static inline vec vec_join(const __m128i lanes[VEC_LANES])
{
	vec v = _mm512_inserti32x4(_mm512_castsi128_si512(lanes[0]), lanes[1], 1);

	v = _mm512_inserti32x4(v, lanes[2], 2);
	return _mm512_inserti32x4(v, lanes[3], 3);
}

/** The same two 64-bit words in every lane. */
static inline vec vec_block(uint64_t high, uint64_t low)
{
	return _mm512_broadcast_i32x4(_mm_set_epi64x((long long)high, (long long)low));
}

static inline vec vec_words(uint32_t word)
{
	return _mm512_set1_epi32((int)word);
}

static inline vec vec_xor(vec a, vec b)
{
	return _mm512_xor_si512(a, b);
}

static inline vec vec_xor3(vec a, vec b, vec c)
{
	return _mm512_ternarylogic_epi64(a, b, c, 0x96);
}

static inline vec vec_and(vec a, vec b)
{
	return _mm512_and_si512(a, b);
}

/** Bits of a where mask is set, of b elsewhere. */
static inline vec vec_select(vec mask, vec a, vec b)
{
	return _mm512_ternarylogic_epi64(mask, a, b, 0xca);
}

static inline vec vec_subtract(vec a, vec b)
{
	return _mm512_sub_epi32(a, b);
}

/** All ones in the words where a is greater than b. */
static inline vec vec_greater(vec a, vec b)
{
	return _mm512_movm_epi32(_mm512_cmpgt_epi32_mask(a, b));
}

/** All ones in the bytes where a is greater than b. */
static inline vec vec_bytes_greater(vec a, vec b)
{
	return _mm512_movm_epi8(_mm512_cmpgt_epi8_mask(a, b));
}

/** All ones in the bytes where a equals b. */
static inline vec vec_bytes_equal(vec a, vec b)
{
	return _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(a, b));
}

/** All ones in the words that are negative. */
static inline vec vec_signs(vec v)
{
	return _mm512_srai_epi32(v, 31);
}

static inline vec vec_shuffle(vec v, vec index)
{
	return _mm512_shuffle_epi8(v, index);
}

static inline vec vec_last_word(vec v)
{
	return _mm512_shuffle_epi32(v, 0xff);
}

static inline vec vec_swap_halves(vec v)
{
	return _mm512_shuffle_epi32(v, 0x4e);
}

static inline vec vec_up_4(vec v)
{
	return _mm512_maskz_shuffle_epi32(0xeeee, v, 0x90); // cheaper than a shift of bytes
}

static inline vec vec_up_8(vec v)
{
	return _mm512_maskz_shuffle_epi32(0xcccc, v, 0x40);
}

static inline vec vec_twice_64(vec v)
{
	return _mm512_add_epi64(v, v);
}

static inline vec vec_top_bit_64(vec v)
{
	return _mm512_srli_epi64(v, 63);
}

static inline vec vec_aes_round(vec state, vec round_key)
{
	return _mm512_aesenc_epi128(state, round_key);
}

static inline vec vec_aes_last(vec state, vec round_key)
{
	return _mm512_aesenclast_epi128(state, round_key);
}

/** Carry-less product of a half of a and a half of b, in every lane: 0 is the low half. */
#define vec_multiply(a, a_half, b, b_half)                                                         \
	_mm512_clmulepi64_epi128((a), (b), (a_half) | (b_half) << 4)

static void wipe_registers(void)
{
	__asm__ volatile("vzeroall\n\t"
			 "vpxorq %%zmm16, %%zmm16, %%zmm16\n\t"
			 "vpxorq %%zmm17, %%zmm17, %%zmm17\n\t"
			 "vpxorq %%zmm18, %%zmm18, %%zmm18\n\t"
			 "vpxorq %%zmm19, %%zmm19, %%zmm19\n\t"
			 "vpxorq %%zmm20, %%zmm20, %%zmm20\n\t"
			 "vpxorq %%zmm21, %%zmm21, %%zmm21\n\t"
			 "vpxorq %%zmm22, %%zmm22, %%zmm22\n\t"
			 "vpxorq %%zmm23, %%zmm23, %%zmm23\n\t"
			 "vpxorq %%zmm24, %%zmm24, %%zmm24\n\t"
			 "vpxorq %%zmm25, %%zmm25, %%zmm25\n\t"
			 "vpxorq %%zmm26, %%zmm26, %%zmm26\n\t"
			 "vpxorq %%zmm27, %%zmm27, %%zmm27\n\t"
			 "vpxorq %%zmm28, %%zmm28, %%zmm28\n\t"
			 "vpxorq %%zmm29, %%zmm29, %%zmm29\n\t"
			 "vpxorq %%zmm30, %%zmm30, %%zmm30\n\t"
			 "vpxorq %%zmm31, %%zmm31, %%zmm31" ::
				 : "memory",
				   "xmm0",
				   "xmm1",
				   "xmm2",
				   "xmm3",
				   "xmm4",
				   "xmm5",
				   "xmm6",
				   "xmm7",
				   "xmm8",
				   "xmm9",
				   "xmm10",
				   "xmm11",
				   "xmm12",
				   "xmm13",
				   "xmm14",
				   "xmm15",
				   "xmm16",
				   "xmm17",
				   "xmm18",
				   "xmm19",
				   "xmm20",
				   "xmm21",
				   "xmm22",
				   "xmm23",
				   "xmm24",
				   "xmm25",
				   "xmm26",
				   "xmm27",
				   "xmm28",
				   "xmm29",
				   "xmm30",
				   "xmm31");
}

/** Up to sixteen bytes and zeros. */
INLINE __m128i load_part(const uint8_t *bytes, size_t size)
{
	return _mm_maskz_loadu_epi8((__mmask16)((1u << size) - 1), bytes);
}

/** One to fifteen bytes. */
INLINE void copy_part(uint8_t *to, const uint8_t *from, size_t size)
{
	__mmask16 mask = (__mmask16)((1u << size) - 1);

	_mm_mask_storeu_epi8(to, mask, _mm_maskz_loadu_epi8(mask, from));
}

/** Base64 of a field, which is 33 bytes at least: blocks of 64 characters, the last so that it ends at the field's end. */
INLINE void encode_field(const uint8_t *raw, size_t size, uint8_t *ret_text)
{
	static const uint64_t pads[3] = {0, (uint64_t)1 << 63, (uint64_t)3 << 62};
	size_t whole = (size + 2) / 3 * 3;
	uint64_t pad = pads[whole - size];
	size_t text_size = whole / 3 * 4;
	__m512i text;

	if (whole < RAW_BLOCK) {
		text = encode_block(_mm512_loadu_si512(raw));
		pad >>= TEXT_BLOCK - text_size;
		text = _mm512_mask_blend_epi8(pad, text, _mm512_set1_epi8('='));
		_mm512_mask_storeu_epi8(ret_text, first_bytes(text_size), text);
		return;
	}
	for (size_t at = 0; at + RAW_BLOCK < whole; at += RAW_BLOCK)
		_mm512_storeu_si512(
			ret_text + at / 3 * 4, encode_block(_mm512_loadu_si512(raw + at))
		);
	text = encode_block(_mm512_loadu_si512(raw + whole - RAW_BLOCK));
	text = _mm512_mask_blend_epi8(pad, text, _mm512_set1_epi8('='));
	_mm512_storeu_si512(ret_text + text_size - TEXT_BLOCK, text);
}

// The body, in this order.
// clang-format off
#define LEVEL_NAME  "avx512"
#define LEVEL_TABLE lanes_avx512
#include "crypto/lanes_masks.h"
#include "crypto/lanes_body.h"
#include "crypto/lanes_rows.h"
#include "crypto/lanes_fields.h"
#include "crypto/lanes_table.h"
// clang-format on
