// Finds inputs on which the levels of the JSON parser differ, or that it gets wrong.
// Targets: json_parse_batch, json_validate, json_index_*, json_unescape, json_escape, json_walk_next

#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/json_walk.h"
#include "tests/support/policy_builder.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
	ROWS = 4 // the text, its first line, what is behind that, the text again
};

static const struct build_field fields[] = {
	{.path = "a", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "user"},
	{.path = "b/c"},
	{.path = "d/*/e"},
	{.path = "f/*"},
	{0},
};
static const struct build builds[] = {
	{.fields = fields, .key = "user", .subject = "b/c"},
	{.fields = fields,
	 .key = "user",
	 .undeclared = POLICY_UNDECLARED_DROP,
	 .duplicates = POLICY_DUPLICATES_SEAL},
};

static struct policy_image *images[2];
static struct json_parser *parsers[JSON_LEVEL_COUNT];
static struct batch batches[JSON_LEVEL_COUNT];

static void set_up(void)
{
	for (unsigned i = 0; i < 2; i++)
		images[i] = policy_build(&builds[i]);
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		if (json_parser_new(level, &parsers[level]) != SL_OK)
			parsers[level] = NULL;
}

/** Parse what may be two events, one behind the other: vector levels go by the shape of the one before. */
static void parse(
	enum json_level level,
	const struct view rows[static ROWS],
	const struct policy *policy
)
{
	struct batch *b = &batches[level];

	b->row_count = b->live_count = ROWS;
	for (uint32_t i = 0; i < ROWS; i++) {
		b->live[i] = (uint8_t)i;
		b->reason[i] = DROP_NONE;
		b->reason_field[i] = POLICY_NONE;
		b->frame[i] = rows[i];
	}
	json_parse_batch(parsers[level], b, policy);
}

static void compare(enum json_level level)
{
	const struct batch *a = &batches[JSON_SCALAR];
	const struct batch *b = &batches[level];

	if (memcmp(a->reason, b->reason, sizeof(a->reason[0]) * ROWS) != 0
	    || memcmp(a->reason_field, b->reason_field, sizeof(a->reason_field[0]) * ROWS) != 0
	    || a->live_count != b->live_count || a->cell_count != b->cell_count
	    || memcmp(a->record, b->record, sizeof(a->record[0]) * ROWS) != 0
	    || memcmp(a->cell, b->cell, a->cell_count * sizeof(a->cell[0])) != 0)
		abort();
}

/** Cells lie inside the text, in order, and are JSON themselves; strings survive a round trip. */
static void check_cells(const struct batch *b)
{
	const struct view text = b->frame[0];
	uint32_t position = 0;

	for (uint32_t i = 0; i < b->record[0].cell_count; i++) {
		const struct cell *cell = &b->cell[i];
		uint32_t size = cell->end - cell->start;
		uint8_t *copy;
		uint8_t *decoded;
		size_t decoded_size;

		if (cell->start < position || cell->end <= cell->start || cell->end > text.size)
			abort();
		position = cell->end;
		copy = calloc(1, 6 * size + BATCH_FRAME_PADDING);
		memcpy(copy, text.bytes + cell->start, size);
		if (json_validate(parsers[JSON_SCALAR], view_of(copy, size)) != DROP_NONE)
			abort();
		decoded = calloc(1, size);
		if (cell->kind == CELL_STRING) {
			decoded_size = json_unescape(view_of(copy + 1, size - 2), decoded);
			size = (uint32_t)json_escape(view_of(decoded, decoded_size), copy);
			memmove(copy + 1, copy, size);
			copy[0] = copy[size + 1] = '"';
			if (json_validate(parsers[JSON_SCALAR], view_of(copy, size + 2))
			    != DROP_NONE)
				abort();
		}
		free(decoded);
		free(copy);
	}
	if (text.bytes[b->record[0].meta_at] != '}')
		abort();
}

static void walk(struct view text)
{
	struct json_walk *walk = json_walk_new(text);
	struct json_walk_string string;

	while (walk != NULL && json_walk_next(walk, &string))
		if (string.start >= string.end || string.end > text.size)
			abort();
	json_walk_free(walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + BATCH_FRAME_PADDING);
	struct view text = view_of(copy, size);
	const uint8_t *line_end = size == 0 ? NULL : memchr(bytes, '\n', size);
	size_t head = line_end == NULL ? size : (size_t)(line_end - bytes);
	size_t tail = line_end == NULL ? 0 : head + 1;
	struct view rows[ROWS] = {
		text,
		view_of(copy, head),
		view_of(copy + tail, size - tail),
		text,
	};

	if (images[0] == NULL)
		set_up();
	if (size != 0)
		memcpy(copy, bytes, size);
	walk(text);
	for (unsigned i = 0; i < 2; i++) {
		struct policy policy = policy_build_bare(images[i]);

		for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++) {
			if (parsers[level] == NULL)
				continue;
			memset(copy + size, "}\"0\\"[level], BATCH_FRAME_PADDING);
			parse(level, rows, &policy);
			compare(level);
			if (json_validate(parsers[level], text)
			    != json_validate(parsers[JSON_SCALAR], text))
				abort();
		}
		if (batches[JSON_SCALAR].reason[0] == DROP_NONE)
			check_cells(&batches[JSON_SCALAR]);
	}
	free(copy);
	return 0;
}
