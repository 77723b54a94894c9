#include "crypto/siphash.h"

#include "crypto/cpu.h"

// SipHash-2-4 as its authors give it: Aumasson, Bernstein, "SipHash: a fast short-input PRF" (2012),
// with the 128-bit output of their reference code (v1 ^= 0xee at the start, 0xee and 0xdd at the ends).

static inline uint64_t load_le64(const uint8_t *bytes)
{
	uint64_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void mix(struct siphash_head *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		s->v[0] += s->v[1];
		s->v[2] += s->v[3];
		s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
		s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
		s->v[0] = rotate(s->v[0], 32);
		s->v[2] += s->v[1];
		s->v[0] += s->v[3];
		s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
		s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
		s->v[2] = rotate(s->v[2], 32);
	}
}

static inline void absorb(struct siphash_head *s, uint64_t word)
{
	s->v[3] ^= word;
	mix(s, SIPHASH_COMPRESSION_ROUNDS);
	s->v[0] ^= word;
}

static inline uint64_t fold(const struct siphash_head *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

static struct siphash_head start(const uint8_t key[static SIPHASH_KEY_SIZE])
{
	uint64_t k0 = load_le64(key);
	uint64_t k1 = load_le64(key + 8);

	return (struct siphash_head
	){{0x736f6d6570736575u ^ k0,
	   0x646f72616e646f6du ^ k1 ^ 0xee,
	   0x6c7967656e657261u ^ k0,
	   0x7465646279746573u ^ k1}};
}

/** Take in the rest of a text, of which `before` bytes are in, and give the hash. */
static void finish(
	struct siphash_head *s,
	size_t before,
	struct view tail,
	uint8_t ret_hash[static SIPHASH_SIZE]
)
{
	size_t whole = tail.size / 8 * 8;
	uint8_t last[8] = {0};
	uint64_t half;

	for (size_t i = 0; i < whole; i += 8)
		absorb(s, load_le64(tail.bytes + i));
	if (tail.size > whole)
		memcpy(last, tail.bytes + whole, tail.size - whole);
	last[7] = (uint8_t)(before + tail.size);
	absorb(s, load_le64(last));
	s->v[2] ^= 0xee;
	mix(s, SIPHASH_FINAL_ROUNDS);
	half = fold(s);
	memcpy(ret_hash, &half, 8);
	s->v[1] ^= 0xdd;
	mix(s, SIPHASH_FINAL_ROUNDS);
	half = fold(s);
	memcpy(ret_hash + 8, &half, 8);
}

void siphash(
	const uint8_t key[static SIPHASH_KEY_SIZE],
	struct view text,
	uint8_t ret_hash[static SIPHASH_SIZE]
)
{
	struct siphash_head s = start(key);

	finish(&s, 0, text, ret_hash);
}

void siphash_begin(
	const uint8_t key[static SIPHASH_KEY_SIZE],
	const uint8_t head[static SIPHASH_HEAD_SIZE],
	struct siphash_head *ret_head
)
{
	*ret_head = start(key);
	absorb(ret_head, load_le64(head));
	absorb(ret_head, load_le64(head + 8));
}

static void hash_one_by_one(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
)
{
	for (size_t n = 0; n < count; n++) {
		struct siphash_head s = *rows[n].head;

		finish(&s, SIPHASH_HEAD_SIZE, rows[n].tail, ret_hash[n]);
	}
}

static bool always(void)
{
	return true;
}

static bool has_avx2(void)
{
	return cpu_has(CPU_AVX2);
}

static bool has_avx512(void)
{
	return cpu_has(CPU_AVX512);
}

const struct siphash_path siphash_paths[SIPHASH_PATH_COUNT] = {
	{"avx512", has_avx512, siphash_rows_avx512},
	{"avx2", has_avx2, siphash_rows_avx2},
	{"scalar", always, hash_one_by_one},
};

static const struct siphash_path *chosen = &siphash_paths[SIPHASH_PATH_COUNT - 1];

/** Before main and before any thread: from then on the choice is only read. */
__attribute__((constructor)) static void choose(void)
{
	chosen = siphash_paths;
	while (!chosen->is_there())
		chosen++;
}

void siphash_rows(const struct siphash_row rows[], size_t count, uint8_t (*ret_hash)[SIPHASH_SIZE])
{
	chosen->hash(rows, count, ret_hash);
}
