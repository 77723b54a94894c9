#pragma once

#include "dataplane/batch/result.h"
#include "dataplane/batch/run.h"

// What the writer has counted so far, when to give up, and whom to tell.

struct tally;

/** The clock of the job starts. */
enum sl_status tally_new(const struct batch_setup *setup, struct tally **ret_tally);
void tally_free(struct tally *tally);

/** Count one result. */
void tally_add(struct tally *tally, const struct result *result);

/**
 * Are there more bad rows than the job allows? A share is judged from TALLY_SHARE_ROWS rows on, and at the end.
 *
 * Outcomes  SL_OK; SL_E_BAD_ROWS with the first bad row and its reason
 */
enum sl_status tally_check(const struct tally *tally, bool is_end, struct problem *ret_problem);

/** Tell the job's listener when it is time to. */
void tally_tell(struct tally *tally, struct input_progress input, uint64_t bytes_sealed);

/** Tell at once, as a tick, that all events are through and the job is about to end. */
void tally_tell_ending(
	const struct tally *tally,
	struct input_progress input,
	uint64_t bytes_sealed
);

/** All figures. */
void tally_progress(
	const struct tally *tally,
	struct input_progress input,
	uint64_t bytes_sealed,
	struct batch_progress *ret_progress
);
