#pragma once

#include "control/cli/exits.h"
#include "dataplane/batch/run.h"
#include "io/base/problem.h"

#include <stdbool.h>
#include <stdint.h>

/** How a job tells of itself: states on standard error as text, or on standard output as JSON lines. */
struct console {
	bool is_json;    // one object a line
	bool has_bar;    // a progress bar on the terminal
	bool has_drawn;  // the bar is on the screen
	const char *job; // its name, "" until it is known
	uint32_t view_count;
	const char *const *view_names; // [view_count] files of the derived targets
	FILE *out;
};

/**
 * @param is_json      -o json
 * @param has_stream   a target is standard output: then everything is told on standard error
 */
void console_init(struct console *console, bool is_json, bool has_stream);

/** A state without figures. */
void console_state(struct console *console, enum batch_state state, const char *message);

/** The batch_progress_fn: self is a struct console. */
void console_progress(void *self, const struct batch_progress *progress, bool is_tick);

/** FINISHED, with all figures. */
void console_finished(struct console *console, const struct batch_progress *progress);

/** ERROR_STARTING or ERROR. */
void console_error(struct console *console, enum batch_state state, const struct problem *problem);
