#include "dataplane/pipeline/turn.h"

#include "crypto/field.h"
#include "dataplane/pipeline/dead_letter.h"
#include "dataplane/pipeline/meta.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/record_parse.h"
#include "dataplane/pipeline/stages.h"
#include "io/base/clock.h"

#include <assert.h>
#include <stdalign.h>

static_assert((int)META_MAX <= (int)TURN_META_MAX, "strmMeta's bound");

static int64_t now_ms(const struct turn *t)
{
	// Only events without a time of their own need the clock, once a turn; it is read without a system call.
	return t->policy->image->time_form == POLICY_TIME_NONE ? clock_wall_ms() : 0;
}

void turn_run(struct turn *t)
{
	struct batch *b = t->batch;

	begin(b);                                     // row_count -> live
	record_parse(b, t->policy, t->json, t->csv);  // frame -> record, cell
	contract_match(b, t->policy, now_ms(t));      // cell -> text, consent, time_ms, day
	key_resolve(b, t->policy, &t->keys);          // text, day -> key
	seal_fields(b, t->policy, t->csv, t->engine); // text, key -> sealed
	rewrite_sealed(t);                            // frame, sealed -> out.sealed
	derive_views(t);                              // frame, sealed, consent -> out.view
	dead_letter(t);                               // frame, reason -> out.dead
	settle(t);                                    // live, key -> counts, position_max
}

void begin(struct batch *b)
{
	b->scratch.size = 0;
	b->cell_count = 0;
	b->live_count = b->row_count;
	for (uint32_t i = 0; i < b->row_count; i++) {
		b->live[i] = (uint8_t)i;
		b->reason[i] = DROP_NONE;
		b->reason_field[i] = POLICY_NONE;
	}
}

void settle(struct turn *t)
{
	const struct batch *b = t->batch;

	t->counts.rows_in += b->row_count;
	batch_foreach_live (b, n, i)
		if (b->key[i].position > t->position_max)
			t->position_max = b->key[i].position;
}

/** Bytes that the longest stand-in for a cell has beyond a third more than the cell's own. */
static size_t piece_growth_max(const struct policy *policy)
{
	size_t growth = field_sealed_size(0) + 2 + 2; // base64's rounding up, quotes

	for (uint32_t f = 0; f < policy->image->fields.count; f++) {
		const struct policy_field *field = &policy->fields[f];
		// In CSV the value gets quotes, and its own are doubled.
		size_t value = 2 * (size_t)field->unreadable_value.size + 2;

		if (field->unreadable == POLICY_UNREADABLE_VALUE && value > growth)
			growth = value;
	}
	return growth;
}

static size_t cells_max(const struct policy *policy, size_t frame_bytes, uint32_t rows)
{
	const struct policy_image *image = policy->image;
	size_t row_cells = image->fields.count;
	size_t bytes = frame_bytes + rows; // a cell and what follows it are a byte at least

	if (image->undeclared == POLICY_UNDECLARED_SEAL
	    || image->duplicates == POLICY_DUPLICATES_SEAL)
		row_cells = EVENT_CELLS_MAX;
	for (uint32_t f = 0; f < image->fields.count; f++)
		if (policy->fields[f].flags & POLICY_FIELD_REPEATED)
			row_cells = EVENT_CELLS_MAX;
	return rows * row_cells < bytes ? rows * row_cells : bytes;
}

size_t turn_out_max(const struct policy *policy, size_t frame_bytes, uint32_t rows)
{
	size_t third = frame_bytes / 3 + 1;
	size_t event = frame_bytes + third + rows * (size_t)META_MAX
		+ cells_max(policy, frame_bytes, rows) * piece_growth_max(policy);
	size_t letters = rows + frame_bytes / EVENT_SIZE_MAX;
	size_t dead = frame_bytes + third + letters * (DEAD_LETTER_HEAD_MAX + field_sealed_size(2));

	// Every CSV cell gets quotes, and its own may be doubled.
	if (policy->image->format == POLICY_CSV)
		event += 2 * (frame_bytes + rows);
	return (event > dead ? event : dead) + ROOM_SLACK;
}

size_t turn_scratch_size(void)
{
	size_t decoded = TURN_BYTES_MAX + EVENT_SIZE_MAX; // texts; one more for a mask
	size_t sealed = TURN_BYTES_MAX / 3 * 4 + BATCH_CELLS_MAX * field_sealed_size(2);
	size_t paths = FIELD_BURST_MAX * sizeof(struct field_path) + alignof(struct field_path);

	return decoded + sealed + paths + ROOM_SLACK;
}
