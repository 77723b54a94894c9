#include "dataplane/pipeline/stages.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <string.h>

// Cells as the CSV parser makes them: an unquoted cell without text is null, every other is a string.

enum {
	COLUMNS_MAX = 8,
	SCRATCH_SIZE = 1 << 12
};

static const char *const sizes[] = {"s", "m\"l", NULL};

static const struct build_field fields[] = {
	{.path = "user", .type = POLICY_STRING, .flags = POLICY_FIELD_PERSONAL},
	{.path = "at"},
	{.path = "consent"},
	{.path = "count", .type = POLICY_INTEGER, .flags = POLICY_FIELD_NULLABLE},
	{.path = "price",
	 .type = POLICY_NUMBER,
	 .flags = POLICY_FIELD_NULLABLE | POLICY_FIELD_HAS_MAX,
	 .range_max = "99.5"},
	{.path = "open", .type = POLICY_BOOLEAN},
	{.path = "size", .one_of = sizes, .flags = POLICY_FIELD_NULLABLE},
	{0},
};

static const struct build build = {
	.fields = fields,
	.format = POLICY_CSV,
	.key = "user",
	.time = "at",
	.time_form = POLICY_TIME_EPOCH_S,
	.consent = "consent",
	.consent_otherwise = 1 << 9,
};

static const struct row_case {
	const char *cells[COLUMNS_MAX]; // in order of the fields
	enum drop_reason reason;
	const char *field;
	const char *user; // its text
	uint64_t consent;
} cases[] = {
	{{"u", "1", "1", "1", "1.5", "true", "s"}, DROP_NONE, NULL, "u", 2},
	{{"\"u\"", "\"1\"", "\"[1,2]\"", "\"-7\"", "\"1e1\"", "\"false\"", "\"s\""},
	 DROP_NONE,
	 NULL,
	 "u",
	 6},
	{{"\"\"", "1", "", "", "", "true", ""}, DROP_NONE, NULL, "", 1 << 9},
	{{"", "1", "x", "", "", "true", ""}, DROP_NONE, NULL, "", 1 << 9}, // an empty key is a key
	{{"\"a\"\"b\"", "1", "3", "", "", "true", "\"m\"\"l\""}, DROP_NONE, NULL, "a\"b", 8},
	{{"\"\"\"\"\"\"", "1", "3", "", "", "true", ""}, DROP_NONE, NULL, "\"\"", 8},
	{{"u", "", "", "", "", "true", ""}, DROP_TIME_MISSING, "at", NULL, 0},
	{{"u", "\"\"", "", "", "", "true", ""}, DROP_TIME_FORM, "at", NULL, 0},
	{{"u", "x", "", "", "", "true", ""}, DROP_TIME_FORM, "at", NULL, 0},
	{{"u", "1", "", "1.0", "", "true", ""}, DROP_TYPE, "count", NULL, 0},
	{{"u", "1", "", "01", "", "true", ""}, DROP_TYPE, "count", NULL, 0},
	{{"u", "1", "", "\"\"", "", "true", ""}, DROP_TYPE, "count", NULL, 0},
	{{"u", "1", "", "", "1.", "true", ""}, DROP_TYPE, "price", NULL, 0},
	{{"u", "1", "", "", "99.51", "true", ""}, DROP_RANGE, "price", NULL, 0},
	{{"u", "1", "", "", "", "TRUE", ""}, DROP_TYPE, "open", NULL, 0},
	{{"u", "1", "", "", "", "1", ""}, DROP_TYPE, "open", NULL, 0},
	{{"u", "1", "", "", "", "", ""}, DROP_TYPE, "open", NULL, 0},
	{{"u", "1", "", "", "", "true", "xl"}, DROP_ONE_OF, "size", NULL, 0},
	{{"u", "1", "", "", "", "true", "\"\""}, DROP_ONE_OF, "size", NULL, 0},
};

