#include "crypto/cpu.h"
#include "dataplane/pipeline/frame_wire.h"

#include <immintrin.h>

enum {
	BLOCK = 64 // bytes: two registers
};

/** The sum of whole blocks, 32-bit words into 64 bits as sum_bytes has them. */
__attribute__((target("avx2"))) static uint64_t sum_blocks(const uint8_t *from, size_t size)
{
	const __m256i low_half = _mm256_set1_epi64x(0xffffffff);
	__m256i low = _mm256_setzero_si256();
	__m256i high = _mm256_setzero_si256();
	uint64_t lanes[4];

	for (size_t at = 0; at < size; at += BLOCK) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(from + at));
		__m256i b = _mm256_loadu_si256((const __m256i *)(from + at + BLOCK / 2));

		low = _mm256_add_epi64(low, _mm256_and_si256(a, low_half));
		high = _mm256_add_epi64(high, _mm256_srli_epi64(a, 32));
		low = _mm256_add_epi64(low, _mm256_and_si256(b, low_half));
		high = _mm256_add_epi64(high, _mm256_srli_epi64(b, 32));
	}
	_mm256_storeu_si256((__m256i *)lanes, _mm256_add_epi64(low, high));
	return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

static bool has_avx2;

/** Before main and before any thread: from then on the choice is only read. */
__attribute__((constructor)) static void choose(void)
{
	has_avx2 = cpu_has(CPU_AVX2);
}

uint64_t sum_long(uint64_t sum, const uint8_t *bytes, size_t size)
{
	size_t blocks = has_avx2 ? size / BLOCK * BLOCK : 0;

	if (blocks != 0)
		sum += sum_blocks(bytes, blocks);
	return sum_bytes(sum, bytes + blocks, size - blocks);
}
