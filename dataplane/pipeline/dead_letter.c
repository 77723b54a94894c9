#include "crypto/engine.h"
#include "crypto/field.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/attr.h"

// A row that can not go on is sealed whole, under a key of its own kind; only the reason and the place
// stand beside it. docs/formats/dead-letter.md is the form for other implementations.

/** What a dead letter says beside the sealed text. */
struct letter {
	enum drop_reason reason;
	uint16_t field; // row of the policy's fields, or POLICY_NONE
	uint64_t number;
	uint64_t offset;
	uint32_t part;
	bool is_last;
};

static void begin_burst(struct seal_burst *burst, struct field_path *path)
{
	burst->count = 0;
	(void)!field_path_init(view_of_text("deadLetter"), path);
}

static uint8_t *put_head(const struct turn *t, const struct letter *letter, uint8_t *to)
{
	const struct policy_image *image = t->policy->image;

	to = put_literal(to, "{\"deadLetter\":{\"reason\":");
	to = put_string(to, view_of_text(drop_counter(letter->reason)));
	to = put_unsigned(put_literal(to, ",\"row\":"), letter->number);
	to = put_unsigned(put_literal(to, ",\"offset\":"), letter->offset);
	to = put_unsigned(put_literal(to, ",\"part\":"), letter->part);
	to = put_literal(to, ",\"last\":");
	to = put_view(to, view_of_text(letter->is_last ? "true" : "false"));
	to = put_literal(to, ",\"field\":");
	if (letter->field == POLICY_NONE)
		to = put_literal(to, "null");
	else
		to = put_string(to, policy_view_of(image, t->policy->fields[letter->field].path));
	to = put_string(put_literal(to, ",\"contract\":"), policy_view_of(image, image->ref));
	to = put_literal(to, ",\"keyLink\":\"");
	uuid_write(t->dead_key->link, (char *)to);
	return put_literal(to + UUID_TEXT_SIZE, "\"},\"event\":\"");
}

/** Write a letter whose sealed text comes with the burst. */
static void put_letter(
	struct turn *t,
	const struct letter *letter,
	struct view text,
	const struct field_path *path,
	struct seal_burst *burst
)
{
	struct room *out = &t->out.dead;
	uint32_t n = burst->count++;
	uint8_t *to = put_head(t, letter, room_end(out));

	burst->field_key[n] = t->dead_key->field_key;
	burst->iv_key[n] = NULL;
	burst->path[n] = path;
	burst->key_id[n] = tink_key_id(t->dead_key->link, 0);
	burst->text[n] = text;
	burst->sealed[n] = to;
	to += field_sealed_size(text.size);
	room_close(out, put_literal(to, "\"}\n"));
}

static void count_drop(struct turn *t, const struct letter *letter)
{
	t->counts.rows_dropped[letter->reason]++;
	if (t->first_drop.reason != DROP_NONE)
		return;
	t->first_drop.number = letter->number;
	t->first_drop.offset = letter->offset;
	t->first_drop.reason = letter->reason;
	t->first_drop.field = letter->field;
}

/** Write the letter of a whole row: one part, unless the driver has let a row pass that is too long. */
static void put_row(
	struct turn *t,
	uint32_t i,
	const struct field_path *path,
	struct seal_burst *burst
)
{
	struct view left = t->batch->frame[i];
	struct letter letter = {
		.reason = t->batch->reason[i],
		.field = t->batch->reason_field[i],
		.number = t->batch->number[i],
		.offset = t->batch->offset[i],
	};

	do {
		size_t size = left.size < EVENT_SIZE_MAX ? left.size : EVENT_SIZE_MAX;

		letter.part++;
		letter.is_last = size == left.size;
		put_letter(t, &letter, view_of(left.bytes, size), path, burst);
		left = view_of(left.bytes + size, left.size - size);
	} while (!letter.is_last);
	count_drop(t, &letter);
}

void dead_letter(struct turn *t)
{
	const struct batch *b = t->batch;
	UNINITIALIZED struct seal_burst burst;
	struct field_path path;

	if (b->live_count == b->row_count)
		return;
	begin_burst(&burst, &path);
	for (uint32_t i = 0; i < b->row_count; i++)
		if (b->reason[i] != DROP_NONE)
			put_row(t, i, &path, &burst);
	engine_seal_fields(t->engine, &burst);
}

void turn_seal_oversize(
	struct turn *t,
	struct view piece,
	uint64_t number,
	uint64_t offset,
	uint32_t part,
	bool is_last
)
{
	const struct letter letter = {
		.reason = DROP_SIZE,
		.field = POLICY_NONE,
		.number = number,
		.offset = offset,
		.part = part,
		.is_last = is_last,
	};
	UNINITIALIZED struct seal_burst burst;
	struct field_path path;

	begin_burst(&burst, &path);
	put_letter(t, &letter, piece, &path, &burst);
	engine_seal_fields(t->engine, &burst);
	if (!is_last)
		return;
	t->counts.rows_in++;
	count_drop(t, &letter);
}
