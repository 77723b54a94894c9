#define SIPHASH_LANES 4

#include "crypto/siphash_rows.h"

static inline void load_words(
	const struct lanes_rows *rows,
	size_t at,
	lanes ret_words[static STEP_WORDS]
)
{
	__m256i row[SIPHASH_LANES];
	__m256i even[2];
	__m256i odd[2];

	for (unsigned n = 0; n < SIPHASH_LANES; n++)
		row[n] = load_step(rows->text[n], rows->size[n], at);
	for (unsigned n = 0; n < 2; n++) {
		even[n] = _mm256_unpacklo_epi64(row[2 * n], row[2 * n + 1]);
		odd[n] = _mm256_unpackhi_epi64(row[2 * n], row[2 * n + 1]);
	}
	ret_words[0] = (lanes)_mm256_permute2x128_si256(even[0], even[1], 0x20);
	ret_words[1] = (lanes)_mm256_permute2x128_si256(odd[0], odd[1], 0x20);
	ret_words[2] = (lanes)_mm256_permute2x128_si256(even[0], even[1], 0x31);
	ret_words[3] = (lanes)_mm256_permute2x128_si256(odd[0], odd[1], 0x31);
}

void siphash_rows_avx2(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
)
{
	hash_all(rows, count, ret_hash);
}
