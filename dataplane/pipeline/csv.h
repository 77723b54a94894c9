#pragma once

#include "control/api/policy.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/problem.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// CSV by RFC 4180: records as the framer cuts them, line ends taken off, line feeds in quotes left in.
// Stricter than many readers, because a record that two readers split differently can hide a person's
// data: a quote inside an unquoted cell, text behind a closing quote, bare CR and NUL are refused.

enum {
	CSV_COLUMNS_MAX = 1024 // of one file
};

struct csv_column {
	struct view name; // decoded
	uint16_t field;   // row of the policy's fields; POLICY_NONE = undeclared
	uint8_t roles;    // bit 0 key, 1 subject, 2 time, 3 consent field
};

/** The first record of a file and what it means under a policy. */
struct csv_header {
	struct csv_column *columns; // [column_count] owned
	uint32_t column_count;      // 1..CSV_COLUMNS_MAX
	uint8_t separator;
	uint8_t *names; // owned; the record, and what the names lie in
};

/**
 * Read the header record. Each column's name is a field's path, or a field's name at the top.
 *
 * @param first_record without line end, needs no padding; a byte order mark is skipped
 *
 * Outcomes  SL_OK
 *           SL_E_SYNTAX     not CSV, not UTF-8, an empty name, or a name twice
 *           SL_E_NOT_FOUND  no column for a key, required or personal field of the contract
 *           SL_E_EXISTS     a strmMeta column: the file is sealed already
 *           SL_E_TOO_BIG    more than CSV_COLUMNS_MAX columns
 *           SL_E_NOMEM
 */
enum sl_status csv_header_read(
	struct view first_record,
	const struct policy_image *image,
	struct csv_header **ret_header,
	struct problem *ret_problem
);
void csv_header_free(struct csv_header *header);

/**
 * record_parse for CSV: check every live row and find the policy's columns. Cells: NULL for an empty cell
 * without quotes, else STRING; start and end take in the quotes. Undeclared ones: node is the column,
 * member_start the cell's start, member_next the separator behind it or the record's end.
 *
 * Reads   frame
 * Writes  record, cell, cell_count, reason, reason_field, live
 */
void csv_parse_batch(struct batch *b, const struct policy *policy, const struct csv_header *header);

/** A cell of a record. */
struct csv_cell {
	uint32_t start;  // opening quote, if there is one
	uint32_t end;    // past the closing quote; of the separator or the record's end
	bool is_quoted;  // has quotes around it
	bool is_escaped; // has a doubled quote inside
};

enum csv_step {
	CSV_CELL,  // *ret_cell is set
	CSV_END,   // there was no further cell
	CSV_SYNTAX // the record is not RFC 4180; never in a record that csv_parse_batch let pass
};

/**
 * Next cell of a record; every record has at least one, which may be empty.
 *
 * @param record with BATCH_FRAME_PADDING readable bytes behind it
 * @param at     where the cell starts: 0 at first; moved on
 */
enum csv_step csv_next_cell(
	struct view record,
	uint8_t separator,
	uint32_t *at,
	struct csv_cell *ret_cell
);

/**
 * Decode a valid cell.
 *
 * @param cell     with its quotes, if it has them
 * @param ret_text [cell.size] out; the text is never longer
 * @return bytes written
 */
size_t csv_unescape(struct view cell, uint8_t *ret_text);
