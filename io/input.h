#pragma once

#include "io/base/attr.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdint.h>

struct input;
struct block;

enum {
	INPUT_BLOCK_SIZE = 256 << 10,   // bytes, when the options say nothing
	INPUT_BLOCK_SIZE_MIN = 64,      // bytes
	INPUT_BLOCK_SIZE_MAX = 1 << 20, // bytes
	INPUT_BLOCK_COUNT = 16,         // when the options say nothing
	INPUT_BLOCK_COUNT_MIN = 3,      // one read ahead, one being cut, one with a worker
	INPUT_BLOCK_COUNT_MAX = 1024,   //
	INPUT_DEPTH = 4,                // reads in flight, when the options say nothing
	INPUT_PADDING = 64              // readable bytes after every block, of any content
};

enum compression {
	COMPRESSION_BY_NAME = 0, // .gz, .zst, else none; standard input: by its first bytes
	COMPRESSION_NONE,
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD
};

/** Zeroes are the defaults. */
struct input_options {
	uint32_t block_size;  // bytes of a block, INPUT_BLOCK_SIZE_MIN..INPUT_BLOCK_SIZE_MAX
	uint32_t block_count; // blocks in all: read ahead, cut, and with the workers
	uint32_t depth;       // reads in flight, 1..block_count - 1
	enum compression compression;
};

/** A stretch of the input, decompressed. Only the last one is shorter than block_size. */
struct input_block {
	struct view bytes;   // INPUT_PADDING readable bytes after it; size 0 = the input has ended
	uint64_t offset;     // of bytes in the decompressed input
	struct block *block; // for input_release; NULL at the end
};

/**
 * How far the reading is, for a progress bar: bytes of the file as it lies there, compressed or
 * not.
 */
struct input_progress {
	uint64_t read;  // bytes handed on
	uint64_t total; // bytes; 0 = not known (a pipe)
};

/**
 * Open a file, or standard input for "-", and begin to read ahead.
 *
 * Regular files are read by io_uring into registered buffers, several reads at a time (or by
 * threads where io_uring is refused); pipes by plain reads. What .gz and .zst hold comes out
 * decompressed, all members and frames. A name that disagrees with the first bytes is refused.
 *
 * @param path        borrowed until the return
 * @param options     NULL = all defaults
 * @param ret_input   freed by input_free
 * @param ret_problem set on failure: names the file, says what to do
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND, SL_E_DENIED, SL_E_INVALID (a directory, an option), SL_E_SYNTAX
 *           (name and content disagree), SL_E_TRUNCATED (an empty .gz or .zst), SL_E_NOMEM, SL_E_IO
 */
enum sl_status input_open(
	const char *path,
	const struct input_options *options,
	struct input **ret_input,
	struct problem *ret_problem
);

/**
 * The next block, in order. Waits for the disk, and for a block to be released when all are out.
 *
 * @param ret_block   bytes.size == 0 at the end, and at every call after
 * @param ret_problem set on failure; the same failure comes back at every call after
 *
 * Outcomes  SL_OK; SL_E_TRUNCATED, SL_E_CORRUPT (compressed data, with the offset in the file; or
 *           the file became shorter), SL_E_SYNTAX, SL_E_IO, SL_E_INTERRUPTED (input_stop)
 * Context   one thread at a time
 */
enum sl_status input_next(
	struct input *input,
	struct input_block *ret_block,
	struct problem *ret_problem
);

/** One more release is due. For a block that goes on in two parts. Any thread. */
void input_hold(struct block *block);

/** Give a block back. Any thread. NULL is fine. */
void input_release(struct block *block);

/** Writable bytes in front of every block's bytes: the cut record's beginning goes there. */
uint32_t input_headroom(const struct input *input);

uint32_t input_block_size(const struct input *input);

/** Any thread, at any time. */
struct input_progress input_progress(const struct input *input);

/** The path, or "standard input". */
const char *input_name(const struct input *input);

/** One line for people: how the bytes are read, and why so. */
const char *input_backend(const struct input *input);

/**
 * Make input_next return SL_E_INTERRUPTED, also one that waits. Any thread; not in a signal
 * handler.
 */
void input_stop(struct input *input);

/** Every block must have been released. NULL is fine. */
void input_free(struct input *input);
