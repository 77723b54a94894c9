#include "dataplane/pipeline/calendar.h"
#include "dataplane/pipeline/check_value.h"
#include "dataplane/pipeline/consent_parse.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/match_state.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/time_parse.h"

#include <assert.h>

// A row is looked at cell by cell, in the order of its text, and the first fault is the row's reason.
// What is absent shows only at the end of the row. Then the row's own cells are read: time, key, subject,
// consent.

enum {
	NO_CELL = UINT32_MAX,
	DAY_MS = DAY_S * 1000
};

/** One doubled quote is one quote. */
static void put_csv_text(struct view inside, struct room *scratch)
{
	for (size_t n = 0; n < inside.size; n++) {
		room_put_byte(scratch, inside.bytes[n]);
		n += inside.bytes[n] == '"';
	}
}

/** Decode what stands between the quotes of a string with escapes. */
static struct view decode(struct view inside, struct room *scratch, enum policy_format format)
{
	size_t start = scratch->size;

	assert(room_left(scratch) >= inside.size);
	if (format == POLICY_CSV)
		put_csv_text(inside, scratch);
	else
		scratch->size += json_unescape(inside, scratch->bytes + start);
	return view_of(scratch->bytes + start, scratch->size - start);
}

/** The text of a value that is not null: strings without quotes and decoded, of others the token. */
static inline struct view read_text(
	const struct cell *cell,
	struct view token,
	struct room *scratch,
	enum policy_format format
)
{
	// An unquoted CSV cell can not begin with a quote.
	if (cell->kind != CELL_STRING || (format == POLICY_CSV && token.bytes[0] != '"'))
		return token;
	assert(token.size >= 2);
	token = view_of(token.bytes + 1, token.size - 2);
	return (cell->flags & CELL_ESCAPED) == 0 ? token : decode(token, scratch, format);
}

static enum drop_reason drop_for(struct batch *b, uint32_t i, uint16_t field, enum drop_reason why)
{
	b->reason_field[i] = field;
	return why;
}

/** The first required field of a set that is still missing. */
static enum drop_reason miss_required(
	struct batch *b,
	uint32_t i,
	const uint64_t missing[MATCH_FIELD_WORDS]
)
{
	for (uint32_t w = 0; w < MATCH_FIELD_WORDS; w++)
		if (missing[w] != 0) {
			uint32_t field = w * 64 + (uint32_t)__builtin_ctzll(missing[w]);

			return drop_for(b, i, (uint16_t)field, DROP_REQUIRED);
		}
	return DROP_NONE;
}

/** Of a number that the JSON parser let pass: does it have neither fraction nor exponent? */
static inline bool is_whole(struct view number)
{
	uint32_t others = 0;

	// A number has digits, `-`, `+`, `.`, `e` and `E`, and a `+` only behind an `e`.
	for (size_t n = 0; n < number.size; n++)
		others |= (uint32_t)(number.bytes[n] > '9') | (uint32_t)(number.bytes[n] == '.');
	return others == 0;
}

/** Check a cell whose kind may stand there, and read its text when somebody wants it. */
static inline enum drop_reason match_value(
	const struct policy *policy,
	const struct cell *cell,
	const uint8_t *frame,
	unsigned steps,
	struct room *scratch,
	struct view *ret_text
)
{
	struct view token = view_of(frame + cell->start, cell->end - cell->start);

	if ((steps & CHECK_TEXT) != 0)
		*ret_text = read_text(cell, token, scratch, policy->image->format);
	if ((steps & CHECK_WHOLE) != 0 && !is_whole(token))
		return DROP_TYPE;
	if ((steps & CHECK_VALUE) == 0)
		return DROP_NONE;
	return check_value(policy, cell, token, *ret_text);
}

