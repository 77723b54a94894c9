#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CSV_ROW_CELLS_MAX = 16, // cells of a row that are looked at; more are an error
	CSV_READ_SIZE = 256 << 10
};

/** Rows of a small-celled RFC 4180 file (LF or CRLF, BOM allowed) whose cells are secret. */
struct csv_rows {
	int fd;
	uint8_t *bytes; // [CSV_READ_SIZE] secret: what is read and not yet taken
	size_t at;
	size_t size;
	bool is_over;   // the file is read to its end
	uint64_t line;  // of the row at hand, from 1
	uint64_t lines; // line ends passed
	uint8_t *text;  // [text_max] secret: the row's cells, unquoted
	size_t text_max;
	struct view cells[CSV_ROW_CELLS_MAX]; // in text
	size_t cell_count;
};

/** fd is borrowed. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status csv_rows_init(struct csv_rows *rows, int fd, size_t row_max);
void csv_rows_done(struct csv_rows *rows);

/**
 * The next row; empty lines are passed over.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND at the end; SL_E_SYNTAX (a quote that is not closed, or in the middle of a cell);
 *           SL_E_TOO_BIG; SL_E_IO
 */
enum sl_status csv_rows_next(struct csv_rows *rows);
