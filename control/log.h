#pragma once

#include "io/base/attr.h"
#include "io/base/problem.h"

// What the control process tells of itself: a line of logfmt on standard error for each. No personal value, key or
// payload ever stands in one.

enum log_level {
	LOG_LEVEL_ERROR,  // a person must act
	LOG_LEVEL_WARN,   // we go on all the same
	LOG_LEVEL_NOTICE, // something has changed
	LOG_LEVEL_INFO
};

/** `level=notice topic=link msg="…"`, with quotes and control characters escaped. */
void log_line(enum log_level level, const char *topic, const char *format, ...) PRINTF_LIKE(3, 4);

/** A problem with its place and remedy. */
void log_problem(enum log_level level, const char *topic, const struct problem *problem);
void log_problems(const char *topic, const struct problems *problems);