static inline enum drop_reason match_cells(struct batch *b, const struct policy *policy, uint32_t i)
{
	bool is_sealing_undeclared = policy->image->undeclared == POLICY_UNDECLARED_SEAL;
	const struct match_state *state = policy->match;
	const struct cell *cell = &b->cell[b->record[i].first_cell];
	const struct cell *end = cell + b->record[i].cell_count;
	struct view *text = &b->text[b->record[i].first_cell];
	const uint8_t *frame = b->frame[i].bytes;
	uint64_t missing[MATCH_FIELD_WORDS];

	for (uint32_t w = 0; w < MATCH_FIELD_WORDS; w++)
		missing[w] = state->required[w];
	for (; cell < end; cell++, text++) {
		struct field_check check = {.kinds = 0xff, .steps = CHECK_TEXT};
		enum drop_reason reason;

		// A cell that nobody reads has no text, rather than that of an earlier turn.
		*text = (struct view){0};
		if (cell->field != POLICY_NONE)
			check = state->check[cell->field];
		else if (!is_sealing_undeclared)
			continue;
		if ((check.kinds >> cell->kind & 1) == 0)
			return drop_for(
				b,
				i,
				cell->field,
				cell->kind == CELL_NULL ? check.null_reason : DROP_TYPE
			);
		if (check.steps == CHECK_NOTHING)
			continue;
		// Only required fields are noted: to note all is a chain of stores and loads.
		if ((check.steps & CHECK_REQUIRED) != 0)
			missing[cell->field / 64] &= ~(UINT64_C(1) << cell->field % 64);
		if (cell->kind == CELL_NULL)
			continue;
		reason = match_value(policy, cell, frame, check.steps, &b->scratch, text);
		if (reason != DROP_NONE)
			return drop_for(b, i, cell->field, reason);
	}
	return miss_required(b, i, missing);
}

static int64_t day_of(int64_t ms)
{
	int64_t day = ms / DAY_MS;

	return day - (ms % DAY_MS < 0);
}

static enum drop_reason read_time(
	struct batch *b,
	const struct policy *policy,
	uint32_t i,
	int64_t now_ms
)
{
	uint32_t c = b->record[i].time_cell;

	b->time_ms[i] = now_ms;
	if (policy->image->time_form != POLICY_TIME_NONE) {
		if (c == NO_CELL || b->cell[c].kind == CELL_NULL)
			return DROP_TIME_MISSING;
		if (!time_parse(policy->image, b->text[c], &b->time_ms[i]))
			return DROP_TIME_FORM;
	}
	b->day[i] = day_of(b->time_ms[i]);
	return DROP_NONE;
}

/** A person or thing is named by a string, number or boolean: the spelling of arrays and objects is no name. */
static bool is_name(enum cell_kind kind)
{
	return kind != CELL_ARRAY && kind != CELL_OBJECT;
}

static enum drop_reason read_key(const struct batch *b, const struct policy *policy, uint32_t i)
{
	uint32_t c = b->record[i].key_cell;

	if (c == NO_CELL)
		return DROP_KEY_VALUE;
	// CSV can not tell null from empty, and an empty key value is a value.
	if (b->cell[c].kind == CELL_NULL && policy->image->format != POLICY_CSV)
		return DROP_KEY_VALUE;
	if (!is_name(b->cell[c].kind))
		return DROP_TYPE;
	return b->text[c].size > KEY_VALUE_MAX ? DROP_KEY_VALUE : DROP_NONE;
}

static enum drop_reason read_subject(const struct batch *b, uint32_t i)
{
	uint32_t c = b->record[i].subject_cell;

	if (c == NO_CELL)
		return DROP_NONE;
	if (!is_name(b->cell[c].kind))
		return DROP_TYPE;
	return b->text[c].size > KEY_VALUE_MAX ? DROP_SUBJECT_VALUE : DROP_NONE;
}

static uint64_t read_consent(const struct batch *b, const struct policy *policy, uint32_t i)
{
	uint32_t c = b->record[i].consent_cell;

	if (c == NO_CELL || b->cell[c].kind == CELL_NULL)
		return policy->image->consent_otherwise;
	return consent_parse(policy->image, b->text[c]);
}

static enum drop_reason match_row(
	struct batch *b,
	const struct policy *policy,
	uint32_t i,
	int64_t now_ms
)
{
	const struct policy_image *image = policy->image;
	enum drop_reason reason = match_cells(b, policy, i);

	if (reason != DROP_NONE)
		return reason;
	if ((reason = read_time(b, policy, i, now_ms)) != DROP_NONE)
		return drop_for(b, i, image->time_field, reason);
	if ((reason = read_key(b, policy, i)) != DROP_NONE)
		return drop_for(b, i, image->key_field, reason);
	if ((reason = read_subject(b, i)) != DROP_NONE)
		return drop_for(b, i, image->subject_field, reason);
	b->consent[i] = read_consent(b, policy, i);
	return DROP_NONE;
}

void contract_match(struct batch *b, const struct policy *policy, int64_t now_ms)
{
	batch_foreach_live (b, n, i)
		b->reason[i] = match_row(b, policy, i, now_ms);
	batch_settle_drops(b);
}
