#include "dataplane/pipeline/json.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <string.h>

// Contracts by letter, so that a case names its own.

static const struct build_field fields_flat[] = {
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "email", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "time"},
	{.path = "a name of more than sixteen bytes"},
	{.path = "a~1b~0c"},
	{.path = "exactly16bytes.."},
	{.path = "eightbyt"},
	{0},
};
static const struct build_field fields_deep[] = {
	{.path = "id"},
	{.path = "customer/id"},
	{.path = "customer/address/street", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "tags/*/label", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "grid/*/*"},
	{.path = "consents/level"},
	{0},
};

enum contract {
	FLAT,
	FLAT_DROP,
	FLAT_REPEAT,
	DEEP,
	DEEP_SEAL,
	DEEP_REPEAT,
	CONTRACT_COUNT
};

static const struct build contracts[CONTRACT_COUNT] = {
	[FLAT] = {.fields = fields_flat, .key = "user", .time = "time"},
	[FLAT_DROP] =
		{.fields = fields_flat,
		 .key = "user",
		 .subject = "user",
		 .time = "time",
		 .undeclared = POLICY_UNDECLARED_DROP},
	[FLAT_REPEAT] =
		{.fields = fields_flat,
		 .key = "user",
		 .time = "time",
		 .duplicates = POLICY_DUPLICATES_SEAL},
	[DEEP] =
		{.fields = fields_deep,
		 .key = "id",
		 .subject = "customer/id",
		 .consent = "consents/level"},
	[DEEP_SEAL] =
		{.fields = fields_deep,
		 .key = "id",
		 .subject = "customer/id",
		 .undeclared = POLICY_UNDECLARED_SEAL,
		 .undeclared_purpose = 3},
	[DEEP_REPEAT] =
		{.fields = fields_deep,
		 .key = "id",
		 .subject = "customer/id",
		 .duplicates = POLICY_DUPLICATES_SEAL},
};

static struct batch batch;
static struct json_parser *parsers[JSON_LEVEL_COUNT];

static void put(char *out, size_t size, struct view text)
{
	size_t used = strlen(out);

	snprintf(out + used, size - used, "%.*s", (int)text.size, (const char *)text.bytes);
}

/**
 * The cells of row 0 as text: `path=token`, `?name:token` for undeclared ones with `^` behind the
 * question mark for the first of its object, `!` behind what has escapes; then roles.
 */
static void print_cells(const struct policy_image *image, char *out, size_t size)
{
	const struct record *record = &batch.record[0];
	const uint8_t *text = batch.frame[0].bytes;
	const uint32_t roles[] = {
		record->key_cell, record->subject_cell, record->time_cell, record->consent_cell};

	out[0] = '\0';
	for (uint32_t i = 0; i < record->cell_count; i++) {
		const struct cell *cell = &batch.cell[record->first_cell + i];
		uint32_t start = cell->start;

		if (cell->flags & CELL_UNDECLARED) {
			CHECK_EQUAL(cell->field, POLICY_NONE);
			CHECK(text[cell->member_next] == ',' || text[cell->member_next] == '}');
			put(out, size, view_of_text(cell->flags & CELL_FIRST ? "?^" : "?"));
			start = cell->member_start;
		} else {
			put(out, size, policy_view_of(image, policy_fields(image)[cell->field].path)
			);
			put(out, size, view_of_text("="));
		}
		put(out, size, view_of(text + start, cell->end - start));
		put(out, size, view_of_text(cell->flags & CELL_ESCAPED ? "! " : " "));
	}
	for (unsigned i = 0; i < 4; i++)
		if (roles[i] != UINT32_MAX)
			snprintf(
				out + strlen(out), size - strlen(out), "%c%u", "kstc"[i], roles[i]
			);
}

static void parse(enum json_level level, const struct policy *policy, struct view frame)
{
	batch.row_count = batch.live_count = 1;
	batch.live[0] = 0;
	batch.reason[0] = DROP_NONE;
	batch.reason_field[0] = POLICY_NONE;
	batch.frame[0] = frame;
	json_parse_batch(parsers[level], &batch, policy);
}

