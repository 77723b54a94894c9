#pragma once

#include "control/policy_compile.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/policy.h"
#include "io/chunks.h"

// A contract tried on some events, for people who write it: nothing is kept, and no vault is needed.

/** What both kinds of trial (sample.h, preview.h) read with. */
struct trial {
	struct policy_image *image;
	struct policy *policy;
	struct json_parser *parser;
	struct csv_header *csv; // NULL for JSON
	struct batch *batch;
	struct input *input;
	struct chunks *chunks;
	struct chunk chunk; // that the batch's rows lie in
	struct chunk_cursor cursor;
	uint64_t oversize_count; // events above EVENT_SIZE_MAX; they are passed over
	uint64_t oversize_first; // row
	bool has_chunk;
};

/**
 * Compile the contract and open the events.
 *
 * @param file     events in the contract's format, or "-"
 * @param problems what is wrong with the contract, its views or the file is added
 */
enum sl_status trial_open(
	const struct contract *contract,
	const struct view_spec views[],
	uint32_t view_count,
	const char *file,
	struct problems *problems,
	struct trial *ret_trial
);
void trial_close(struct trial *trial);

/**
 * Fill the batch with the next rows; their frames live until the next call.
 *
 * @param row_count_max 1..BATCH_MAX
 * @return SL_OK; batch->row_count is 0 at the end
 */
enum sl_status trial_next(struct trial *trial, uint32_t row_count_max, struct problem *ret_problem);
