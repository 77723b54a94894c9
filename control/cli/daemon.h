#pragma once

#include "control/config.h"
#include "io/base/problem.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

// Asking the control process: one JSON object a line there, one back.

enum {
	DAEMON_WAIT_MS = 60000 // for an answer
};

/** The configuration that a command goes by: named (-c), $SEALANE_CONFIG, else that of the machine. */
const char *daemon_config_file(const char *named);

/**
 * Its run directory, for commands that need no more of it: a machine without a configuration has the default.
 *
 * @return false: problems were printed
 */
bool daemon_run_directory(const char *named, char ret_directory[static SETTINGS_PATH_MAX]);

/** A connection to the control process. */
struct daemon {
	int fd;
	pid_t pid; // of control; 0 = not known here, as of another pid namespace
};

/** Outcomes  SL_OK; SL_E_NOT_FOUND (no control runs); SL_E_DENIED; SL_E_IO */
enum sl_status daemon_connect(
	const char *run_directory,
	struct daemon *ret_daemon,
	struct problem *ret_problem
);
void daemon_close(struct daemon *daemon);

/**
 * Ask by it; a connection carries any number of requests. Takes over request.
 *
 * @param wait_ms    for the answer
 * @param ret_answer out, the caller's: an object, "ok" or not
 * Outcomes  SL_OK; SL_E_BUSY (no answer in time); SL_E_IO; SL_E_CORRUPT
 */
enum sl_status daemon_exchange(
	const struct daemon *daemon,
	json_t *request,
	int wait_ms,
	json_t **ret_answer,
	struct problem *ret_problem
);

/**
 * Connect, ask once, and close. Takes over request.
 *
 * @param ret_answer out, the caller's: an object, "ok" or not
 * Outcomes  SL_OK; SL_E_NOT_FOUND (no control runs); SL_E_DENIED; SL_E_BUSY (no answer); SL_E_IO; SL_E_CORRUPT
 */
enum sl_status daemon_ask(
	const char *run_directory,
	json_t *request,
	json_t **ret_answer,
	struct problem *ret_problem
);

/** Print the problems of an answer, as those of a file: what is wrong, or of one that is ok what is to be known. */
void daemon_print_problems(const json_t *answer);

static inline bool daemon_is_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}
