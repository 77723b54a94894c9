#pragma once

#include "dataplane/batch/result.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/output.h"

#include <stdbool.h>
#include <stdint.h>

// The files that a job writes. None is seen under its name before the job has finished: first all
// are finished (written and durable), then all are published (renamed), keys first.

/** Names of the targets; resolved, "-" is standard output. */
struct target_names {
	const char *sealed;
	const char *keys;            // NULL = none
	const char *dead;            // opened when the first bad row comes
	const char *view[VIEWS_MAX]; // [view_count]
	uint32_t view_count;
};

struct targets;

/**
 * Open all but the dead letters; folders that are missing are made.
 *
 * @param names        the names are borrowed until targets_free
 * @param input_name   refused as a target: a job does not replace what it reads
 */
enum sl_status targets_open(
	const struct target_names *names,
	const char *input_name,
	struct targets **ret_targets,
	struct problem *ret_problem
);

/** Put the same line into the sealed and all derived files: a CSV header. */
enum sl_status targets_put_header(
	struct targets *targets,
	struct view line,
	struct problem *ret_problem
);

/** Write one result. */
enum sl_status targets_put(
	struct targets *targets,
	const struct result *result,
	struct problem *ret_problem
);

/** Append to the keys file. */
enum sl_status targets_put_keys(
	struct targets *targets,
	struct view text,
	struct problem *ret_problem
);

/** Is any target standard output, where nothing can be taken back? */
bool targets_has_stream(const struct targets *targets);

/** Make everything durable, then show it. */
enum sl_status targets_publish(struct targets *targets, struct problem *ret_problem);

/** Bytes written to the sealed file so far, before compression. */
uint64_t targets_sealed_size(const struct targets *targets);

/** Whether there is a dead-letter file. */
bool targets_has_dead(const struct targets *targets);

/** What was not published is gone without a trace. NULL is fine. */
void targets_free(struct targets *targets);
