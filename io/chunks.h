#pragma once

#include "io/base/limits.h"
#include "io/input.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The input cut into chunks of whole records, which lie where they were read: only a record that
// spans two blocks has its beginning copied.
//
// NDJSON: a record ends at LF; CR stays with the text (it is JSON's white space). A line of nothing
// but space, tab and CR is blank.
//
// CSV (RFC 4180): a record ends at LF or CR LF outside quotes; a lone CR ends nothing. Quotes count
// only from the beginning of a field, so that a stray quote spoils its own record and none after.
// An empty line is blank.
//
// The last record needs no line end. A UTF-8 byte order mark at the beginning of the input is left
// out.

struct chunks;

enum chunk_format {
	CHUNK_NDJSON,
	CHUNK_CSV,
	CHUNK_BY_FIRST_BYTE // option only: `{` and white space begin NDJSON, everything else CSV
};

/** Zeroes are the defaults. */
struct chunks_options {
	enum chunk_format format;
	uint8_t delimiter;        // CSV: between fields; 0 = ','
	uint32_t record_size_max; // bytes of text, block size..EVENT_SIZE_MAX; 0 = the latter
};

/**
 * Whole records, or a piece of a record that is longer than record_size_max. May be copied; exactly
 * one chunk_release is due, whoever holds it then.
 */
struct chunk {
	uint64_t index;     // from 0, no gaps, in order of the input
	uint64_t first_row; // of its first record, from 1; blank lines and headers have numbers
	uint64_t offset;    // of bytes in the decompressed input
	struct view bytes;  // INPUT_PADDING readable bytes after it
	uint32_t row_count; // records that end in it, blank lines included
	uint32_t piece;     // oversize: from 0
	bool is_oversize;   // bytes are a piece of record first_row; it has no rows to iterate over
	bool is_last;       // oversize: the record's last piece; it may be empty
	bool is_end;        // nothing came: the input has ended; no release is due
	uint8_t delimiter;  // CSV
	enum chunk_format format;
	struct block *block; // private
};

/** Where an iteration over a chunk's rows is; all zero at the start. */
struct chunk_cursor {
	size_t at;            // bytes of the chunk behind us
	uint64_t number;      // of the row that came last, from 1
	uint64_t blank_count; // blank lines skipped so far
	uint64_t seen_count;  // private
};

/**
 * @param input      borrowed until chunks_free
 * @param options    NULL = NDJSON, all defaults
 * @param ret_chunks freed by chunks_free
 *
 * Outcomes  SL_OK; SL_E_NOMEM, SL_E_INVALID
 */
enum sl_status chunks_open(
	struct input *input,
	const struct chunks_options *options,
	struct chunks **ret_chunks
);

/**
 * The next chunk, in order, about a block's size. Waits for the input, and for a release when all
 * blocks are out: whoever calls it must not itself hold more than the input's block_count - 2
 * chunks.
 *
 * @param ret_chunk   is_end at the end, and at every call after
 * @param ret_problem set on failure, as by input_next
 *
 * Outcomes  as input_next; chunks that came before a failure are good
 * Context   one thread at a time
 */
enum sl_status chunks_next(
	struct chunks *chunks,
	struct chunk *ret_chunk,
	struct problem *ret_problem
);

/** Give its bytes back. Any thread. Fine for the end, and for a second time on the same struct. */
void chunk_release(struct chunk *chunk);

/**
 * The next row of a chunk, without its line end; blank lines are skipped, numbered and counted.
 * False at the end of the chunk, and for an oversize one.
 *
 * @param chunk   from chunks_next
 * @param cursor  zeroed for the first row; then holds the row's number
 * @param ret_row borrowed until chunk_release; INPUT_PADDING readable bytes after it
 *
 * Context  any thread; no lock, allocation or system call
 */
bool chunk_next_row(const struct chunk *chunk, struct chunk_cursor *cursor, struct view *ret_row);

/** Offset of a row in the decompressed input. */
static inline uint64_t chunk_row_offset(const struct chunk *chunk, struct view row)
{
	return chunk->offset + (uint64_t)(row.bytes - chunk->bytes.bytes);
}

/** The input is the caller's. NULL is fine. */
void chunks_free(struct chunks *chunks);
