#pragma once

#include "control/contract.h"

#include <stdlib.h>
#include <string.h>

// Inside of policy_compile: an image that grows, and the parts of it that are work of their own.

/** Memory of an image being written. After a failure all calls do nothing. */
struct policy_writer {
	uint8_t *bytes; // [capacity] owned, secret_new
	size_t size;
	size_t capacity;
	bool is_failed; // no memory, or beyond POLICY_IMAGE_MAX
};

/** Wipe and release what is written. */
void policy_writer_free(struct policy_writer *w);

/** Append zeros at a multiple of 8. Returns their offset, 0 when failed. */
uint32_t policy_writer_reserve(struct policy_writer *w, size_t size);

/** Append bytes. @return their span; size 0 = nothing is written */
struct policy_span policy_writer_put(struct policy_writer *w, struct view bytes);

/** Append a table of rows of 8-byte alignment. */
struct policy_table policy_writer_put_rows(
	struct policy_writer *w,
	const void *rows,
	size_t row_size,
	uint32_t count
);

/** What is at an offset; valid until the next append; NULL when failed. */
static inline void *policy_writer_at(const struct policy_writer *w, uint32_t offset)
{
	return w->is_failed ? NULL : w->bytes + offset;
}

/**
 * Append the tree of paths.
 *
 * @return false when there are more than CONTRACT_NODES_MAX steps
 */
bool policy_write_nodes(
	struct policy_writer *w,
	const struct contract_field *const fields[],
	uint32_t count,
	struct policy_table *ret_nodes
);
