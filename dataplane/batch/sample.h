#pragma once

#include "control/contract.h"
#include "dataplane/pipeline/batch.h"
#include "io/base/problem.h"

#include <stdbool.h>
#include <stdint.h>

// What a contract meets in real events, so that its author sees what it misses: a typo in a path must not mean that a
// person's data stays in clear.

enum {
	SAMPLE_ROWS_DEFAULT = 10000,
	SAMPLE_NAMES_MAX = 256,  // undeclared names at the top that are kept
	SAMPLE_PATHS_MAX = 2000, // distinct paths of undeclared values that are kept
	SAMPLE_DEPTH_MAX = 16    // levels that are looked into
};

/** Rows that would be dropped for one reason. */
struct sample_bad {
	uint64_t count;
	uint64_t first_row;
	uint16_t first_field; // row of the contract's fields, or POLICY_NONE
};

struct sample {
	uint64_t rows;
	uint64_t rows_bad;
	struct sample_bad bad[DROP_COUNT];
	bool is_seen[CONTRACT_FIELDS_MAX]; // the field's path leads somewhere in at least one event
	char **names; // [name_count + 1] undeclared, at the top; owned, NULL at the end
	uint32_t name_count;
	char **paths; // [path_count + 1] undeclared; owned, NULL at the end
	uint32_t path_count;
	bool is_cut; // there were more names or paths
};

/**
 * Read up to rows_max events.
 *
 * @param problems what is wrong with contract or file is added
 * @param ret_sample out: sample_done
 */
enum sl_status sample_take(
	const struct contract *contract,
	const char *file,
	uint64_t rows_max,
	struct problems *problems,
	struct sample *ret_sample
);
void sample_done(struct sample *sample);

/** The undeclared path that a field's author most likely meant, or NULL. */
const char *sample_suggest(const struct sample *sample, struct view path);
