#pragma once

#include "control/job.h"
#include "control/keyring.h"
#include "dataplane/batch/targets.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/problem.h"
#include "io/chunks.h"

#include <stdbool.h>
#include <stdint.h>

// A batch job under way: one reader (the caller's thread), workers, one writer.

/** The states of the reference service; each is reported once, RUNNING every ten seconds. */
enum batch_state {
	BATCH_PENDING,
	BATCH_STARTED,
	BATCH_RUNNING,
	BATCH_FINISHED,
	BATCH_ERROR_STARTING,
	BATCH_ERROR
};

/** "PENDING", … */
const char *batch_state_name(enum batch_state state);

/** Where the job is. */
struct batch_progress {
	uint64_t rows; // through the turn, bad ones included
	uint64_t rows_bad;
	uint64_t rows_blank;
	uint64_t fields_sealed;
	uint64_t bytes_in;     // of rows, decompressed
	uint64_t bytes_sealed; // written to the sealed file, before compression
	uint64_t input_read;   // bytes of the input as it lies there
	uint64_t input_total;  // 0 = not known
	uint64_t elapsed_ns;   // since the start
	uint64_t rows_dropped[DROP_COUNT];
	uint64_t view_rows[VIEWS_MAX];
	uint64_t view_withheld[VIEWS_MAX];
	uint64_t keys_used;         // exported or exportable; known at the end
	struct turn_drop first_bad; // reason DROP_NONE = none
	bool has_dead_letters;
	bool is_ending; // all events are through: keys are exported, files made durable
};

/** Told of progress: is_tick for a progress bar (several a second), else a RUNNING state. One thread at a time. */
typedef void batch_progress_fn(void *self, const struct batch_progress *progress, bool is_tick);

/** What a run needs; all borrowed. */
struct batch_setup {
	const char *input; // resolved name, or "-"
	const struct policy_image *image;
	struct vault *vault;
	struct keyring *keyring;
	struct target_names names;
	uint64_t keys_purposes; // bit p = field key of purpose p goes into the keys file
	struct job_max_bad max_bad;
	uint32_t worker_count; // from 1
	struct engine_options engine;
	batch_progress_fn *tell;
	void *self;
};

struct batch_run;

/**
 * Open input and targets and start the threads. After SL_OK the job is STARTED.
 *
 * Outcomes  of input_open, output_open, engine_new, csv_header_read
 */
enum sl_status batch_run_start(
	const struct batch_setup *setup,
	struct batch_run **ret_run,
	struct problem *ret_problem
);

/**
 * Take the whole input through, export the keys, publish. On failure no target is seen.
 *
 * Outcomes  SL_OK; SL_E_BAD_ROWS; SL_E_INTERRUPTED after batch_run_stop; failures of input, targets, keyring
 */
enum sl_status batch_run_finish(
	struct batch_run *run,
	struct batch_progress *ret_progress,
	struct problem *ret_problem
);

/** End it as soon as may be. Any thread; not in a signal handler. */
void batch_run_stop(struct batch_run *run);

/** Which cipher and file code serve the job, one line for people. */
const char *batch_run_text(const struct batch_run *run);

void batch_run_free(struct batch_run *run);
