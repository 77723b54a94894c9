#pragma once

#include "io/blocks.h"
#include "io/reader.h"

#include <stddef.h>
#include <stdint.h>

// A file as a reader's source: opened, and its first bytes looked at.

/** Open path, or standard input for NULL, and learn what it is. Returns errno, or 0; EISDIR. */
int source_open(struct reader_source *source, const char *path);

/**
 * The first bytes, fewer than size only when there are no more. Of a pipe they are kept in the
 * source for the reader, and waiting for them ends with blocks_stop(blocks). Returns errno, or 0.
 *
 * @param size 1..the size of reader_source.head
 */
int source_read_head(
	struct reader_source *source,
	struct blocks *blocks,
	uint8_t *head,
	size_t size,
	size_t *ret_size
);

/** Fine for fd -1; leaves standard input open. */
void source_close(struct reader_source *source);
