#pragma once

#include "crypto/siphash.h"

// SipHash of several rows in the lanes of vector registers. A level's file says how wide these are
// (SIPHASH_LANES: 4 or 8 words) before it includes this one; the arithmetic is the same. Lanes step together,
// a word at a time; a row that has come to its end keeps its state while longer ones go on.

#include <immintrin.h>
#include <stdbool.h>

enum {
	STEP_BYTES = 32, // of each row that are loaded and turned at a time
	STEP_WORDS = STEP_BYTES / 8
};

typedef uint64_t lanes __attribute__((vector_size(SIPHASH_LANES * 8)));

struct lanes_state {
	lanes v[4];
};

/** The rows at hand. */
struct lanes_rows {
	const uint8_t *text[SIPHASH_LANES];
	size_t size[SIPHASH_LANES];
	lanes last;   // word that ends the row: its last bytes and the length
	lanes length; // as that word has it
	uint64_t words_max;
	uint64_t words_min;
};

/** Byte i of keep[STEP_BYTES - n ..] is all ones for i < n. */
static const uint8_t keep[2 * STEP_BYTES] = {[0 ... STEP_BYTES - 1] = 0xff};

static inline lanes rotate_lanes(lanes words, unsigned bits)
{
	return words << bits | words >> (64 - bits);
}

static inline __attribute__((always_inline)) void mix_lanes(struct lanes_state *s, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		s->v[0] += s->v[1];
		s->v[2] += s->v[3];
		s->v[1] = rotate_lanes(s->v[1], 13) ^ s->v[0];
		s->v[3] = rotate_lanes(s->v[3], 16) ^ s->v[2];
		s->v[0] = rotate_lanes(s->v[0], 32);
		s->v[2] += s->v[1];
		s->v[0] += s->v[3];
		s->v[1] = rotate_lanes(s->v[1], 17) ^ s->v[2];
		s->v[3] = rotate_lanes(s->v[3], 21) ^ s->v[0];
		s->v[2] = rotate_lanes(s->v[2], 32);
	}
}

static inline lanes fold_lanes(const struct lanes_state *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

/** Up to STEP_BYTES bytes of a row from offset at on, zeros behind its end. */
static inline __m256i load_step(const uint8_t *text, size_t size, size_t at)
{
	size_t left = size > at ? size - at : 0;
	const uint8_t *from = left == 0 ? keep : text + at;
	__m256i mask = _mm256_loadu_si256(
		(const __m256i *)(keep + STEP_BYTES - (left < STEP_BYTES ? left : STEP_BYTES))
	);

	return _mm256_and_si256(_mm256_loadu_si256((const __m256i *)from), mask);
}

/** Load a step of all rows and turn it: word k of every row in ret_words[k]. */
static inline void load_words(
	const struct lanes_rows *rows,
	size_t at,
	lanes ret_words[static STEP_WORDS]
);

/** Take in one word of every row that has it. */
static inline __attribute__((always_inline)) void absorb_lanes(
	struct lanes_state *s,
	const struct lanes_rows *rows,
	lanes words,
	uint64_t number
)
{
	struct lanes_state next = *s;
	lanes live;

	words |= rows->length & (lanes)(rows->last == number);
	next.v[3] ^= words;
	mix_lanes(&next, SIPHASH_COMPRESSION_ROUNDS);
	next.v[0] ^= words;
	if (number < rows->words_min) {
		*s = next;
		return;
	}
	live = (lanes)(rows->last >= number);
	for (unsigned i = 0; i < 4; i++)
		s->v[i] ^= (s->v[i] ^ next.v[i]) & live;
}

static inline void take_rows(
	const struct siphash_row from[],
	size_t count,
	struct lanes_rows *ret_rows
)
{
	ret_rows->words_max = 0;
	ret_rows->words_min = UINT64_MAX;
	for (size_t n = 0; n < SIPHASH_LANES; n++) {
		// Lanes that are left over hash the first row once more.
		const struct siphash_row *row = &from[n < count ? n : 0];
		size_t size = row->tail.size;
		uint64_t words = size / 8 + 1;

		ret_rows->text[n] = row->tail.bytes;
		ret_rows->size[n] = size;
		ret_rows->last[n] = words - 1;
		ret_rows->length[n] = (uint64_t)(SIPHASH_HEAD_SIZE + size) << 56;
		if (words > ret_rows->words_max)
			ret_rows->words_max = words;
		if (words < ret_rows->words_min)
			ret_rows->words_min = words;
	}
}

/** The state of every lane behind its head; nearly always it is one head for all. */
static inline struct lanes_state take_heads(const struct siphash_row from[], size_t count)
{
	const struct siphash_head *first = from[0].head;
	struct lanes_state s;
	bool is_same = true;

	for (unsigned i = 0; i < 4; i++)
		s.v[i] = first->v[i] - (lanes){0};
	for (size_t n = 1; n < count; n++)
		is_same = is_same && from[n].head == first;
	if (is_same)
		return s;
	for (size_t n = 1; n < count; n++) {
		lanes is_lane = (lanes){0};

		is_lane[n] = UINT64_MAX;
		for (unsigned i = 0; i < 4; i++)
			s.v[i] =
				(s.v[i] & ~is_lane) | ((from[n].head->v[i] - (lanes){0}) & is_lane);
	}
	return s;
}

static inline void hash_lanes(
	const struct siphash_row from[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
)
{
	struct lanes_rows rows;
	struct lanes_state s = take_heads(from, count);
	lanes half[2];

	take_rows(from, count, &rows);
	for (uint64_t number = 0; number < rows.words_max; number += STEP_WORDS) {
		lanes words[STEP_WORDS];

		load_words(&rows, number * 8, words);
		for (unsigned k = 0; k < STEP_WORDS && number + k < rows.words_max; k++)
			absorb_lanes(&s, &rows, words[k], number + k);
	}
	s.v[2] ^= 0xee;
	mix_lanes(&s, SIPHASH_FINAL_ROUNDS);
	half[0] = fold_lanes(&s);
	s.v[1] ^= 0xdd;
	mix_lanes(&s, SIPHASH_FINAL_ROUNDS);
	half[1] = fold_lanes(&s);
	for (size_t n = 0; n < count; n++) {
		uint64_t hash[2] = {half[0][n], half[1][n]};

		memcpy(ret_hash[n], hash, sizeof(hash));
	}
}

static inline void hash_all(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
)
{
	for (size_t at = 0; at < count; at += SIPHASH_LANES)
		hash_lanes(
			rows + at,
			count - at < SIPHASH_LANES ? count - at : SIPHASH_LANES,
			ret_hash + at
		);
}
