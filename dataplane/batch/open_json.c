#include "crypto/uuid.h"
#include "dataplane/batch/opener.h"
#include "dataplane/batch/result.h"
#include "dataplane/pipeline/batch.h"

#include <string.h>

static const char link_path[] = "strmMeta/keyLink";
static const char ref_path[] = "strmMeta/eventContractRef";

static const char not_sealed[] =
	"open takes what `sealane batch run` wrote: a sealed, derived or dead-letter file";

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/** All that decoding a string relies on: no escape is torn. */
static bool has_whole_escapes(struct view text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.bytes[i] != '\\')
			continue;
		if (++i == text.size || memchr("\"\\/bfnrtu", text.bytes[i], 9) == NULL)
			return false;
		if (text.bytes[i] != 'u')
			continue;
		for (int digit = 0; digit < 4; digit++)
			if (++i == text.size || !is_hex(text.bytes[i]))
				return false;
	}
	return true;
}

/**
 * Is this JSON? Sealing makes an event longer, so that it may be more than what the parser takes: then it is
 * checked as far as the walk needs it, and what is not authentic is passed on as it is anyway.
 */
static bool is_json(struct opener *o, struct view row)
{
	if (row.size > EVENT_SIZE_MAX)
		return has_whole_escapes(row);
	return json_validate(o->parser, row) == DROP_NONE;
}

/** Where strmMeta and its comma begin and end, so that the rest is the event as it was. */
static void find_cut(struct open_row *row, const struct json_walk_meta *meta)
{
	const uint8_t *text = row->text.bytes;
	size_t before = meta->member_start;
	size_t after = meta->end;

	row->cut_start = meta->member_start;
	row->cut_end = meta->end;
	while (before > 0 && is_space(text[before - 1]))
		before--;
	if (before > 0 && text[before - 1] == ',') {
		row->cut_start = before - 1;
		return;
	}
	// The first member: as it was written it was the only one; somebody may have moved it there.
	while (after < row->text.size && is_space(text[after]))
		after++;
	if (after < row->text.size && text[after] == ',')
		row->cut_end = after + 1;
}

/** What the strings of an event tell. */
struct found {
	struct view link;
	struct view ref;
	bool is_twice; // a name of strmMeta comes twice
};

static void note_meta(
	struct found *found,
	const struct json_walk_string *string,
	struct view inside
)
{
	if (view_equal(string->path, view_of_text(link_path))) {
		found->is_twice = found->is_twice || found->link.bytes != NULL;
		found->link = inside;
	} else if (view_equal(string->path, view_of_text(ref_path))) {
		found->ref = inside;
	}
}

/** Walk over the strings. false = no memory */
static bool find_cells(struct opener *o, struct view row, struct found *ret_found)
{
	struct json_walk_string string;

	*ret_found = (struct found){0};
	if (!json_walk_begin(o->walk, row))
		return false;
	while (json_walk_next(o->walk, &string)) {
		struct view inside =
			view_of(row.bytes + string.start + 1, string.end - string.start - 2);

		if (string.is_in_meta)
			note_meta(ret_found, &string, inside);
		else if (open_looks_sealed(inside) && !open_add_cell(o, inside, string.path, /* is_csv= */ false))
			return false;
	}
	return true;
}

enum sl_status open_json_row(
	struct opener *o,
	struct view text,
	uint64_t number,
	struct problem *ret_problem
)
{
	struct open_row *row = open_begin_row(o, text, number);
	struct json_walk_meta meta;
	struct found found;

	if (!is_json(o, text))
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			number,
			"the row is no JSON event: the file is damaged, cut off, or no sealed file",
			not_sealed
		);
	if (!find_cells(o, text, &found))
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for an event");
	meta = json_walk_meta(o->walk);
	if (!meta.is_found || meta.end <= meta.start)
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			number,
			"the event has no strmMeta, so it is no sealed event",
			not_sealed
		);
	find_cut(row, &meta);
	if (found.is_twice || !open_close_row(o, row, found.link, found.ref))
		return open_row_problem(
			ret_problem,
			SL_E_SYNTAX,
			number,
			"the event's strmMeta has no key link, or more than one",
			not_sealed
		);
	return SL_OK;
}

/** The value of a cell that was opened. */
static enum sl_status write_opened(struct opener *o, const struct open_cell *cell)
{
	struct view text = view_of(o->opened.bytes + cell->opened_at, cell->opened_size);

	if (cell->is_json)
		return open_out(o, text) ? SL_OK : SL_E_NOMEM;
	SL_TRY(result_reserve(&o->out, 6 * text.size + 2));
	room_put_byte(&o->out, '"');
	o->out.size += json_escape(text, o->out.bytes + o->out.size);
	room_put_byte(&o->out, '"');
	return SL_OK;
}

static enum sl_status write_cell(
	struct opener *o,
	const struct open_row *row,
	const struct open_cell *cell,
	struct problem *ret_problem
)
{
	struct view value = view_of(cell->text.bytes - 1, cell->text.size + 2);
	enum open_rest rest = OPEN_KEEP;
	struct view replacement = {0};
	enum sl_status status;

	if (cell->state == OPEN_OPENED) {
		o->counts.fields[OPEN_OPENED]++;
		status = write_opened(o, cell);
	} else {
		SL_TRY(open_rest_of(o, row, cell, &rest, &replacement, ret_problem));
		if (rest == OPEN_NULL)
			value = view_of_text("null");
		else if (rest == OPEN_VALUE)
			value = replacement;
		status = open_out(o, value) ? SL_OK : SL_E_NOMEM;
	}
	return status == SL_OK ? SL_OK
			       : problem_set(ret_problem, status, "no memory for an opened event");
}

enum sl_status open_json_write(
	struct opener *o,
	const struct open_row *row,
	struct problem *ret_problem
)
{
	const uint8_t *text = row->text.bytes;
	size_t done = 0;
	bool is_cut = false;
	bool has_room = true;

	for (size_t c = 0; c <= row->cell_count; c++) {
		const bool is_last = c == row->cell_count;
		const struct open_cell *cell = is_last ? NULL : &o->cells[row->first_cell + c];
		const size_t start =
			is_last ? row->text.size : (size_t)(cell->text.bytes - 1 - text);

		if (!is_cut && row->cut_start < start) {
			has_room = has_room
				&& open_out(o, view_of(text + done, row->cut_start - done));
			done = row->cut_end;
			is_cut = true;
		}
		has_room = has_room && open_out(o, view_of(text + done, start - done));
		if (is_last)
			break;
		SL_TRY(write_cell(o, row, cell, ret_problem));
		done = start + cell->text.size + 2;
	}
	if (!has_room || !open_out(o, view_of("\n", 1)))
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for an opened event");
	o->counts.events++;
	return SL_OK;
}
