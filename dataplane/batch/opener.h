#pragma once

#include "dataplane/batch/open.h"
#include "dataplane/batch/open_contract.h"
#include "dataplane/batch/open_keys.h"
#include "dataplane/batch/open_path.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/json_walk.h"

#include <stdbool.h>

// What the files of the opener share. Rows are gathered into a group: first their sealed texts are found (open_json.c,
// open_csv.c), then all texts of the group are opened together (open_cells.c), then the rows are written.

enum {
	OPEN_ROWS_MAX = 512,      // rows of a group
	OPEN_CELLS_MANY = 2048,   // a group with so many sealed texts takes no further row
	OPEN_OUT_MANY = 256 << 10 // bytes of opened rows that are put at once
};

/** A text that is sealed, or that stands where the contract wants one. */
struct open_cell {
	struct view text;        // base64, in its row
	struct open_place place; // its path lies in the group's paths
	size_t path_at;          // in the group's paths
	size_t opened_at;        // in the group's texts
	uint32_t opened_size;
	uint32_t round;
	uint32_t row; // of the group
	uint8_t purpose;
	bool is_ours; // its key id is one of the event's key link
	bool is_json; // opened: a token, not a string's text
	enum open_state state;
};

struct open_row {
	struct view text;
	uint64_t number;
	uint8_t link[KEY_LINK_SIZE];
	const struct contract *contract; // NULL = not known
	size_t first_cell;
	size_t cell_count;
	size_t cut_start; // JSON: strmMeta, with the comma that belongs to it
	size_t cut_end;
};

/** Columns of a CSV file. */
struct open_columns {
	uint8_t *names;    // owned: escaped names, one after the other
	struct view *name; // [count] owned
	bool *is_meta;     // [count] owned
	uint32_t count;    // 0 = no CSV
	uint32_t link;     // column of strmMeta.keyLink
	uint32_t ref;      // column of strmMeta.eventContractRef
};

/** A dead letter whose parts are under way. */
struct open_letter {
	uint8_t link[KEY_LINK_SIZE];
	uint64_t row;
	uint64_t part; // that came last; 0 = none is under way
};

struct opener {
	struct open_setup setup;
	open_put_fn *put;
	void *self;
	struct engine *engine;
	struct json_parser *parser;
	struct json_walk *walk;
	struct open_keys *keys;
	struct open_paths *paths;
	struct open_contracts *contracts;
	struct open_columns columns;
	struct open_letter letter;
	struct open_counts counts;
	struct open_row rows[OPEN_ROWS_MAX];
	size_t row_count;
	struct open_cell *cells; // [cell_capacity] owned
	size_t cell_count;
	size_t cell_capacity;
	struct room path_text; // owned: paths of the group's cells
	struct room opened;    // owned: opened texts of the group
	struct room out;       // owned: opened rows
	struct open_burst *burst;
	struct field_path *burst_path; // [FIELD_BURST_MAX] owned
	uint8_t *burst_key;            // [FIELD_BURST_MAX * KEY_SIZE] owned, secret
	size_t burst_cell[FIELD_BURST_MAX];
	uint16_t burst_choice[FIELD_BURST_MAX];
	bool burst_is_json[FIELD_BURST_MAX];
};

/** Find the sealed texts of a JSON event and add it to the group. */
enum sl_status open_json_row(
	struct opener *o,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
);

/** The same for a row of CSV. */
enum sl_status open_csv_row(
	struct opener *o,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
);

/** Open a dead letter, or a part of one, and put it at once. */
enum sl_status open_letter_row(
	struct opener *o,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
);

void open_columns_done(struct open_columns *columns);

/** Append the opened row to out. */
enum sl_status open_json_write(
	struct opener *o,
	const struct open_row *row,
	struct problem *ret_problem
);
enum sl_status open_csv_write(
	struct opener *o,
	const struct open_row *row,
	struct problem *ret_problem
);

/** May this be a sealed text? Cheap: looks at its first bytes and its size. */
bool open_looks_sealed(struct view text);

/** Add a text to the row that is being gathered. false = no memory */
bool open_add_cell(struct opener *o, struct view text, struct view path, bool is_csv);

/**
 * The row's key link and contract are known: tell its sealed texts from what only looks like one, and count the row in.
 *
 * @param link text of a UUID
 * @return false: it is no UUID
 */
bool open_close_row(struct opener *o, struct open_row *row, struct view link, struct view ref);

/** Begin a row. */
struct open_row *open_begin_row(struct opener *o, struct view text, uint64_t number);

/** Open all cells of the group. */
enum sl_status open_cells(struct opener *o, struct problem *ret_problem);

/** What stands in for a cell that was not opened. */
enum open_rest {
	OPEN_KEEP, // the sealed text
	OPEN_NULL,
	OPEN_VALUE // of the field, as its contract has it
};

/** Decide it and count it. SL_E_BAD_ROWS: the contract says `fail`. */
enum sl_status open_rest_of(
	struct opener *o,
	const struct open_row *row,
	const struct open_cell *cell,
	enum open_rest *ret_rest,
	struct view *ret_value,
	struct problem *ret_problem
);

/** Append to out; false = no memory. */
bool open_out(struct opener *o, struct view text);

/** A problem of one row. */
enum sl_status open_row_problem(
	struct problem *ret_problem,
	enum sl_status status,
	uint64_t number,
	const char *what,
	const char *remedy
);
