#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

// What a failed system call means to a person: the one place where errno becomes a problem of a
// file.

/**
 * Say that an act on a file failed.
 *
 * @param p     set: status, file, what ("can not <act>: <the system's text>"), remedy
 * @param error errno, not 0
 * @param act   "be opened", "be written", …
 * @return the status
 */
enum sl_status file_problem(struct problem *p, int error, const char *file, const char *act);

/** problem_set, problem_at_file and problem_remedy in one. remedy "" = none. */
enum sl_status file_problem_of(
	struct problem *p,
	enum sl_status status,
	const char *file,
	const char *what,
	const char *remedy
);
