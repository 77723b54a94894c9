#pragma once

#include "io/base/status.h"
#include "io/blocks.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

// The bytes of a descriptor as they lie there, block by block in order; read ahead where it has
// offsets.

struct reader;

/** What is read, and from where. */
struct reader_source {
	int fd;           // the caller's; stays open until reader_free
	bool has_offsets; // a regular file or block device: read ahead by uring; else plain reads
	uint64_t start;   // has_offsets: of the first byte
	uint64_t size; // has_offsets: bytes from start to read; 0 = up to the end, wherever that is
	uint8_t head[8]; // !has_offsets: bytes that were read already
	uint32_t head_size;
};

/**
 * Outcomes  SL_OK; SL_E_NOMEM, SL_E_UNSUPPORTED, SL_E_INVALID as uring_new. blocks must outlive it.
 */
enum sl_status reader_new(
	const struct reader_source *source,
	struct blocks *blocks,
	uint32_t depth,
	struct reader **ret_reader
);

/**
 * The next block, to be released by block_release; ret_size 0 and NULL at the end.
 *
 * @param ret_error errno of a failed read, for SL_E_IO and the like; 0 else
 * Outcomes  SL_OK; those of status_of_errno; SL_E_TRUNCATED: the file became shorter than size;
 *           SL_E_INTERRUPTED: blocks_stop
 */
enum sl_status reader_next(
	struct reader *reader,
	struct block **ret_block,
	uint32_t *ret_size,
	int *ret_error
);

/**
 * One read of a pipe or the like; 0 at the end. Returns -1 with errno, which is EINTR after
 * blocks_stop(blocks), also when it comes while waiting.
 */
ssize_t reader_read_plain(int fd, uint8_t *bytes, size_t size, struct blocks *blocks);

/** What does the reads; one line. */
const char *reader_text(const struct reader *reader);

void reader_free(struct reader *reader);
