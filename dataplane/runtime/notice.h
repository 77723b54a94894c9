#pragma once

#include "io/base/attr.h"
#include "io/base/problem.h"

// One line to standard error, for the service's journal. Never from a worker; never a value of an event.

void notice(const char *format, ...) PRINTF_LIKE(1, 2);

/** A problem that we go on with. */
void notice_problem(const char *about, const struct problem *problem);
