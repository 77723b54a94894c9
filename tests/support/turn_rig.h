#pragma once

#include "crypto/engine.h"
#include "dataplane/pipeline/turn.h"
#include "tests/support/guarded.h"
#include "tests/support/memory_keys.h"
#include "tests/support/policy_builder.h"

#include <stddef.h>
#include <stdint.h>

/** All that a turn needs, made from a table; frames lie at the end of guarded memory, rooms have no byte to spare. */
struct turn_rig {
	struct policy_image *image;
	struct policy *policy;
	struct engine *engine;
	struct memory_keys *keys;
	struct batch *batch;
	struct dead_letter_key dead_key;
	struct turn turn;
	struct guarded scratch;
	struct guarded frame[BATCH_MAX];
	struct guarded rooms[2 + VIEWS_MAX];
	struct csv_header *csv;
};

enum {
	RIG_KEYS_MAX = 4096
};

/**
 * Set up; aborts on failure.
 *
 * @param csv_header first line of a CSV file; NULL for JSON
 */
struct turn_rig *turn_rig_new(const struct build *build, const char *csv_header);
void turn_rig_free(struct turn_rig *rig);

/** Run one turn over rows, into empty rooms that are as big as turn_out_max says. */
void turn_rig_run(struct turn_rig *rig, const struct view rows[], uint32_t count);

/** The same for one row of text. */
void turn_rig_run_text(struct turn_rig *rig, const char *row);

/** Line n of a room as a string, line end left off; "" when there is none. Free with free(). */
char *turn_rig_line(const struct room *room, uint32_t n);

/**
 * Open everything sealed in a line of JSON, by trying every path of the contract and the extra ones with every
 * purpose: strings come back in their shortest spelling.
 *
 * @param i     row of the batch that the line was made from
 * @param extra paths of undeclared members, ends at NULL; or NULL
 * @return the line without strmMeta; free with free()
 */
char *turn_rig_open(struct turn_rig *rig, uint32_t i, const char *line, const char *const extra[]);

/** Open the event of a dead letter line; *ret_text is NUL-terminated, free with free(). NULL when it does not open. */
char *turn_rig_open_dead(struct turn_rig *rig, const char *line, size_t *ret_size);
