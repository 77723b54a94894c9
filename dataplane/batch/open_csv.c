#include "control/path.h"
#include "dataplane/batch/opener.h"
#include "dataplane/batch/result.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char meta_prefix[] = "strmMeta.";
static const char link_name[] = "strmMeta.keyLink";
static const char ref_name[] = "strmMeta.eventContractRef";

/** What our own CSV is separated by, whatever the input was. */
static const uint8_t separator = ',';

static bool has_prefix(struct view name, const char *prefix)
{
	size_t size = strlen(prefix);

	return name.size >= size && memcmp(name.bytes, prefix, size) == 0;
}

static struct view cell_view(struct view row, const struct csv_cell *cell)
{
	return view_of(row.bytes + cell->start, cell->end - cell->start);
}

/** The text between the quotes of a cell that has nothing doubled. */
static struct view inside_of(struct view row, const struct csv_cell *cell)
{
	struct view text = cell_view(row, cell);

	if (cell->is_quoted)
		return view_of(text.bytes + 1, text.size - 2);
	return text;
}

void open_columns_done(struct open_columns *c)
{
	free(c->names);
	free(c->name);
	free(c->is_meta);
	*c = (struct open_columns){0};
}

static enum sl_status make_columns(struct open_columns *c, size_t row_size)
{
	c->names = malloc(2 * row_size + 1);
	c->name = calloc(CSV_COLUMNS_MAX + 8, sizeof(*c->name));
	c->is_meta = calloc(CSV_COLUMNS_MAX + 8, sizeof(*c->is_meta));
	return c->names != NULL && c->name != NULL && c->is_meta != NULL ? SL_OK : SL_E_NOMEM;
}

/** Read the names. false: this is no header of ours. */
static bool read_columns(struct open_columns *c, struct view row, uint8_t *scratch)
{
	uint8_t *to = c->names;
	struct csv_cell cell;
	uint32_t at = 0;
	enum csv_step step;

	c->link = UINT32_MAX;
	c->ref = UINT32_MAX;
	while ((step = csv_next_cell(row, separator, &at, &cell)) == CSV_CELL) {
		struct view name = view_of(scratch, csv_unescape(cell_view(row, &cell), scratch));

		if (c->count == CSV_COLUMNS_MAX + 8)
			return false;
		c->is_meta[c->count] = has_prefix(name, meta_prefix);
		if (view_equal(name, view_of_text(link_name)))
			c->link = c->count;
		if (view_equal(name, view_of_text(ref_name)))
			c->ref = c->count;
		c->name[c->count++] = view_of(to, path_escape(name, to));
		to += c->name[c->count - 1].size;
	}
	return step == CSV_END && c->link != UINT32_MAX && c->ref != UINT32_MAX;
}

/** Append a row without the columns of strmMeta. */
static bool put_kept(struct opener *o, struct view row)
{
	struct csv_cell cell;
	uint32_t at = 0;
	bool is_first = true;
	bool has_room = true;

	for (uint32_t n = 0; csv_next_cell(row, separator, &at, &cell) == CSV_CELL; n++) {
		if (o->columns.is_meta[n])
			continue;
		if (!is_first)
			has_room = has_room && open_out(o, view_of(",", 1));
		is_first = false;
		has_room = has_room && open_out(o, cell_view(row, &cell));
	}
	return has_room && open_out(o, view_of("\r\n", 2));
}

enum sl_status opener_csv_header(struct opener *o, struct view row, struct problem *ret_problem)
{
	uint8_t *scratch;
	bool is_ours;

	open_columns_done(&o->columns);
	if (make_columns(&o->columns, row.size) != SL_OK
	    || (scratch = malloc(row.size + 1)) == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the header row");
	is_ours = utf8_is_valid(row) && read_columns(&o->columns, row, scratch);
	free(scratch);
	if (!is_ours)
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			1,
			"this is no sealed file: neither events with strmMeta, nor CSV with its "
			"columns",
			"open takes what `sealane batch run` wrote: a sealed, derived or "
			"dead-letter file"
		);
	return put_kept(o, row)
		? SL_OK
		: problem_set(ret_problem, SL_E_NOMEM, "no memory for the header row");
}

