#include "crypto/mask.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/rewrite.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/attr.h"

#include <string.h>

// A derived view is made from the plain text at hand, never by opening what was just sealed. A cell
// goes through three questions: may this view read it; if not, what does its field become; is it masked.

enum {
	NO_MASK = 0xffff
};

/** One view of this turn. */
struct derivation {
	struct batch *b;
	const struct policy *policy;
	const struct policy_view *view;
	const struct policy_mask *masks;                   // of the view
	const uint8_t (*mask_state)[MASK_HMAC_STATE_SIZE]; // of the view
	uint16_t mask_of[CONTRACT_FIELDS_MAX];             // row of masks, or NO_MASK
	struct piece pieces[EVENT_CELLS_MAX];
	char mask_text[EVENT_CELLS_MAX * MASK_TEXT_MAX + ROOM_SLACK];
};

static bool passes(const struct policy_view *view, uint64_t consent)
{
	// An event without any consent never passes.
	if (consent == 0)
		return false;
	if (view->kind == POLICY_GRANULAR)
		return (view->required & ~consent) == 0;
	return 63 - (uint32_t)__builtin_clzll(consent) >= view->level;
}

static void begin_view(struct derivation *d, uint32_t v)
{
	const struct policy_image *image = d->policy->image;

	d->view = &d->policy->views[v];
	d->masks = policy_rows(image, d->view->masks);
	d->mask_state = (const void *)(d->policy->mask_state + d->policy->view_first_mask[v]);
	memset(d->mask_of, 0xff, sizeof(d->mask_of));
	for (uint16_t m = 0; m < d->view->masks.count; m++)
		d->mask_of[d->masks[m].field] = m;
}

static bool opens(const struct derivation *d, uint8_t purpose)
{
	return d->view->opened >> purpose & 1;
}

/**
 * What a personal cell becomes in the view.
 *
 * @return false when the view has to do without the event
 */
static bool choose_personal(const struct derivation *d, uint32_t c, struct piece *ret_piece)
{
	const struct policy_field *field = &d->policy->fields[d->b->cell[c].field];

	ret_piece->form = PIECE_KEEP;
	if (d->b->cell[c].kind == CELL_NULL || opens(d, field->purpose))
		return true;
	switch ((enum policy_unreadable)field->unreadable) {
	case POLICY_UNREADABLE_SEALED:
		piece_of_sealed(d->b, d->policy, c, ret_piece);
		return true;
	case POLICY_UNREADABLE_VALUE:
		ret_piece->form = PIECE_VALUE;
		ret_piece->text = policy_view_of(d->policy->image, field->unreadable_value);
		return true;
	case POLICY_UNREADABLE_FAIL:
		return false;
	case POLICY_UNREADABLE_NULL:
		break;
	}
	ret_piece->form = PIECE_NULL;
	return true;
}

static void choose_undeclared(const struct derivation *d, uint32_t c, struct piece *ret_piece)
{
	const struct policy_image *image = d->policy->image;

	if (image->undeclared == POLICY_UNDECLARED_SEAL && opens(d, image->undeclared_purpose))
		ret_piece->form = PIECE_KEEP;
	else
		piece_of_sealed(d->b, d->policy, c, ret_piece);
}

/** The text inside of a value that a contract gives: what a mask of it is made from. */
static struct view value_text(struct derivation *d, struct view value)
{
	uint8_t *decoded;

	if (d->policy->image->format == POLICY_CSV || value.size == 0 || value.bytes[0] != '"')
		return value;
	value = view_of(value.bytes + 1, value.size - 2);
	if (value.size > EVENT_SIZE_MAX || memchr(value.bytes, '\\', value.size) == NULL)
		return value;
	decoded = scratch_take(d->b, value.size);
	return view_of(decoded, json_unescape(value, decoded));
}

static bool is_null(const struct derivation *d, const struct piece *piece)
{
	return piece->form == PIECE_NULL
		|| (piece->form == PIECE_VALUE && d->policy->image->format == POLICY_JSON
		    && view_equal(piece->text, view_of("null", 4)));
}

/** Replace what the view holds for the cell by its mask; null stays null. */
static void mask_piece(struct derivation *d, uint32_t c, uint32_t n)
{
	const struct cell *cell = &d->b->cell[c];
	uint32_t m = d->mask_of[cell->field];
	const struct policy_mask *mask = &d->masks[m];
	struct piece *piece = &d->pieces[n];
	char *text = d->mask_text + n * MASK_TEXT_MAX;
	struct view value = piece->text;
	size_t scratch_size = d->b->scratch.size;

	if (cell->kind == CELL_NULL || is_null(d, piece))
		return;
	if (piece->form == PIECE_KEEP)
		value = d->b->text[c];
	else if (piece->form == PIECE_VALUE)
		value = value_text(d, value);
	if (mask->kind == POLICY_MASK_HMAC)
		piece->text.size = mask_hmac(d->mask_state[m], value, text);
	else
		piece->text.size =
			mask_murmur3(policy_view_of(d->policy->image, mask->seed), value, text);
	piece->text.bytes = (const uint8_t *)text;
	piece->form = PIECE_QUOTED;
	d->b->scratch.size = scratch_size; // what had to be decoded is done with
}

/** Decide on every cell of a row; false: the view has to do without the row. */
static bool choose_row(struct derivation *d, uint32_t i)
{
	const struct record *record = &d->b->record[i];

	for (uint32_t n = 0; n < record->cell_count; n++) {
		uint32_t c = record->first_cell + n;
		const struct cell *cell = &d->b->cell[c];

		if (cell->flags & CELL_UNDECLARED) {
			choose_undeclared(d, c, &d->pieces[n]);
			continue;
		}
		d->pieces[n].form = PIECE_KEEP;
		if (d->policy->fields[cell->field].flags & POLICY_FIELD_PERSONAL
		    && !choose_personal(d, c, &d->pieces[n]))
			return false;
		if (d->mask_of[cell->field] != NO_MASK)
			mask_piece(d, c, n);
	}
	return true;
}

void derive_views(struct turn *t)
{
	struct batch *b = t->batch;
	UNINITIALIZED struct derivation d;
	UNINITIALIZED struct meta meta;

	if (t->policy->image->views.count == 0)
		return;
	d.b = b;
	d.policy = t->policy;
	meta_init(t->policy, &meta);
	for (uint32_t v = 0; v < t->policy->image->views.count; v++) {
		begin_view(&d, v);
		batch_foreach_live (b, n, i) {
			if (!passes(d.view, b->consent[i]))
				continue;
			if (choose_row(&d, i)) {
				event_put(&meta, t->csv, b, i, d.pieces, &t->out.view[v]);
				t->counts.view_rows[v]++;
			} else {
				t->counts.view_withheld[v]++;
			}
		}
	}
}
