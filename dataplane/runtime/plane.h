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
 * Outcomes  SL_OK: drained; SL_E_TRUNCATED: ended, and some rows could not be delivered; else *ret_problem: it could not start
 */
enum sl_status plane_run(const struct plane_options *options, struct problem *ret_problem);
