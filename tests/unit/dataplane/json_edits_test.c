#include "dataplane/pipeline/json.h"
#include "tests/support/check.h"
#include "tests/support/data.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

// The real edits: every cell against jansson's reading of the same line, and mutated lines at all levels
// against each other.

enum {
	MUTATIONS = 60000,
	MUTATED_SIZE_MAX = 2048
};

static const struct build_field fields[] = {
	{.path = "time"},
	{.path = "channel"},
	{.path = "cityName", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "comment", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "countryName", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "page"},
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "delta"},
	{0},
};
static const struct build builds[] = {
	{.fields = fields, .key = "user", .subject = "user", .time = "time"},
	{.fields = fields,
	 .key = "user",
	 .subject = "user",
	 .time = "time",
	 .undeclared = POLICY_UNDECLARED_SEAL,
	 .undeclared_purpose = 4,
	 .duplicates = POLICY_DUPLICATES_SEAL},
};

static struct batch batches[JSON_LEVEL_COUNT];
static struct json_parser *parsers[JSON_LEVEL_COUNT];

static void make_parsers(void)
{
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		if (json_parser_new(level, &parsers[level]) != SL_OK)
			parsers[level] = NULL;
	CHECK_FATAL(parsers[JSON_SCALAR] != NULL);
}

static void free_parsers(void)
{
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		json_parser_free(parsers[level]);
}

static void parse(
	enum json_level level,
	const struct view *lines,
	uint32_t count,
	const struct policy *policy
)
{
	struct batch *b = &batches[level];

	b->row_count = b->live_count = count;
	for (uint32_t i = 0; i < count; i++) {
		b->live[i] = (uint8_t)i;
		b->reason[i] = DROP_NONE;
		b->reason_field[i] = POLICY_NONE;
		b->frame[i] = lines[i];
	}
	json_parse_batch(parsers[level], b, policy);
}

/** Is the cell's token what jansson read there? */
static bool is_value(const uint8_t *text, const struct cell *cell, const json_t *value)
{
	uint8_t decoded[2048];
	char number[64];
	size_t size = cell->end - cell->start;
	bool is_escaped;

	switch (json_typeof(value)) {
	case JSON_STRING:
		is_escaped = memchr(text + cell->start, '\\', size) != NULL;
		size = json_unescape(view_of(text + cell->start + 1, size - 2), decoded);
		return cell->kind == CELL_STRING
			&& is_escaped == ((cell->flags & CELL_ESCAPED) != 0)
			&& size == json_string_length(value)
			&& memcmp(decoded, json_string_value(value), size) == 0;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
		return cell->kind == CELL_NUMBER && size == strlen(number)
			&& memcmp(text + cell->start, number, size) == 0;
	case JSON_TRUE:
		return cell->kind == CELL_TRUE && size == 4;
	case JSON_FALSE:
		return cell->kind == CELL_FALSE && size == 5;
	case JSON_NULL:
		return cell->kind == CELL_NULL && size == 4;
	case JSON_OBJECT:
	case JSON_ARRAY:
	case JSON_REAL:
	default:
		return false; // the edits have none
	}
}

/** Check all cells of a row; returns how many are right. */
static uint32_t check_row(const struct batch *b, uint32_t i, const struct policy *policy)
{
	const struct record *record = &b->record[i];
	const uint8_t *text = b->frame[i].bytes;
	json_t *event = json_loadb((const char *)text, b->frame[i].size, 0, NULL);
	uint32_t right = 0;
	uint32_t position = 0;

	for (uint32_t n = 0; n < record->cell_count; n++) {
		const struct cell *cell = &b->cell[record->first_cell + n];
		struct view name;

		if (cell->start < position || event == NULL)
			break;
		position = cell->end;
		if (cell->flags & CELL_UNDECLARED) {
			const uint8_t *start = text + cell->member_start + 1;

			name = view_of(
				start,
				(size_t)((const uint8_t *)strchr((const char *)start, '"') - start)
			);
		} else {
			name = policy_view_of(policy->image, policy->fields[cell->field].path);
		}
		right += is_value(
			text, cell, json_object_getn(event, (const char *)name.bytes, name.size)
		);
	}
	if (right == json_object_size(event) && (text[record->meta_at] != '}' || record->is_empty))
		right = 0;
	json_decref(event);
	return right;
}

static void check_edits(
	const struct data_lines *edits,
	const struct build *build,
	uint32_t expected
)
{
	struct policy_image *image = policy_build(build);
	struct policy policy = policy_build_bare(image);

	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++) {
		const struct batch *b = &batches[level];
		uint64_t wrong = 0;

		for (size_t at = 0; parsers[level] != NULL && at < edits->count; at += BATCH_MAX) {
			size_t left = edits->count - at;

			parse(level,
			      edits->line + at,
			      left < BATCH_MAX ? (uint32_t)left : BATCH_MAX,
			      &policy);
			wrong += b->row_count - b->live_count;
			batch_foreach_live (b, n, i)
				wrong += check_row(b, i, &policy) != expected
					|| b->cell[b->record[i].key_cell].field != image->key_field
					|| b->record[i].subject_cell != b->record[i].key_cell
					|| b->cell[b->record[i].time_cell].field
						!= image->time_field;
		}
		CHECK_EQUAL(wrong, 0);
	}
	free(image);
}

