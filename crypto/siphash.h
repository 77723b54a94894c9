#pragma once

#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

enum {
	SIPHASH_KEY_SIZE = 16,  // bytes
	SIPHASH_SIZE = 16,      // bytes
	SIPHASH_HEAD_SIZE = 16, // bytes
	SIPHASH_PADDING = 32,   // readable bytes after the tail of a row, of any content
	SIPHASH_COMPRESSION_ROUNDS = 2,
	SIPHASH_FINAL_ROUNDS = 4
};

/** SipHash-2-4 with 128-bit output: the keyed hash of key values and subjects. Source: the authors' reference vectors. */
void siphash(
	const uint8_t key[static SIPHASH_KEY_SIZE],
	struct view text,
	uint8_t ret_hash[static SIPHASH_SIZE]
);

/** The first 16 bytes of texts that begin alike, taken in. As secret as the key. */
struct siphash_head {
	uint64_t v[4];
};

/** A text: a head, and what follows it. */
struct siphash_row {
	const struct siphash_head *head;
	struct view tail; // with SIPHASH_PADDING
};

void siphash_begin(
	const uint8_t key[static SIPHASH_KEY_SIZE],
	const uint8_t head[static SIPHASH_HEAD_SIZE],
	struct siphash_head *ret_head
);

/** Hash several texts side by side: of each the same as siphash of head and tail together. */
void siphash_rows(const struct siphash_row rows[], size_t count, uint8_t (*ret_hash)[SIPHASH_SIZE]);

/** A way to do that; all give the same. Only tests take another than siphash_rows does. */
struct siphash_path {
	const char *name;
	bool (*is_there)(void);
	void (*hash
	)(const struct siphash_row rows[], size_t count, uint8_t (*ret_hash)[SIPHASH_SIZE]);
};

enum {
	SIPHASH_PATH_COUNT = 3
};

extern const struct siphash_path
	siphash_paths[SIPHASH_PATH_COUNT]; // the best first, the last always there

void siphash_rows_avx2(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
);
void siphash_rows_avx512(
	const struct siphash_row rows[],
	size_t count,
	uint8_t (*ret_hash)[SIPHASH_SIZE]
);