static struct guarded fill(
	struct batch *b,
	const char *const cells[],
	uint8_t scratch[SCRATCH_SIZE]
)
{
	char line[256] = "";
	struct guarded frame;

	*b = (struct batch){.row_count = 1, .live_count = 1};
	for (uint32_t c = 0; c < COLUMNS_MAX && cells[c] != NULL; c++) {
		size_t size = strlen(cells[c]);
		size_t at = strlen(line) + (c != 0);

		(void)snprintf(
			line + at - (c != 0), sizeof(line) - at, "%s%s", c != 0 ? "," : "", cells[c]
		);
		b->cell[c] = (struct cell){
			.start = (uint32_t)at,
			.end = (uint32_t)(at + size),
			.field = (uint16_t)c,
			.kind = size == 0 ? CELL_NULL : CELL_STRING,
		};
		if (size > 2 && strstr(cells[c] + 1, "\"\"") != NULL)
			b->cell[c].flags = CELL_ESCAPED;
		b->cell_count++;
	}
	frame = guarded_new(strlen(line) + BATCH_FRAME_PADDING);
	memcpy(frame.bytes, line, strlen(line));
	b->frame[0] = view_of(frame.bytes, strlen(line));
	b->scratch = (struct room){.bytes = scratch, .capacity = SCRATCH_SIZE};
	b->reason_field[0] = POLICY_NONE;
	b->record[0] = (struct record){
		.cell_count = b->cell_count,
		.key_cell = 0,
		.time_cell = 1,
		.consent_cell = 2,
		.subject_cell = UINT32_MAX,
	};
	return frame;
}

static void cells_are_checked_by_their_text(void)
{
	struct policy_image *image = policy_build(&build);
	static struct batch b;
	uint8_t scratch[SCRATCH_SIZE];
	struct problem problem;
	struct policy *policy;

	CHECK_FATAL(policy_bind(image, &policy, &problem) == SL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guarded frame = fill(&b, cases[i].cells, scratch);
		uint16_t field = cases[i].field == NULL
			? POLICY_NONE
			: policy_build_field_row(image, cases[i].field);

		contract_match(&b, policy, 0);
		CHECK_EQUAL(b.reason[0], cases[i].reason);
		CHECK_EQUAL(b.reason_field[0], field);
		if (cases[i].reason == DROP_NONE) {
			CHECK(view_equal(b.text[0], view_of_text(cases[i].user)));
			CHECK_EQUAL(b.consent[0], cases[i].consent);
		}
		guarded_free(&frame);
	}
	policy_unbind(policy);
	free(image);
}

static void a_row_that_drops_leaves_the_others(void)
{
	struct policy_image *image = policy_build(&build);
	static struct batch b;
	uint8_t scratch[SCRATCH_SIZE];
	struct guarded frame = fill(&b, cases[0].cells, scratch);
	struct problem problem;
	struct policy *policy;

	// Three rows over the same text; the middle one has no time.
	CHECK_FATAL(policy_bind(image, &policy, &problem) == SL_OK);
	for (uint8_t i = 0; i < 3; i++) {
		b.frame[i] = b.frame[0];
		b.record[i] = b.record[0];
		b.live[i] = i;
	}
	b.row_count = b.live_count = 3;
	b.record[1].time_cell = UINT32_MAX;
	contract_match(&b, policy, 0);
	CHECK_EQUAL(b.live_count, 2);
	CHECK_EQUAL(b.live[0], 0);
	CHECK_EQUAL(b.live[1], 2);
	CHECK_EQUAL(b.reason[1], DROP_TIME_MISSING);
	guarded_free(&frame);
	policy_unbind(policy);
	free(image);
}

static const struct check_test tests[] = {
	{"cells are checked by their text", cells_are_checked_by_their_text},
	{"a row that drops leaves the others", a_row_that_drops_leaves_the_others},
};

CHECK_MAIN("dataplane/match_csv")
