#define SIPHASH_LANES 8

#include "crypto/siphash_rows.h"

/** Rows n and n + 4 share a register, so that no step crosses its halves. */
static inline void load_words(
	const struct lanes_rows *rows,
	size_t at,
	lanes ret_words[static STEP_WORDS]
)
{
	const __m512i low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
	const __m512i high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
	__m512i row[4];
	__m512i even[2];
	__m512i odd[2];

	for (unsigned n = 0; n < 4; n++)
		row[n] = _mm512_inserti64x4(
			_mm512_castsi256_si512(load_step(rows->text[n], rows->size[n], at)),
			load_step(rows->text[n + 4], rows->size[n + 4], at),
			1
		);
	for (unsigned n = 0; n < 2; n++) {
		even[n] = _mm512_unpacklo_epi64(row[2 * n], row[2 * n + 1]);
		odd[n] = _mm512_unpackhi_epi64(row[2 * n], row[2 * n + 1]);
	}
	ret_words[0] = (lanes)_mm512_permutex2var_epi64(even[0], low, even[1]);
	ret_words[1] = (lanes)_mm512_permutex2var_epi64(odd[0], low, odd[1]);
	ret_words[2] = (lanes)_mm512_permutex2var_epi64(even[0], high, even[1]);
	ret_words[3] = (lanes)_mm512_permutex2var_epi64(odd[0], high, odd[1]);
}

void siphash_rows_avx512(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
)
{
	hash_all(rows, count, ret_hash);
}
