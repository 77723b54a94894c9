// AES-NI, PCLMULQDQ and SSE4.1: one lane a register, sixteen registers.

#include "crypto/base64.h"
#include "crypto/lanes_kernel.h"
#include "io/base/attr.h"

#include <assert.h>
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef __m128i vec;

enum {
	VEC_LANES = 1, // lanes of a register
	GROUPS = 4,    // registers side by side: enough work to hide the latency of a round
	TEXT_MAX = 256 // bytes; from there on ipsec-mb, which has powers of H at hand, is faster
};

static inline vec vec_zero(void)
{
	return _mm_setzero_si128();
}

static inline vec vec_load(const void *row)
{
	return _mm_load_si128(row);
}

static inline void vec_store(void *row, vec v)
{
	_mm_store_si128(row, v);
}

/** Sixteen bytes from each of the pointers, offset further on. */
static inline vec vec_gather(const uint8_t *const rows[VEC_LANES], size_t offset)
{
	return _mm_loadu_si128((const __m128i *)(rows[0] + offset));
}

static inline vec vec_join(const __m128i lanes[VEC_LANES])
{
	return lanes[0];
}

/** The same two 64-bit words in every lane. */
static inline vec vec_block(uint64_t high, uint64_t low)
{
	return _mm_set_epi64x((long long)high, (long long)low);
}

static inline vec vec_words(uint32_t word)
{
	return _mm_set1_epi32((int)word);
}

static inline vec vec_xor(vec a, vec b)
{
	return _mm_xor_si128(a, b);
}

static inline vec vec_xor3(vec a, vec b, vec c)
{
	return _mm_xor_si128(_mm_xor_si128(a, b), c);
}

static inline vec vec_and(vec a, vec b)
{
	return _mm_and_si128(a, b);
}

/** Bytes of a where mask is all ones, of b where it is zero. */
static inline vec vec_select(vec mask, vec a, vec b)
{
	return _mm_blendv_epi8(b, a, mask);
}

static inline vec vec_subtract(vec a, vec b)
{
	return _mm_sub_epi32(a, b);
}

/** All ones in the words where a is greater than b. */
static inline vec vec_greater(vec a, vec b)
{
	return _mm_cmpgt_epi32(a, b);
}

/** All ones in the bytes where a is greater than b. */
static inline vec vec_bytes_greater(vec a, vec b)
{
	return _mm_cmpgt_epi8(a, b);
}

/** All ones in the bytes where a equals b. */
static inline vec vec_bytes_equal(vec a, vec b)
{
	return _mm_cmpeq_epi8(a, b);
}

/** All ones in the words that are negative. */
static inline vec vec_signs(vec v)
{
	return _mm_srai_epi32(v, 31);
}

static inline vec vec_shuffle(vec v, vec index)
{
	return _mm_shuffle_epi8(v, index);
}

static inline vec vec_last_word(vec v)
{
	return _mm_shuffle_epi32(v, 0xff);
}

static inline vec vec_swap_halves(vec v)
{
	return _mm_shuffle_epi32(v, 0x4e);
}

static inline vec vec_up_4(vec v)
{
	return _mm_bslli_si128(v, 4);
}

static inline vec vec_up_8(vec v)
{
	return _mm_bslli_si128(v, 8);
}

static inline vec vec_twice_64(vec v)
{
	return _mm_add_epi64(v, v);
}

static inline vec vec_top_bit_64(vec v)
{
	return _mm_srli_epi64(v, 63);
}

static inline vec vec_aes_round(vec state, vec round_key)
{
	return _mm_aesenc_si128(state, round_key);
}

static inline vec vec_aes_last(vec state, vec round_key)
{
	return _mm_aesenclast_si128(state, round_key);
}

/** Carry-less product of a half of a and a half of b, in every lane: 0 is the low half. */
#define vec_multiply(a, a_half, b, b_half) _mm_clmulepi64_si128((a), (b), (a_half) | (b_half) << 4)

static void wipe_registers(void)
{
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\t"
			 "pxor %%xmm1, %%xmm1\n\t"
			 "pxor %%xmm2, %%xmm2\n\t"
			 "pxor %%xmm3, %%xmm3\n\t"
			 "pxor %%xmm4, %%xmm4\n\t"
			 "pxor %%xmm5, %%xmm5\n\t"
			 "pxor %%xmm6, %%xmm6\n\t"
			 "pxor %%xmm7, %%xmm7\n\t"
			 "pxor %%xmm8, %%xmm8\n\t"
			 "pxor %%xmm9, %%xmm9\n\t"
			 "pxor %%xmm10, %%xmm10\n\t"
			 "pxor %%xmm11, %%xmm11\n\t"
			 "pxor %%xmm12, %%xmm12\n\t"
			 "pxor %%xmm13, %%xmm13\n\t"
			 "pxor %%xmm14, %%xmm14\n\t"
			 "pxor %%xmm15, %%xmm15\n\t" ::
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
				   "xmm15");
}

// The body, in this order.
// clang-format off
#define LEVEL_NAME  "sse"
#define LEVEL_TABLE lanes_sse
#include "crypto/lanes_xmm.h"
#include "crypto/lanes_masks.h"
#include "crypto/lanes_body.h"
#include "crypto/lanes_rows.h"
#include "crypto/lanes_fields.h"
#include "crypto/lanes_table.h"
// clang-format on