static const struct parse_case {
	enum contract contract;
	const char *text;
	enum drop_reason reason;
	const char *about; // cells, or path of reason_field
} parse_cases[] = {
	{FLAT, "{}", DROP_NONE, ""},
	{FLAT, "{\"user\":\"u\"}", DROP_NONE, "user=\"u\" k0"},
	{FLAT, " { \"user\" : \"u\" , \"x\" : 1 } ", DROP_NONE, "user=\"u\" k0"},
	{FLAT,
	 "{\"email\":null,\"time\":12,\"user\":{\"a\":[1,{}]}}",
	 DROP_NONE,
	 "email=null time=12 user={\"a\":[1,{}]} k2t1"},
	{FLAT, "{\"x\":{\"user\":\"u\"},\"y\":[{\"user\":1}]}", DROP_NONE, ""},
	{FLAT, "{\"us\\u0065r\":\"u\"}", DROP_NONE, "user=\"u\" k0"},
	{FLAT, "{\"\\u0065mail\":\"a\\n\"}", DROP_NONE, "email=\"a\\n\"! "},
	{FLAT, "{\"em\\u0061il\":\"a\",\"q\":\"\\\\\"}", DROP_NONE, "email=\"a\" "},
	{FLAT, "{\"emai\":1,\"emaill\":2,\"Email\":3,\"\":4}", DROP_NONE, ""},
	{FLAT, "{\"a/b~c\":1,\"a~1b~0c\":2}", DROP_NONE, "a~1b~0c=1 "},
	{FLAT, "{\"a\\/b~c\":1}", DROP_NONE, "a~1b~0c=1 "},
	{FLAT,
	 "{\"a name of more than sixteen bytes\":1,\"a name of more than sixteen bytez\":2}",
	 DROP_NONE,
	 "a name of more than sixteen bytes=1 "},
	{FLAT,
	 "{\"exactly16bytes..\":1,\"exactly16bytes.,\":2,\"eightbyt\":3,\"eightbyu\":4,"
	 "\"eightbyteightbyt\":5}",
	 DROP_NONE,
	 "exactly16bytes..=1 eightbyt=3 "},
	{FLAT, "{\"user\":true,\"email\":false}", DROP_NONE, "user=true email=false k0"},
	{FLAT, "[]", DROP_NOT_OBJECT, NULL},
	{FLAT, "[1", DROP_SYNTAX, NULL},
	{FLAT, "1", DROP_NOT_OBJECT, NULL},
	{FLAT, "", DROP_SYNTAX, NULL},
	{FLAT, "{\"user\":1,\"user\":2}", DROP_DUPLICATE, "user"},
	{FLAT, "{\"email\":1,\"em\\u0061il\":2}", DROP_DUPLICATE, "email"},
	{FLAT, "{\"x\":1,\"x\":2}", DROP_NONE, ""},
	{FLAT, "{\"user\":1,\"user\":2", DROP_SYNTAX, NULL},
	{FLAT, "{\"user\":1,\"user\":2,}", DROP_SYNTAX, NULL},
	{FLAT_REPEAT, "{\"user\":1,\"user\":2}", DROP_DUPLICATE, "user"},
	{FLAT_REPEAT, "{\"time\":1,\"time\":2}", DROP_DUPLICATE, "time"},
	{FLAT_REPEAT, "{\"email\":1,\"email\":2}", DROP_NONE, "email=1 email=2 "},
	{FLAT, "{\"strmMeta\":{}}", DROP_META_PRESENT, NULL},
	{FLAT, "{\"strm\\u004deta\":1}", DROP_META_PRESENT, NULL},
	{FLAT, "{\"x\":{\"strmMeta\":1}}", DROP_NONE, ""},
	{FLAT, "{\"strmMeta\":1", DROP_SYNTAX, NULL},
	{FLAT, "{\"strmMeta\":1,\"x\":\"\\ud800\"}", DROP_SURROGATE, NULL},
	{FLAT_DROP, "{\"user\":1}", DROP_NONE, "user=1 k0s0"},
	{FLAT_DROP,
	 "{\"x\":1 ,\"user\":2,\"y\": \"\\n\"}",
	 DROP_NONE,
	 "?^\"x\":1 user=2 ?\"y\": \"\\n\"! k1s1"},
	{FLAT_DROP,
	 "{\"user\":{\"z\":1},\"x\":{\"user\":1,\"z\":[2]} , \"y\":[] }",
	 DROP_NONE,
	 "user={\"z\":1} ?\"x\":{\"user\":1,\"z\":[2]} ?\"y\":[] k0s0"},
	{FLAT_DROP, "{\"\\u0078\":null}", DROP_NONE, "?^\"\\u0078\":null "},
	{DEEP,
	 "{\"id\":1,\"customer\":{\"id\":\"c\",\"x\":0,\"address\":{\"street\":\"s\"}},"
	 "\"consents\":{\"level\":[2]}}",
	 DROP_NONE,
	 "id=1 customer/id=\"c\" customer/address/street=\"s\" consents/level=[2] k0s1c3"},
	{DEEP,
	 "{\"tags\":[{\"label\":\"a\",\"x\":{\"label\":1}},null,{},{\"label\":[\"b\"]}]}",
	 DROP_NONE,
	 "tags/*/label=\"a\" tags/*/label=[\"b\"] "},
	{DEEP,
	 "{\"tags\":{\"p\":{\"label\":1},\"q\":{\"l\\u0061bel\":2}}}",
	 DROP_NONE,
	 "tags/*/label=1 tags/*/label=2 "},
	{DEEP,
	 "{\"grid\":[[1,2],[],{\"x\":[3],\"x\":4},null]}",
	 DROP_NONE,
	 "grid/*/*=1 grid/*/*=2 grid/*/*=[3] grid/*/*=4 "},
	{DEEP, "{\"customer\":null,\"tags\":null}", DROP_NONE, ""},
	{DEEP, "{\"customer\":\"c\"}", DROP_TYPE, "customer/id"},
	{DEEP, "{\"customer\":[{\"id\":1}]}", DROP_TYPE, "customer/id"},
	{DEEP, "{\"customer\":{\"address\":1}}", DROP_TYPE, "customer/address/street"},
	{DEEP, "{\"tags\":true}", DROP_TYPE, "tags/*/label"},
	{DEEP, "{\"tags\":[1]}", DROP_TYPE, "tags/*/label"},
	{DEEP, "{\"tags\":[[{\"label\":1}]]}", DROP_TYPE, "tags/*/label"},
	{DEEP, "{\"grid\":[1]}", DROP_TYPE, "grid/*/*"},
	{DEEP, "{\"grid\":[1]", DROP_SYNTAX, NULL},
	{DEEP, "{\"customer\":{},\"customer\":{}}", DROP_DUPLICATE, "customer/id"},
	{DEEP, "{\"tags\":[{\"label\":1,\"label\":2}]}", DROP_DUPLICATE, "tags/*/label"},
	{DEEP,
	 "{\"tags\":[{\"label\":1},{\"label\":2}]}",
	 DROP_NONE,
	 "tags/*/label=1 tags/*/label=2 "},
	{DEEP_REPEAT, "{\"customer\":{},\"customer\":{}}", DROP_DUPLICATE, "customer/id"},
	{DEEP_REPEAT,
	 "{\"customer\":{\"address\":{\"street\":1},\"address\":{\"street\":2,\"street\":3}}}",
	 DROP_NONE,
	 "customer/address/street=1 customer/address/street=2 customer/address/street=3 "},
	{DEEP_SEAL,
	 "{\"a\":1,\"customer\":{\"b\":{\"id\":2},\"address\":{\"c\":[3],\"d\":4}},"
	 "\"tags\":[{\"e\":5},{\"label\":6,\"f\":7}]}",
	 DROP_NONE,
	 "?^\"a\":1 ?^\"b\":{\"id\":2} ?^\"c\":[3] ?\"d\":4 ?^\"e\":5 tags/*/label=6 ?\"f\":7 "},
};

