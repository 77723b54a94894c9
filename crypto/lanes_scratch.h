#pragma once

#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"

// The inside of struct lanes, shared by lanes.c (levels, order of work, wiping), lanes_seal.c, lanes_open.c
// and lanes_derive.c.

struct lanes {
	const struct lanes_level *level;
	lanes_random_fn random;
	void *random_context;
	struct lanes_scratch *scratch;
};

enum {
	LANES_SHAPES = (13 + LANES_TEXT_BLOCKS_MAX / 4) * 4 + 4 // classes of sizes
};

static_assert((int)LANES_SHAPES <= UINT8_MAX, "a shape fits its byte");

/** Rows of a burst in the order in which they are worked on. */
struct lanes_rows {
	uint32_t count;
	bool is_mixed;                  // not all shapes are equal
	uint16_t row[FIELD_BURST_MAX];  // [count]
	uint8_t shape[FIELD_BURST_MAX]; // [count] class of sizes
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
static inline void lanes_rows_add(
	struct lanes_rows *rows,
	uint32_t row,
	uint32_t head_blocks,
	size_t text_size
)
{
	uint8_t shape = lanes_shape_of(head_blocks, text_size);

	rows->is_mixed |= rows->count != 0 && shape != rows->shape[0];
	rows->shape[rows->count] = shape;
	rows->row[rows->count++] = (uint16_t)row;
}

/** Bring rows of like shape together, so that the lanes of a batch have little to wait for. */
void lanes_rows_sort(struct lanes_rows *rows);

/** Zero what a burst has left in scratch memory, registers and on the stack. */
void lanes_wipe(struct lanes *l);
