#pragma once

#include "crypto/engine.h"
#include "dataplane/batch/result.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/policy.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/problem.h"
#include "io/chunks.h"

/** What all workers of a job share. Everything is borrowed and read only, but for the key source. */
struct worker_setup {
	const struct policy_image *image;
	const struct csv_header *csv; // NULL for JSON
	struct key_source keys;
	const struct dead_letter_key *dead_key;
	struct engine_options engine;
};

struct worker;

/** Everything one thread needs to take chunks through turns. */
enum sl_status worker_new(
	const struct worker_setup *setup,
	struct worker **ret_worker,
	struct problem *ret_problem
);
void worker_free(struct worker *worker);

/**
 * Take the rows of a chunk, from the cursor on, through turns into a result.
 *
 * Outcomes  SL_OK (bad rows are no failure: they are counted, and sealed as dead letters); SL_E_NOMEM
 */
enum sl_status worker_run(
	struct worker *worker,
	const struct chunk *chunk,
	struct chunk_cursor cursor,
	struct result *result
);

/** Which cipher code serves this worker, for people. */
const char *worker_engine_text(const struct worker *worker);

/** The policy as this worker has bound it. */
const struct policy *worker_policy(const struct worker *worker);