static enum sl_status refuse(uint64_t number, struct problem *ret_problem)
{
	return open_row_problem(
		ret_problem,
		SL_E_SYNTAX,
		number,
		"the row is no CSV with the header's columns and a key link: the file is damaged "
		"or "
		"cut off",
		"take the file from where it was written once more"
	);
}

enum sl_status open_csv_row(
	struct opener *o,
	struct view text,
	uint64_t number,
	struct problem *ret_problem
)
{
	const struct open_columns *columns = &o->columns;
	struct open_row *row = open_begin_row(o, text, number);
	struct view link = {0};
	struct view ref = {0};
	struct csv_cell cell;
	uint32_t at = 0;
	uint32_t n = 0;
	enum csv_step step;

	while ((step = csv_next_cell(text, separator, &at, &cell)) == CSV_CELL) {
		struct view inside = inside_of(text, &cell);

		if (n == columns->count)
			return refuse(number, ret_problem);
		if (n == columns->link)
			link = inside;
		else if (n == columns->ref)
			ref = inside;
		else if (!columns->is_meta[n] && open_looks_sealed(inside) && !open_add_cell(o, inside, columns->name[n], /* is_csv= */ true))
			return problem_set(ret_problem, SL_E_NOMEM, "no memory for an event");
		n++;
	}
	if (step != CSV_END || n != columns->count || !open_close_row(o, row, link, ref))
		return refuse(number, ret_problem);
	return SL_OK;
}

/** A text as a cell. */
static bool put_cell(struct opener *o, struct view text)
{
	if (result_reserve(&o->out, 2 * text.size + 2) != SL_OK)
		return false;
	room_put_byte(&o->out, '"');
	for (size_t i = 0; i < text.size; i++) {
		if (text.bytes[i] == '"')
			room_put_byte(&o->out, '"');
		room_put_byte(&o->out, text.bytes[i]);
	}
	room_put_byte(&o->out, '"');
	return true;
}

static enum sl_status write_cell(
	struct opener *o,
	const struct open_row *row,
	const struct open_cell *cell,
	struct problem *ret_problem
)
{
	enum open_rest rest = OPEN_KEEP;
	struct view value = {0};
	bool has_room = true;

	if (cell->state == OPEN_OPENED) {
		o->counts.fields[OPEN_OPENED]++;
		has_room =
			put_cell(o, view_of(o->opened.bytes + cell->opened_at, cell->opened_size));
	} else {
		SL_TRY(open_rest_of(o, row, cell, &rest, &value, ret_problem));
		if (rest == OPEN_KEEP)
			has_room = put_cell(o, cell->text);
		else if (rest == OPEN_VALUE)
			has_room = put_cell(o, value);
	}
	return has_room ? SL_OK
			: problem_set(ret_problem, SL_E_NOMEM, "no memory for an opened event");
}

enum sl_status open_csv_write(
	struct opener *o,
	const struct open_row *row,
	struct problem *ret_problem
)
{
	const size_t end = row->first_cell + row->cell_count;
	struct csv_cell token;
	size_t c = row->first_cell;
	uint32_t at = 0;
	bool is_first = true;
	bool has_room = true;

	for (uint32_t n = 0; csv_next_cell(row->text, separator, &at, &token) == CSV_CELL; n++) {
		if (o->columns.is_meta[n])
			continue;
		if (!is_first)
			has_room = has_room && open_out(o, view_of(",", 1));
		is_first = false;
		if (c < end && o->cells[c].text.bytes == inside_of(row->text, &token).bytes) {
			SL_TRY(write_cell(o, row, &o->cells[c], ret_problem));
			c++;
		} else {
			has_room = has_room && open_out(o, cell_view(row->text, &token));
		}
	}
	if (!has_room || !open_out(o, view_of("\r\n", 2)))
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for an opened event");
	o->counts.events++;
	return SL_OK;
}
