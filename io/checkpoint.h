#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// A small file that holds the last consistent state of something: records are appended, each with length and checksum, the
// newest whole one counts. When the file has grown it is written anew beside and renamed.

enum {
	CHECKPOINT_MAX = 16 << 20 // bytes of a record
};

struct checkpoint;

/**
 * Open or make it, with the newest whole record. A torn record at the end is the sign of a crash and is left out; a broken
 * one before the end is SL_E_CORRUPT.
 *
 * @param ret_state out: borrowed until the next call; empty = there is none
 */
enum sl_status checkpoint_open(
	const char *path,
	struct checkpoint **ret_checkpoint,
	struct view *ret_state,
	struct problem *ret_problem
);

/** Append a record and make it durable (is_synced) or just write it. */
enum sl_status checkpoint_put(
	struct checkpoint *checkpoint,
	struct view state,
	bool is_synced,
	struct problem *ret_problem
);

void checkpoint_close(struct checkpoint *checkpoint);
