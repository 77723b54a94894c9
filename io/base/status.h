#pragma once

#include "io/base/attr.h"

/**
 * Outcome of a fallible call. Not an int: it cannot be mistaken for a count or a file
 * descriptor, and the attribute makes the compiler reject a call whose outcome is dropped.
 */
enum MUST_USE sl_status {
	SL_OK = 0,
#define SL_ERROR(name, text) SL_E_##name,
#include "io/base/errors.def"
#undef SL_ERROR
	SL_STATUS_COUNT
};

/** Text for people, never NULL; "unknown status" beyond the table. */
const char *status_text(enum sl_status status);

/** The row of errors.def that fits an errno value; SL_E_IO when none does, SL_OK for 0. */
enum sl_status status_of_errno(int error);

/** Return the status of expr from the enclosing function unless it is SL_OK. */
#define SL_TRY(expr)                                                                               \
	do {                                                                                       \
		enum sl_status try_status_ = (expr);                                               \
		if (try_status_ != SL_OK)                                                          \
			return try_status_;                                                        \
	} while (0)

/** We are wrong: say where and abort, in every build. For set-up code, not for a turn. */
#define SL_BUG(what) status_bug(__FILE__, __LINE__, (what))
_Noreturn void status_bug(const char *file, int line, const char *what);