static void test_edits(void)
{
	struct data_lines edits = data_read_lines("wikipedia-edits.ndjson.gz");

	make_parsers();
	CHECK_EQUAL(edits.count, 39244);
	check_edits(&edits, &builds[0], 8);
	check_edits(&edits, &builds[1], 20);
	free_parsers();
	data_lines_done(&edits);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/** Change a few bytes: swap, insert, delete, repeat a piece, cut the end off. */
static size_t mutate(uint8_t *text, size_t size, uint64_t *state)
{
	static const char letters[] =
		"{}[]:,\"\\ \t\n0-1.eEtnfu\x01\x1f\x7f\x80\xbf\xc2\xe0\xed\xf0\xf4";
	uint64_t steps = 1 + next_random(state) % 3;

	for (uint64_t i = 0; i < steps && size > 1; i++) {
		size_t at = next_random(state) % size;
		uint8_t letter = (uint8_t)letters[next_random(state) % (sizeof(letters) - 1)];
		size_t piece = next_random(state) % 40;

		switch (next_random(state) % 9) {
		case 0:
		case 1:
			text[at] = letter;
			break;
		case 2:
		case 3:
			memmove(text + at + 1, text + at, size++ - at);
			text[at] = letter;
			break;
		case 4:
		case 5:
			memmove(text + at, text + at + 1, --size - at);
			break;
		case 6:
			size = at + 1;
			break;
		default:
			if (piece > size - at)
				piece = size - at;
			memmove(text + at + piece, text + at, size - at);
			size += piece;
			break;
		}
		if (size > MUTATED_SIZE_MAX - 64)
			size = MUTATED_SIZE_MAX - 64;
	}
	return size;
}

static bool is_same(const struct batch *a, const struct batch *b)
{
	return memcmp(a->reason, b->reason, a->row_count * sizeof(a->reason[0])) == 0
		&& memcmp(a->reason_field,
			  b->reason_field,
			  a->row_count * sizeof(a->reason_field[0]))
		== 0
		&& a->cell_count == b->cell_count
		&& memcmp(a->record, b->record, a->row_count * sizeof(a->record[0])) == 0
		&& memcmp(a->cell, b->cell, a->cell_count * sizeof(a->cell[0])) == 0;
}

/** What lies behind a text must not matter: at times what was cut off, which would make it whole. */
static void put_behind(uint8_t *end, const uint8_t *cut, enum json_level level, uint32_t round)
{
	if (round % 4 < 2)
		memcpy(end, cut, BATCH_FRAME_PADDING);
	else
		memset(end, "}\"0\\"[level], BATCH_FRAME_PADDING);
}

/** Mutated edits, each behind a whole one, by whose shape the parser tries to read it. */
static void test_mutations(void)
{
	struct data_lines edits = data_read_lines("wikipedia-edits.ndjson.gz");
	struct policy_image *images[] = {policy_build(&builds[0]), policy_build(&builds[1])};
	struct guarded page = guarded_new(MUTATED_SIZE_MAX + BATCH_FRAME_PADDING);
	uint64_t state = 20150911;
	uint32_t counts[DROP_COUNT] = {0};
	uint32_t differences = 0;

	make_parsers();
	for (uint32_t i = 0; i < MUTATIONS; i++) {
		struct policy policy = policy_build_bare(images[i % 2]);
		struct view line = edits.line[next_random(&state) % edits.count];
		uint8_t text[MUTATED_SIZE_MAX] = {0};
		struct view frame;

		memcpy(text, line.bytes, line.size);
		frame.size = mutate(text, line.size, &state);
		frame.bytes = page.bytes + page.size - BATCH_FRAME_PADDING - frame.size;
		memcpy((uint8_t *)frame.bytes, text, frame.size);
		for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++) {
			if (parsers[level] == NULL)
				continue;
			put_behind(
				(uint8_t *)frame.bytes + frame.size, text + frame.size, level, i
			);
			parse(level, (struct view[]){line, frame}, 2, &policy);
			differences += !is_same(&batches[JSON_SCALAR], &batches[level]);
		}
		counts[batches[JSON_SCALAR].reason[1]]++;
	}
	CHECK_EQUAL(differences, 0);
	CHECK(counts[DROP_NONE] > MUTATIONS / 10);
	CHECK(counts[DROP_SYNTAX] > MUTATIONS / 10);
	CHECK(counts[DROP_UTF8] > MUTATIONS / 100);
	CHECK(counts[DROP_DUPLICATE] > 10);
	guarded_free(&page);
	free_parsers();
	free(images[0]);
	free(images[1]);
	data_lines_done(&edits);
}

static const struct check_test tests[] = {
	{"39,244 edits", test_edits},
	{"mutated edits", test_mutations},
};
CHECK_MAIN("json_edits")
