#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/rewrite.h"

// CSV in the reference's form: every header and every value in double quotes, null as nothing, strmMeta's
// six columns at the end, CRLF.

static const struct piece keep = {.form = PIECE_KEEP};

/** One cell of the input or what stands in for it. */
static uint8_t *put_cell(
	uint8_t *to,
	struct view row,
	const struct csv_cell *token,
	const struct piece *piece
)
{
	switch (piece->form) {
	case PIECE_KEEP:
		// A cell with quotes has its own doubled already, one without has none.
		if (token->end == token->start)
			return to;
		if (!token->is_quoted)
			to = put_byte(to, '"');
		to = put_padded(to, row.bytes + token->start, token->end - token->start);
		return token->is_quoted ? to : put_byte(to, '"');
	case PIECE_QUOTED:
		to = put_padded(put_byte(to, '"'), piece->text.bytes, piece->text.size);
		return put_byte(to, '"');
	case PIECE_VALUE:
		return put_doubled(to, piece->text);
	case PIECE_NULL:
	case PIECE_CUT:
		break;
	}
	return to;
}

void event_put_csv(
	const struct meta *meta,
	const struct csv_header *csv,
	const struct batch *b,
	uint32_t i,
	const struct piece pieces[],
	struct room *out
)
{
	const struct record *record = &b->record[i];
	const struct cell *cells = &b->cell[record->first_cell];
	struct view row = b->frame[i];
	bool is_first = true;
	uint32_t at = 0;
	uint32_t c = 0;
	struct csv_cell token;
	uint8_t *to = room_end(out);

	while (csv_next_cell(row, csv->separator, &at, &token) == CSV_CELL) {
		const struct piece *piece = &keep;

		if (c < record->cell_count && cells[c].start == token.start)
			piece = &pieces[c++];
		if (piece->form == PIECE_CUT)
			continue;
		if (!is_first)
			to = put_byte(to, ',');
		is_first = false;
		to = put_cell(to, row, &token, piece);
	}
	to = meta_put_csv(meta, b, i, to);
	room_close(out, put_literal(to, "\r\n"));
}

void csv_write_header(const struct policy *policy, const struct csv_header *csv, struct room *out)
{
	bool is_first = true;
	uint8_t *to = room_end(out);

	for (uint32_t n = 0; n < csv->column_count; n++) {
		const struct csv_column *column = &csv->columns[n];

		if (column->field == POLICY_NONE
		    && policy->image->undeclared == POLICY_UNDECLARED_DROP)
			continue;
		if (!is_first)
			to = put_byte(to, ',');
		is_first = false;
		to = put_doubled(to, column->name);
	}
	to = meta_put_csv_names(to);
	room_close(out, put_literal(to, "\r\n"));
}