static bool check_case(
	const struct parse_case *c,
	const struct policy *policy,
	enum json_level level
)
{
	char cells[1024];
	size_t size = strlen(c->text);
	struct guarded page = guarded_new(size + BATCH_FRAME_PADDING);
	bool is_right;

	memcpy(page.bytes, c->text, size);
	memset(page.bytes + size, '"', BATCH_FRAME_PADDING);
	parse(level, policy, view_of(page.bytes, size));
	is_right = batch.reason[0] == c->reason
		&& batch.live_count == (c->reason == DROP_NONE ? 1u : 0u);
	if (is_right && c->reason == DROP_NONE) {
		print_cells(policy->image, cells, sizeof(cells));
		is_right = strcmp(cells, c->about) == 0
			&& batch.record[0].is_empty == (strcmp(c->text, "{}") == 0)
			&& page.bytes[batch.record[0].meta_at] == '}'
			&& batch.cell_count == batch.record[0].cell_count;
		if (!is_right)
			fprintf(stderr, "level %d: %s: cells %s\n", level, c->text, cells);
	} else if (is_right) {
		uint16_t field = c->about == NULL ? POLICY_NONE
						  : policy_build_field_row(policy->image, c->about);

		is_right = batch.reason_field[0] == field && batch.cell_count == 0;
	}
	if (!is_right)
		fprintf(stderr,
			"level %d: %s: %s, field %u\n",
			level,
			c->text,
			drop_counter(batch.reason[0]),
			batch.reason_field[0]);
	guarded_free(&page);
	return is_right;
}

static void test_cases(void)
{
	struct policy_image *images[CONTRACT_COUNT];

	for (unsigned i = 0; i < CONTRACT_COUNT; i++)
		images[i] = policy_build(&contracts[i]);
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++) {
		if (json_parser_new(level, &parsers[level]) != SL_OK)
			continue;
		// Twice: the second time the parser remembers names.
		for (unsigned round = 0; round < 2; round++)
			for (size_t i = 0; i < sizeof(parse_cases) / sizeof(parse_cases[0]); i++) {
				struct policy policy =
					policy_build_bare(images[parse_cases[i].contract]);

				CHECK(check_case(&parse_cases[i], &policy, level));
			}
		json_parser_free(parsers[level]);
	}
	for (unsigned i = 0; i < CONTRACT_COUNT; i++)
		free(images[i]);
}

