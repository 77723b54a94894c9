#include "crypto/mask.h"

#include <string.h>

// MurmurHash3_x64_128 by Austin Appleby (public domain), fed in parts.

static const uint64_t c1 = 0x87c37b91114253d5u;
static const uint64_t c2 = 0x4cf5ad432745937fu;

struct murmur3 {
	uint64_t h1;
	uint64_t h2;
	uint64_t size;    // bytes fed
	uint8_t last[16]; // [size % 16] not mixed yet
};

static inline uint64_t rotate(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static inline uint64_t scramble1(uint64_t k)
{
	return rotate(k * c1, 31) * c2;
}

static inline uint64_t scramble2(uint64_t k)
{
	return rotate(k * c2, 33) * c1;
}

static void mix_block(struct murmur3 *m, const uint8_t block[static 16])
{
	uint64_t k[2];

	memcpy(k, block, sizeof(k));
	m->h1 = (rotate(m->h1 ^ scramble1(k[0]), 27) + m->h2) * 5 + 0x52dce729;
	m->h2 = (rotate(m->h2 ^ scramble2(k[1]), 31) + m->h1) * 5 + 0x38495ab5;
}

static void feed(struct murmur3 *m, struct view v)
{
	while (v.size != 0) {
		size_t held = m->size % 16;
		size_t part = v.size < 16 - held ? v.size : 16 - held;

		if (part == 16) {
			mix_block(m, v.bytes);
		} else {
			memcpy(m->last + held, v.bytes, part);
			if (held + part == 16)
				mix_block(m, m->last);
		}
		m->size += part;
		v = view_of(v.bytes + part, v.size - part);
	}
}

static uint64_t avalanche(uint64_t k)
{
	k = (k ^ k >> 33) * 0xff51afd7ed558ccdu;
	k = (k ^ k >> 33) * 0xc4ceb9fe1a85ec53u;
	return k ^ k >> 33;
}

static void finish(struct murmur3 *m)
{
	uint64_t k[2];

	// The tail's missing bytes count as zeros, and a half that is all zeros scrambles to zero.
	memset(m->last + m->size % 16, 0, 16 - m->size % 16);
	memcpy(k, m->last, sizeof(k));
	m->h1 = (m->h1 ^ scramble1(k[0])) ^ m->size;
	m->h2 = (m->h2 ^ scramble2(k[1])) ^ m->size;
	m->h1 += m->h2;
	m->h2 += m->h1;
	m->h1 = avalanche(m->h1);
	m->h2 = avalanche(m->h2);
	m->h1 += m->h2;
	m->h2 += m->h1;
}

static size_t write_hex(uint64_t word, char *text)
{
	static const char digits[16] = "0123456789abcdef";
	size_t length = 1;

	while (length < 16 && word >> (4 * length) != 0)
		length++;
	for (size_t i = 0; i < length; i++)
		text[i] = digits[word >> (4 * (length - 1 - i)) & 15];
	return length;
}

size_t mask_murmur3(struct view seed, struct view value, char ret_text[static MASK_TEXT_MAX])
{
	struct murmur3 m = {0};
	size_t length;

	feed(&m, seed);
	feed(&m, value);
	finish(&m);
	length = write_hex(m.h1, ret_text);
	return length + write_hex(m.h2, ret_text + length);
}
