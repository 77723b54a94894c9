#include "control/csv_rows.h"

#include "crypto/secret.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	END = -1
};

enum sl_status csv_rows_init(struct csv_rows *rows, int fd, size_t row_max)
{
	*rows = (struct csv_rows){.fd = fd, .text_max = row_max};
	rows->bytes = secret_new(CSV_READ_SIZE);
	rows->text = secret_new(row_max);
	if (rows->bytes != NULL && rows->text != NULL)
		return SL_OK;
	csv_rows_done(rows);
	return SL_E_NOMEM;
}

void csv_rows_done(struct csv_rows *rows)
{
	secret_free(rows->bytes, CSV_READ_SIZE);
	secret_free(rows->text, rows->text_max);
	rows->bytes = NULL;
	rows->text = NULL;
}

/** Have a byte at hand. false: the end, or a failure in *ret_status. */
static bool fill(struct csv_rows *r, enum sl_status *ret_status)
{
	ssize_t n;

	if (r->at < r->size)
		return true;
	if (r->is_over)
		return false;
	do {
		n = read(r->fd, r->bytes, CSV_READ_SIZE);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		*ret_status = status_of_errno(errno);
	r->is_over = n <= 0;
	r->at = 0;
	r->size = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static int peek(struct csv_rows *r, enum sl_status *ret_status)
{
	return fill(r, ret_status) ? r->bytes[r->at] : END;
}

/** Copy up to the next byte that `stop` names; what follows is at hand then. */
static enum sl_status copy_until(struct csv_rows *r, const bool stop[256], size_t *size)
{
	enum sl_status status = SL_OK;

	while (fill(r, &status)) {
		uint8_t byte = r->bytes[r->at];

		if (stop[byte])
			return SL_OK;
		if (*size == r->text_max)
			return SL_E_TOO_BIG;
		r->text[(*size)++] = byte;
		r->lines += byte == '\n';
		r->at++;
	}
	return status;
}

static enum sl_status take_quoted(struct csv_rows *r, size_t *size)
{
	static const bool quote[256] = {['"'] = true};
	enum sl_status status = SL_OK;

	r->at++;
	for (;;) {
		SL_TRY(copy_until(r, quote, size));
		if (peek(r, &status) != '"')
			return status != SL_OK ? status : SL_E_SYNTAX; // never closed
		r->at++;
		if (peek(r, &status) != '"')
			return status;
		if (*size == r->text_max)
			return SL_E_TOO_BIG;
		r->text[(*size)++] = '"';
		r->at++;
	}
}

static enum sl_status take_cell(struct csv_rows *r, size_t *size)
{
	static const bool plain_end[256] = {
		[','] = true, ['\n'] = true, ['\r'] = true, ['"'] = true};
	enum sl_status status = SL_OK;
	size_t first = *size;
	int next = peek(r, &status);

	SL_TRY(status);
	if (r->cell_count == CSV_ROW_CELLS_MAX)
		return SL_E_TOO_BIG;
	SL_TRY(next == '"' ? take_quoted(r, size) : copy_until(r, plain_end, size));
	next = peek(r, &status);
	SL_TRY(status);
	if (next != END && next != ',' && next != '\n' && next != '\r')
		return SL_E_SYNTAX;
	r->cells[r->cell_count++] = view_of(r->text + first, *size - first);
	return SL_OK;
}

/** LF, CRLF or CR. */
static enum sl_status take_line_end(struct csv_rows *r)
{
	enum sl_status status = SL_OK;
	int next = peek(r, &status);

	if (next == '\r') {
		r->at++;
		r->lines++;
		if (peek(r, &status) == '\n')
			r->at++;
	} else if (next == '\n') {
		r->at++;
		r->lines++;
	}
	return status;
}

static enum sl_status skip_bom(struct csv_rows *r)
{
	static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
	enum sl_status status = SL_OK;

	if (fill(r, &status) && r->size - r->at >= sizeof(bom)
	    && memcmp(r->bytes + r->at, bom, sizeof(bom)) == 0)
		r->at += sizeof(bom);
	return status;
}

enum sl_status csv_rows_next(struct csv_rows *rows)
{
	enum sl_status status = SL_OK;
	size_t size = 0;

	if (rows->line == 0)
		SL_TRY(skip_bom(rows));
	rows->cell_count = 0;
	while (peek(rows, &status) == '\n' || peek(rows, &status) == '\r')
		SL_TRY(take_line_end(rows));
	SL_TRY(status);
	rows->line = rows->lines + 1;
	if (peek(rows, &status) == END)
		return status != SL_OK ? status : SL_E_NOT_FOUND;
	for (;;) {
		SL_TRY(take_cell(rows, &size));
		if (peek(rows, &status) != ',')
			break;
		rows->at++;
	}
	SL_TRY(status);
	return take_line_end(rows);
}