/** An image at the address of an older one: nothing of the older may be remembered. */
static void test_policy_swap(void)
{
	struct policy_image *first = policy_build(&contracts[FLAT]);
	struct policy_image *second = policy_build(&contracts[DEEP]);
	size_t size = first->size > second->size ? first->size : second->size;
	struct policy_image *place = malloc(size);
	struct policy policy;
	static const char text[64 + BATCH_FRAME_PADDING] = "{\"user\":1,\"id\":2}";

	CHECK_FATAL(place != NULL && json_parser_new(JSON_AUTO, &parsers[JSON_AUTO]) == SL_OK);
	memcpy(place, first, first->size);
	policy = policy_build_bare(place);
	parse(JSON_AUTO, &policy, view_of_text(text));
	CHECK_EQUAL(batch.record[0].cell_count, 1);
	CHECK_EQUAL(batch.cell[0].start, 8);
	memcpy(place, second, second->size);
	policy = policy_build_bare(place);
	parse(JSON_AUTO, &policy, view_of_text(text));
	CHECK_EQUAL(batch.record[0].cell_count, 1);
	CHECK_EQUAL(batch.cell[0].start, 15);
	json_parser_free(parsers[JSON_AUTO]);
	free(place);
	free(first);
	free(second);
}

/** Cells, depth and size at their limits and one beyond, in one batch with good rows between. */
static void test_limits(void)
{
	struct policy_image *image = policy_build(&contracts[DEEP]);
	struct policy policy = policy_build_bare(image);
	static char many[2][8 * EVENT_CELLS_MAX + 64 + BATCH_FRAME_PADDING];
	static char deep[2][2 * EVENT_DEPTH_MAX + 64 + BATCH_FRAME_PADDING];
	static char large[EVENT_SIZE_MAX + 1 + BATCH_FRAME_PADDING];

	static const enum drop_reason reasons[] = {
		DROP_NONE, DROP_CELLS, DROP_NONE, DROP_DEPTH, DROP_SIZE, DROP_NONE};

	static const char last[64 + BATCH_FRAME_PADDING] = "{\"id\":7}";
	const char *texts[] = {many[0], many[1], deep[0], deep[1], large, last};
	struct json_parser *parser;

	for (unsigned i = 0; i < 2; i++) {
		memcpy(many[i], "{\"grid\":[[0", 12);
		for (unsigned n = 1; n < EVENT_CELLS_MAX + i; n++)
			memcpy(many[i] + strlen(many[i]), ",1", 3);
		memcpy(many[i] + strlen(many[i]), "]]}", 4);
		memcpy(deep[i], "{\"x\":", 6);
		memset(deep[i] + 5, '[', EVENT_DEPTH_MAX - 1 + i);
		memset(deep[i] + strlen(deep[i]), ']', EVENT_DEPTH_MAX - 1 + i);
		memcpy(deep[i] + strlen(deep[i]), "}", 2);
	}
	memset(large, ' ', EVENT_SIZE_MAX + 1);
	CHECK_FATAL(json_parser_new(JSON_AUTO, &parser) == SL_OK);
	batch.row_count = batch.live_count = 6;
	for (uint8_t i = 0; i < 6; i++) {
		batch.live[i] = i;
		batch.reason[i] = DROP_NONE;
		batch.frame[i] = view_of_text(texts[i]);
	}
	json_parse_batch(parser, &batch, &policy);
	for (unsigned i = 0; i < 6; i++)
		CHECK_EQUAL(batch.reason[i], reasons[i]);
	CHECK_EQUAL(batch.reason_field[1], policy_build_field_row(image, "grid/*/*"));
	CHECK_EQUAL(batch.live_count, 3);
	CHECK_EQUAL(batch.record[0].cell_count, EVENT_CELLS_MAX);
	CHECK_EQUAL(batch.record[5].first_cell, EVENT_CELLS_MAX);
	CHECK_EQUAL(batch.record[5].key_cell, EVENT_CELLS_MAX);
	CHECK_EQUAL(batch.cell_count, EVENT_CELLS_MAX + 1);
	json_parser_free(parser);
	free(image);
}

static const struct check_test tests[] = {
	{"cells and drops", test_cases},
	{"another policy at the same address", test_policy_swap},
	{"limits", test_limits},
};
CHECK_MAIN("json_parse")
