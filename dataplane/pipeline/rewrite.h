#pragma once

#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/meta.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/view.h"

#include <stdint.h>

// One writer makes every output event, sealed or derived: the row's own text with some of its cells
// replaced, and strmMeta at the end. What stands in for a cell is decided before, as a piece.

enum piece_form {
	PIECE_KEEP,   // the cell's own text, byte for byte
	PIECE_QUOTED, // text in double quotes; base64 and masks, which need no escape
	PIECE_NULL,   // null
	PIECE_VALUE,  // text as the contract writes it: a JSON token, or a CSV cell's text
	PIECE_CUT     // nothing: the member or column goes
};

/** What an output event holds in place of one cell. */
struct piece {
	struct view text; // QUOTED, VALUE; QUOTED: ROOM_SLACK readable bytes after it
	enum piece_form form;
};

struct csv_header;

/**
 * Append row i with its cells replaced, strmMeta and line end.
 *
 * @param csv    the input's header; NULL for JSON
 * @param pieces [record[i].cell_count] in order of the row's cells
 */
void event_put(
	struct meta *meta,
	const struct csv_header *csv,
	const struct batch *b,
	uint32_t i,
	const struct piece pieces[],
	struct room *out
);

/** event_put for CSV: rewrite_csv.c. */
void event_put_csv(
	const struct meta *meta,
	const struct csv_header *csv,
	const struct batch *b,
	uint32_t i,
	const struct piece pieces[],
	struct room *out
);

/**
 * The header of a CSV output, strmMeta's columns and line end included: the input's columns, without undeclared ones
 * when the contract drops them.
 *
 * @param out has 3 free bytes for each byte of the input's header, and TURN_META_MAX more
 */
void csv_write_header(const struct policy *policy, const struct csv_header *csv, struct room *out);

/** What cell c (batch-wide row) becomes for a reader without any key. Never its text, if it may be personal. */
void piece_of_sealed(
	const struct batch *b,
	const struct policy *policy,
	uint32_t c,
	struct piece *ret_piece
);
