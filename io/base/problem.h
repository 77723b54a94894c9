#pragma once

#include "io/base/attr.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
	PROBLEM_TEXT_MAX = 512, // bytes, final NUL included
	PROBLEM_FILE_MAX = 256, // bytes, final NUL included; longer names keep their end
	PROBLEMS_MAX = 100      // kept in one list; more are only counted
};

/** What a person must know of one failure: where, what, and what to do about it. */
struct problem {
	enum sl_status status;
	uint32_t line;   // from 1; 0 = the file as a whole
	uint32_t column; // from 1, in bytes; 0 = the line as a whole
	uint64_t row;    // record of a data file, or stream of a plane, from 1; 0 = none
	char file[PROBLEM_FILE_MAX];   // "" = no file
	char what[PROBLEM_TEXT_MAX];   // one sentence, no full stop
	char remedy[PROBLEM_TEXT_MAX]; // one imperative sentence, or ""
	bool is_warning;
};

/** Problems in the order of their finding. */
struct problems {
	struct problem *items; // [count], owned
	uint32_t count;        // kept, 0..PROBLEMS_MAX
	uint32_t error_count;  // found, warnings left out
	uint32_t warning_count;
};

/** Set what and status (the rest is cleared). Returns status, so that `return problem_set(…)` reads well. */
enum sl_status problem_set(struct problem *p, enum sl_status status, const char *format, ...)
	PRINTF_LIKE(3, 4);

/** Name the file of a problem that is set. */
void problem_at_file(struct problem *p, const char *file);

/** Set the remedy of a problem that is set. */
void problem_remedy(struct problem *p, const char *format, ...) PRINTF_LIKE(2, 3);

/** Add a copy and return it (valid until the next add), for the remedy to be set; never NULL. */
struct problem *problems_add(struct problems *list, const struct problem *p);

/** Print as `file:line:column: what` or `file: row N: what`, then the remedy on an indented line. */
void problem_print(FILE *out, const struct problem *p);

void problems_print(FILE *out, const struct problems *list);
void problems_done(struct problems *list);
