#pragma once

#include "dataplane/batch/failure.h"
#include "dataplane/batch/run.h"
#include "dataplane/batch/targets.h"

// The keys file of a job. Keys that the job makes are written as they become durable, beside the
// job's work; at the end only those are missing that were in the vault before. Into a stream all
// goes at the end: what is seen can not be taken back when the job fails.

struct keys_export;

/** Called once, when the file can not be written on the way. Any thread. */
typedef void keys_export_failed_fn(void *self, const struct problem *problem);

/**
 * Begin the file: before any worker runs.
 *
 * @param setup   names.keys is not NULL; borrowed, as is targets, until keys_export_free
 *
 * Outcomes  SL_OK; SL_E_INVALID (the contract has none of the purposes); SL_E_NOMEM
 */
enum sl_status keys_export_new(
	const struct batch_setup *setup,
	struct targets *targets,
	keys_export_failed_fn *failed,
	void *self,
	struct keys_export **ret_export,
	struct problem *ret_problem
);

/**
 * Complete the file, when all workers have ended and all keys are durable.
 *
 * @param ret_count keys in the file
 */
enum sl_status keys_export_finish(
	struct keys_export *to,
	uint64_t *ret_count,
	struct problem *ret_problem
);

/** NULL is fine. */
void keys_export_free(struct keys_export *to);
