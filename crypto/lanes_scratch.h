#pragma once

#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"

// The inside of struct lanes, shared by lanes.c (levels, order of work, wiping), lanes_seal.c, lanes_open.c
// and lanes_derive.c.

enum {
	LANES_SHAPES = (13 + LANES_TEXT_BLOCKS_MAX / 4) * 4 + 4, // classes of sizes
	ROWS_OF_SHAPE = 16                                       // room for rows of one shape
};

static_assert((int)LANES_SHAPES <= UINT8_MAX, "a shape fits its byte");
static_assert((int)LANES_SHAPES % 8 == 0, "counts are looked through in words");
static_assert((int)ROWS_OF_SHAPE >= (int)LANES_WIDTH_MAX, "a batch of one shape can gather");

/** Rows of a burst that wait until there are enough of one shape to fill the lanes of a batch. */
struct lanes_rows {
	uint8_t count[LANES_SHAPES]; // of waiting rows, below the width
	uint16_t row[LANES_SHAPES][ROWS_OF_SHAPE];
};

struct lanes {
	const struct lanes_level *level;
	lanes_random_fn random;
	void *random_context;
	struct lanes_scratch *scratch;
	struct lanes_rows rows;        // to seal under synthetic IVs, or to open
	struct lanes_rows random_rows; // to seal under random IVs
};

/**
 * Rows of one shape need about as many steps: exactly as many up to 16 blocks of text and 2 of path, and within a
 * few of each other beyond.
 */
static inline uint8_t lanes_shape_of(uint32_t head_blocks, size_t text_size)
{
	size_t blocks = (text_size + 15) / 16;
	size_t text_class = blocks <= 16 ? blocks : 13 + blocks / 4;
	size_t head_class = head_blocks <= 2 ? head_blocks - 1 : head_blocks <= 4 ? 2 : 3;

	return (uint8_t)(text_class * 4 + head_class);
}

// In the header because a call costs as much as the rest of it (measured).

/** Let a row wait. Returns how many of its shape do now. */
static inline uint32_t lanes_rows_add(struct lanes_rows *rows, uint32_t row, uint8_t shape)
{
	uint32_t before = rows->count[shape]++;

	rows->row[shape][before] = (uint16_t)row;
	return before + 1;
}

/**
 * Take the rows that are left when all have been added, like shapes together, so that the lanes of a batch have
 * little to wait for.
 *
 * @param ret_rows rows, and ROWS_OF_SHAPE more that are overwritten
 * @return rows taken
 */
uint32_t lanes_rows_take(
	struct lanes_rows *rows,
	uint16_t ret_rows[static FIELD_BURST_MAX + ROWS_OF_SHAPE]
);

/** Zero what a burst has left in scratch memory, registers and on the stack. */
void lanes_wipe(struct lanes *l);
