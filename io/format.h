#pragma once

#include "io/base/problem.h"
#include "io/base/view.h"
#include "io/input.h"

// Which compression a file has: by its name, and by its first bytes.

enum {
	FORMAT_HEAD_SIZE = 6 // first bytes that tell
};

/** .gz, .zst in any case of letters; else COMPRESSION_NONE. */
enum compression format_of_name(const char *path);

/** "gzip", "zstd"; "" for none. */
const char *format_text(enum compression compression);

/**
 * Settle how a file is to be read.
 *
 * @param file            as the user named it, for the problem
 * @param wanted          BY_NAME: by the name, or for standard input by the head
 * @param is_stdin        has no name that tells
 * @param head            the first bytes: FORMAT_HEAD_SIZE, or all there are
 * @param ret_compression NONE, GZIP or ZSTD
 *
 * Outcomes  SL_OK; SL_E_SYNTAX: name (or wish) and head disagree; SL_E_TRUNCATED: an empty .gz or
 *           .zst
 */
enum sl_status format_settle(
	const char *file,
	enum compression wanted,
	bool is_stdin,
	struct view head,
	enum compression *ret_compression,
	struct problem *ret_problem
);
