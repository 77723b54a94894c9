#pragma once

#include "io/base/attr.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"
#include "io/input.h"

#include <stdint.h>

struct output;

enum {
	OUTPUT_BUFFER_SIZE = 512 << 10,   // bytes, when the options say nothing
	OUTPUT_BUFFER_SIZE_MIN = 64,      // bytes
	OUTPUT_BUFFER_SIZE_MAX = 8 << 20, // bytes
	OUTPUT_BUFFER_COUNT = 4,          // when the options say nothing
	OUTPUT_BUFFER_COUNT_MAX = 64
};

/** Zeroes are the defaults. */
struct output_options {
	enum compression compression; // BY_NAME: .gz, .zst, else none; standard output: none
	int level;                    // 0 = the format's own: gzip 6, zstd 3
	uint64_t size_expected;       // bytes to set aside on the disk, if they are to be had
	uint32_t buffer_size;         // bytes
	uint32_t buffer_count;        // 2..OUTPUT_BUFFER_COUNT_MAX
	uint32_t mode; // permission bits before the umask; 0 = 0644; a keys file wants 0600
};

/**
 * Begin a file, or standard output for "-".
 *
 * Nothing is seen under the name until output_publish, and a process that dies leaves nothing
 * behind (an unnamed file where the file system has them; else .NAME.<random>.partial beside it;
 * that name also for the instant of a rename over an old file).
 * What is there under the name is replaced as a whole, by rename. Through a symbolic link its
 * target is replaced. Standard output, pipes and devices are written as the bytes come.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND (no such directory), SL_E_DENIED, SL_E_INVALID (a directory has
 *           that name, an option), SL_E_NO_SPACE, SL_E_NOMEM, SL_E_IO; the problem names the file
 *           and the remedy
 */
enum sl_status output_open(
	const char *path,
	const struct output_options *options,
	struct output **ret_output,
	struct problem *ret_problem
);

/**
 * Append bytes; afterwards they are the caller's again. An earlier write's failure comes out here or later, at the latest in
 * output_finish; after a failure every call but output_free returns it again.
 *
 * Outcomes  SL_OK; SL_E_NO_SPACE, SL_E_IO (also: the reader of a pipe has gone)
 * Context   one thread at a time; waits for the disk when all buffers are being written
 */
enum sl_status output_put(struct output *output, struct view bytes, struct problem *ret_problem);

/**
 * No more bytes: write what is left and make it durable. Nothing is to be seen yet.
 * A job finishes all its outputs, then publishes all.
 */
enum sl_status output_finish(struct output *output, struct problem *ret_problem);

/** Put a finished file under its name, durably. Nothing to do for standard output. */
enum sl_status output_publish(struct output *output, struct problem *ret_problem);

/**
 * Bytes put so far, before compression; after output_finish also what the file holds. Same thread.
 */
uint64_t output_put_size(const struct output *output);
uint64_t output_file_size(const struct output *output);

/** Free it; what was not published is gone without a trace. NULL is fine. */
void output_free(struct output *output);
