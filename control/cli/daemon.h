#pragma once

#include "control/config.h"
#include "io/base/problem.h"

#include <jansson.h>
#include <stdbool.h>

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

/**
 * Ask once. Takes over request.
 *
 * @param ret_answer out, the caller's: an object, "ok" or not
 * Outcomes  SL_OK; SL_E_NOT_FOUND (no control runs); SL_E_DENIED; SL_E_IO; SL_E_CORRUPT
 */
enum sl_status daemon_ask(
	const char *run_directory,
	json_t *request,
	json_t **ret_answer,
	struct problem *ret_problem
);

/** Print the problems of an answer that is not ok, as those of a file. */
void daemon_print_problems(const json_t *answer);

static inline bool daemon_is_ok(const json_t *answer)
{
	return json_is_true(json_object_get(answer, "ok"));
}
