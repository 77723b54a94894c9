#pragma once

#include "control/api/key_table.h"
#include "io/base/limits.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The rows of one turn, column by column. Rows never move; a stage reads and writes row i of its
// columns for every i in live[0..live_count), and takes i out of live[] to drop it.

enum {
	BATCH_MAX = 64,                               // rows of a turn
	BATCH_CELLS_MAX = BATCH_MAX * EVENT_CELLS_MAX // cells of a turn
};

enum drop_reason {
	DROP_NONE = 0,
#define DROP(name, counter, help) DROP_##name,
#include "dataplane/drops.def"
#undef DROP
	DROP_COUNT
};

/** Counter name and help of a reason; "none" for DROP_NONE. */
const char *drop_counter(enum drop_reason reason);
const char *drop_help(enum drop_reason reason);

enum cell_kind {
	CELL_STRING,
	CELL_NUMBER,
	CELL_TRUE,
	CELL_FALSE,
	CELL_NULL,
	CELL_ARRAY,
	CELL_OBJECT
};

enum cell_flag {
	CELL_ESCAPED = 1 << 0, // a string with a backslash (CSV: with a doubled quote)
	CELL_UNDECLARED = 1
		<< 1, // not in the contract; field is POLICY_NONE, member_start and member_next are set
	CELL_FIRST = 1 << 2 // undeclared: first member of its object
};

/**
 * A value of an event that the contract has something to say about. Offsets are from the row's first byte.
 * Cells of a row are in order of the text and do not overlap.
 */
struct cell {
	uint32_t start;        // of the value's token; a string's opening quote
	uint32_t end;          // past the token; past a string's closing quote
	uint32_t member_start; // undeclared: the name's opening quote
	uint32_t
		member_next; // undeclared: of the `,` or `}` that follows the value and its white space
	uint16_t field;      // row of the policy's fields, or POLICY_NONE
	uint16_t
		node; // undeclared: JSON: row of the policy's nodes, of the object it stands in; CSV: its column
	uint8_t kind;  // enum cell_kind
	uint8_t flags; // enum cell_flag
};

/** What parsing found in one row. */
struct record {
	uint32_t first_cell; // row of batch.cell
	uint32_t cell_count; // 0..EVENT_CELLS_MAX
	uint32_t meta_at;    // JSON: offset of the event's closing brace, where strmMeta goes
	bool is_empty;       // JSON: no member at all
	// First cell of a field, batch-wide row of batch.cell; UINT32_MAX = absent. Key, subject, time, consent.
	uint32_t key_cell;
	uint32_t subject_cell;
	uint32_t time_cell;
	uint32_t consent_cell;
};

/** What a personal or undeclared-sealed cell became. */
struct sealed_cell {
	const uint8_t *text; // [size] base64, in the turn's scratch
	uint32_t size;       // 0: the cell is not sealed (not personal, or null)
};

struct batch {
	uint32_t row_count;      // rows filled, 0..BATCH_MAX
	uint32_t live_count;     // 0..row_count
	uint8_t live[BATCH_MAX]; // ascending rows
	struct room scratch; // decoded texts and sealed fields of this turn; turn_run empties it

	struct view frame
		[BATCH_MAX]; // set by the filler: the row's text, no line end; PADDING readable bytes after it
	uint64_t number[BATCH_MAX]; // set by the filler: row of the source, from 1
	uint64_t offset[BATCH_MAX]; // set by the filler: byte of the source
	const struct view *
		ahead; // [ahead_count] set by the filler: memory that the turn after this one reads
	uint32_t ahead_count; // 0..BATCH_MAX; record_parse has it fetched, and sets this to 0

	enum drop_reason reason[BATCH_MAX]; // DROP_NONE while row i is live
	uint16_t reason_field[BATCH_MAX];   // field that a drop is about, or POLICY_NONE
	struct record record[BATCH_MAX];    // record_parse
	uint64_t consent[BATCH_MAX];        // contract_match: bit p = consents to purpose p
	int64_t time_ms[BATCH_MAX];         // contract_match: event time, ms since 1970
	int64_t day[BATCH_MAX];             // contract_match: UTC day of time_ms, days since 1970
	struct key_entry key[BATCH_MAX];    // key_resolve

	uint32_t cell_count;               // cells in use
	struct cell cell[BATCH_CELLS_MAX]; // record_parse
	struct view text
		[BATCH_CELLS_MAX]; // contract_match: decoded text of strings; token of other values
	struct sealed_cell sealed[BATCH_CELLS_MAX]; // seal_fields
};

enum {
	BATCH_FRAME_PADDING = 64, // readable bytes after every frame, of any content
	BATCH_AHEAD_SIZE = 1024   // bytes of one piece of memory that are fetched ahead
};

/** Fetch piece n of what the next turn reads, into the second cache: this turn has use for the first. */
static inline void batch_fetch_ahead(const struct batch *b, uint32_t n)
{
	size_t size;

	if (n >= b->ahead_count)
		return;
	size = b->ahead[n].size < BATCH_AHEAD_SIZE ? b->ahead[n].size : BATCH_AHEAD_SIZE;
	for (size_t at = 0; at < size; at += 64)
		__builtin_prefetch(b->ahead[n].bytes + at, 0, 2);
}

/** Take out of live[] the rows whose reason is set. */
void batch_settle_drops(struct batch *b);

#define batch_foreach_live(b, n, i)                                                                \
	for (uint32_t n = 0, i; n < (b)->live_count && (i = (b)->live[n], true); n++)
