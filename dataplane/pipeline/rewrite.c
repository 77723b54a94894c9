#include "dataplane/pipeline/rewrite.h"

#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/attr.h"

// How a JSON event is written. The row is copied from left to right in segments; `done` is the first
// byte that is not dealt with yet:
//
//	{"user":"Ann","note":5,"age":44}
//	        ^start     ^member_start
//	copied ─┘ piece    └─ cut up to the next member, or, at the end of an object, from the comma before
//
// The sealed text is as long or longer than the plain one, so nothing is done in place.

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/** The end of a text when white space at its end is taken away; something else stands before. */
static uint8_t *trim_space(uint8_t *end)
{
	while (is_space(end[-1]))
		end--;
	return end;
}

/** An event on its way. */
struct writer {
	const uint8_t *text; // of the row
	bool has_cut;        // a member is left out
	uint32_t done;       // bytes of text that are dealt with
	uint8_t *to;         // where the next byte goes
};

static void copy_until(struct writer *w, uint32_t end)
{
	w->to = put_padded(w->to, w->text + w->done, end - w->done);
	w->done = end;
}

/** Copy up to an undeclared member and leave that out. */
static void cut_member(struct writer *w, const struct cell *cell)
{
	uint32_t next = cell->member_next;
	uint8_t *end;

	w->has_cut = true;
	copy_until(w, cell->member_start);
	if (w->text[next] == ',') {
		do
			next++;
		while (is_space(w->text[next]));
		w->done = next;
		return;
	}
	// The last member of its object takes the comma before it along. Nothing but a member that
	// stays can have left a comma there.
	end = trim_space(w->to);
	if (end[-1] == ',')
		w->to = end - 1;
	w->done = cell->end;
}

static uint8_t *put_piece(uint8_t *to, const struct piece *piece)
{
	switch (piece->form) {
	case PIECE_QUOTED:
		*to = '"';
		to = put_short(to + 1, piece->text.bytes, piece->text.size);
		return put_byte(to, '"');
	case PIECE_VALUE:
		return put_view(to, piece->text);
	case PIECE_NULL:
	case PIECE_KEEP:
	case PIECE_CUT:
		break;
	}
	return put_literal(to, "null");
}

static void event_put_json(
	struct meta *meta,
	const struct batch *b,
	uint32_t i,
	const struct piece pieces[],
	struct room *out
)
{
	const struct record *record = &b->record[i];
	const struct cell *cells = &b->cell[record->first_cell];
	struct writer w = {.text = b->frame[i].bytes, .to = room_end(out)};
	bool is_empty;

	for (uint32_t c = 0; c < record->cell_count; c++) {
		if (pieces[c].form == PIECE_KEEP)
			continue;
		if (pieces[c].form == PIECE_CUT) {
			cut_member(&w, &cells[c]);
			continue;
		}
		copy_until(&w, cells[c].start);
		w.to = put_piece(w.to, &pieces[c]);
		w.done = cells[c].end;
	}
	copy_until(&w, record->meta_at);
	// An object may be empty from the start, or because all its members were cut.
	is_empty = (record->is_empty || w.has_cut) && trim_space(w.to)[-1] == '{';
	w.to = meta_put_json(meta, b, i, is_empty, w.to);
	copy_until(&w, (uint32_t)b->frame[i].size);
	room_close(out, put_byte(w.to, '\n'));
}

void event_put(
	struct meta *meta,
	const struct csv_header *csv,
	const struct batch *b,
	uint32_t i,
	const struct piece pieces[],
	struct room *out
)
{
	if (csv != NULL)
		event_put_csv(meta, csv, b, i, pieces, out);
	else
		event_put_json(meta, b, i, pieces, out);
}

static inline void choose_piece(
	const struct batch *b,
	const struct policy *policy,
	uint32_t c,
	struct piece *ret_piece
)
{
	const struct cell *cell = &b->cell[c];
	bool is_personal;

	if (b->sealed[c].size != 0) {
		ret_piece->form = PIECE_QUOTED;
		ret_piece->text = view_of(b->sealed[c].text, b->sealed[c].size);
		return;
	}
	if (cell->flags & CELL_UNDECLARED) {
		if (policy->image->undeclared == POLICY_UNDECLARED_DROP) {
			ret_piece->form = PIECE_CUT;
			return;
		}
		is_personal = policy->image->undeclared == POLICY_UNDECLARED_SEAL;
	} else {
		is_personal = policy->fields[cell->field].flags & POLICY_FIELD_PERSONAL;
	}
	// A personal cell that no stage has sealed must never get out, whatever went wrong.
	ret_piece->form = is_personal && cell->kind != CELL_NULL ? PIECE_NULL : PIECE_KEEP;
}

void piece_of_sealed(
	const struct batch *b,
	const struct policy *policy,
	uint32_t c,
	struct piece *ret_piece
)
{
	choose_piece(b, policy, c, ret_piece);
}

void rewrite_sealed(struct turn *t)
{
	struct batch *b = t->batch;
	UNINITIALIZED struct meta meta;
	UNINITIALIZED struct piece pieces[EVENT_CELLS_MAX];

	meta_init(t->policy, &meta);
	batch_foreach_live (b, n, i) {
		const struct record *record = &b->record[i];

		for (uint32_t c = 0; c < record->cell_count; c++) {
			choose_piece(b, t->policy, record->first_cell + c, &pieces[c]);
			t->counts.fields_sealed += pieces[c].form == PIECE_QUOTED;
		}
		event_put(&meta, t->csv, b, i, pieces, &t->out.sealed);
	}
	t->counts.rows_sealed += b->live_count;
}
