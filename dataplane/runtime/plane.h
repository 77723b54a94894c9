#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

// The dataplane as control sees it: attaches, works by what it is sent, goes on when control is away.

struct plane_options {
	const char *control; // path of control's socket
};

/**
 * Run until control says stop, or SIGTERM or SIGINT comes: then drain and end. Waits for control as long as it takes.
 *
 * @param ret_lost out: rows that could not be delivered by one that was told to end; 0 = none, or it was not told to
 *
 * Outcomes  SL_OK: drained; SL_E_TRUNCATED with *ret_lost: ended; else *ret_problem: it could not start, or go on
 */
enum sl_status plane_run(
	const struct plane_options *options,
	uint64_t *ret_lost,
	struct problem *ret_problem
);
