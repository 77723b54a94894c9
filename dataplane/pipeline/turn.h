#pragma once

#include "control/api/key_source.h"
#include "crypto/engine.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A turn takes up to BATCH_MAX rows through all stages on one core, run to completion. The driver (batch
// job, packet worker, bench, test) fills rows and provides the rooms; the turn never allocates, locks,
// logs or calls the system.

enum {
	TURN_BYTES_MAX = 2 * EVENT_SIZE_MAX, // bytes of all frames of one turn
	TURN_META_MAX = 2048 // bytes that strmMeta adds to an event at the most, any format
};

/** Where a turn's results go. Each room needs turn_out_max() free bytes before turn_run. */
struct turn_out {
	struct room sealed;          // sealed events, one a line
	struct room dead;            // dead letters, one a line
	struct room view[VIEWS_MAX]; // derived events, one a line, in order of the policy's views
};

/** What happened so far; the driver sums over workers. */
struct turn_counts {
	uint64_t rows_in;
	uint64_t rows_sealed;
	uint64_t rows_dropped[DROP_COUNT];
	uint64_t fields_sealed;
	uint64_t view_rows[VIEWS_MAX];     // emitted
	uint64_t view_withheld[VIEWS_MAX]; // left out by `unreadable: fail`
};

/** The first drop of a turn, for people; reason DROP_NONE = none. */
struct turn_drop {
	uint64_t number; // row of the source
	uint64_t offset; // byte of the source
	enum drop_reason reason;
	uint16_t field; // row of the policy's fields, or POLICY_NONE
};

struct json_parser;
struct csv_header;

/** The key under which whole bad events are sealed. */
struct dead_letter_key {
	uint8_t link[KEY_LINK_SIZE];
	uint8_t field_key[FIELD_KEY_SIZE]; // of purpose 0
};

struct turn {
	struct batch *batch;          // owned by the driver
	const struct policy *policy;  // pinned for this turn
	struct json_parser *json;     // for JSON policies
	const struct csv_header *csv; // for CSV policies
	struct engine *engine;        // this worker's
	struct key_source keys;
	const struct dead_letter_key *dead_key;
	struct turn_out out;
	struct turn_counts counts;
	struct turn_drop first_drop; // of the turns since the driver cleared it
	uint64_t position_max;       // highest key journal position of any row sealed so far
};

/** Bytes that one turn may add to any one room: frames of frame_bytes in sum, in rows rows. */
size_t turn_out_max(const struct policy *policy, size_t frame_bytes, uint32_t rows);

/** Bytes of batch.scratch that any turn needs. */
size_t turn_scratch_size(void);

/** Take the filled rows (batch.frame, number, offset, row_count) through every stage. */
void turn_run(struct turn *t);

/**
 * Seal one piece of an event that is too long to be parsed, as a dead letter (formats: docs/formats/dead-letter.md).
 *
 * @param piece   up to EVENT_SIZE_MAX bytes; t->out.dead needs turn_out_max(piece.size, 1) free bytes
 * @param part    from 1
 * @param is_last whether the event ends with this piece; only the last piece counts as a row
 */
void turn_seal_oversize(
	struct turn *t,
	struct view piece,
	uint64_t number,
	uint64_t offset,
	uint32_t part,
	bool is_last
);
