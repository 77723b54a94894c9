#include "dataplane/pipeline/csv.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <string.h>

static const struct build_field fields[] = {
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "time"},
	{.path = "customer/id", .flags = POLICY_FIELD_REQUIRED},
	{.path = "a~1b"},
	{0},
};
static const struct build builds[] = {
	{.fields = fields, .format = POLICY_CSV, .key = "user", .subject = "user", .time = "time"},
	{.fields = fields,
	 .format = POLICY_CSV,
	 .key = "user",
	 .csv_separator = ';',
	 .undeclared = POLICY_UNDECLARED_DROP},
};

static struct batch batch;

/** A text whose padding holds what a reader past its end would take for more of it. */
static struct guarded padded(struct view text)
{
	struct guarded page = guarded_new(text.size + BATCH_FRAME_PADDING);

	if (text.size != 0)
		memcpy(page.bytes, text.bytes, text.size);
	memset(page.bytes + text.size, '"', BATCH_FRAME_PADDING);
	return page;
}

static const struct header_case {
	const char *text;
	enum sl_status status;
	const char *fields; // row of the field of each column, `.` = undeclared
} header_cases[] = {
	{"user,time,customer/id", SL_OK, "012"},
	{"\xef\xbb\xbfuser,x,customer/id,a/b,time", SL_OK, "0.231"},
	{"\"us\"\"er\",user,customer/id", SL_OK, ".02"},
	{"\"user\",\"customer/id\",a~1b", SL_OK, "023"},
	{"\xef\xbb\xbf\"user\",customer/id", SL_OK, "02"},
	{"user,customer/id,user", SL_E_SYNTAX, NULL},
	{"user,customer/id,x,\"x\"", SL_E_SYNTAX, NULL},
	{"user,customer/id,a/b,a~1b", SL_E_SYNTAX, NULL},
	{"user,,customer/id", SL_E_SYNTAX, NULL},
	{"", SL_E_SYNTAX, NULL},
	{"user,cust\"omer", SL_E_SYNTAX, NULL},
	{"user,\"customer/id", SL_E_SYNTAX, NULL},
	{"user,customer/id,\xff", SL_E_SYNTAX, NULL},
	{"time,customer/id", SL_E_NOT_FOUND, NULL},
	{"user,time", SL_E_NOT_FOUND, NULL},
	{"user;customer/id", SL_E_NOT_FOUND, NULL},
	{"user,customer/id,strmMeta.keyLink", SL_E_EXISTS, NULL},
	{"strmMeta,user,customer/id", SL_E_EXISTS, NULL},
};

static void test_headers(void)
{
	struct policy_image *image = policy_build(&builds[0]);

	for (size_t i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++) {
		const struct header_case *c = &header_cases[i];
		struct guarded page = guarded_new(strlen(c->text));
		struct csv_header *header = NULL;
		struct problem problem = {0};
		enum sl_status status;

		memcpy(page.bytes, c->text, strlen(c->text));
		status = csv_header_read(
			view_of(page.bytes, strlen(c->text)), image, &header, &problem
		);

		if (status != c->status)
			fprintf(stderr, "%s: %s\n", c->text, problem.what);
		CHECK_EQUAL(status, c->status);
		CHECK((status == SL_OK) == (problem.what[0] == '\0'));
		if (status == SL_OK && c->fields != NULL) {
			CHECK_EQUAL(header->column_count, strlen(c->fields));
			for (uint32_t n = 0; n < header->column_count; n++)
				CHECK_EQUAL(
					header->columns[n].field,
					c->fields[n] == '.' ? POLICY_NONE : c->fields[n] - '0'
				);
		}
		csv_header_free(header);
		guarded_free(&page);
	}
	csv_header_free(NULL);
	free(image);
}

static void test_too_many_columns(void)
{
	struct policy_image *image = policy_build(&builds[0]);
	static char text[8 * (CSV_COLUMNS_MAX + 2)] = "user,customer/id";
	struct csv_header *header;
	struct problem problem;
	size_t size = strlen(text);

	for (int n = 2; n < CSV_COLUMNS_MAX; n++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, ",c%d", n);
	CHECK_FATAL(csv_header_read(view_of(text, size), image, &header, &problem) == SL_OK);
	CHECK_EQUAL(header->column_count, CSV_COLUMNS_MAX);
	csv_header_free(header);
	memcpy(text + size, ",z", 3);
	CHECK_EQUAL(
		csv_header_read(view_of(text, size + 2), image, &header, &problem), SL_E_TOO_BIG
	);
	free(image);
}

static const struct row_case {
	const char *text;
	size_t size; // 0 = strlen(text)
	enum drop_reason reason;
	const char *cells; // token and flags: n null, ! escaped, ? undeclared, ^ first
} row_cases[] = {
	{"u,1,x,c", 0, DROP_NONE, "[u][1][c]"},
	{",,,", 0, DROP_NONE, "[]n[]n[]n"},
	{"\"\",\"\",,\"\"", 0, DROP_NONE, "[\"\"][\"\"][\"\"]"},
	{"\"a,b\",\"c\nd\r\n\",\"x\",\"\"\"\"", 0, DROP_NONE, "[\"a,b\"][\"c\nd\r\n\"][\"\"\"\"]!"},
	{" u , 1 , , c ", 0, DROP_NONE, "[ u ][ 1 ][ c ]"},
	{"0123456789abcdefg,0123456789abcdef,x,0123456789abcde",
	 0,
	 DROP_NONE,
	 "[0123456789abcdefg][0123456789abcdef][0123456789abcde]"},
	{"\xc3\xa9,\xf0\x9f\x98\x80,x,y", 0, DROP_NONE, "[\xc3\xa9][\xf0\x9f\x98\x80][y]"},
	{"u,1,x", 0, DROP_COLUMNS, NULL},
	{"u,1,x,c,", 0, DROP_COLUMNS, NULL},
	{"u,1,x,c,\"", 0, DROP_SYNTAX, NULL},
	{"", 0, DROP_COLUMNS, NULL},
	{"u\",1,x,c", 0, DROP_SYNTAX, NULL},
	{"u\"\",1,x,c", 0, DROP_SYNTAX, NULL},
	{"\"u\"x,1,x,c", 0, DROP_SYNTAX, NULL},
	{"\"u\" ,1,x,c", 0, DROP_SYNTAX, NULL},
	{"\"u,1,x,c", 0, DROP_SYNTAX, NULL},
	{"\"u\"\",1,x,c", 0, DROP_SYNTAX, NULL},
	{"u\r,1,x,c", 0, DROP_SYNTAX, NULL},
	{"u\n,1,x,c", 0, DROP_SYNTAX, NULL},
	{"u,1,x,c\r", 0, DROP_SYNTAX, NULL},
	{"u\0,1,x,c", 8, DROP_SYNTAX, NULL},
	{"\"u\0\",1,x,c", 10, DROP_SYNTAX, NULL},
	{"u,1,x,\xff", 0, DROP_UTF8, NULL},
	{"u,1,\xc3,x", 0, DROP_UTF8, NULL},
	{"u,1,\xed\xa0\x80,x", 0, DROP_UTF8, NULL},
};

static void print_cells(char *out, size_t size)
{
	const struct record *record = &batch.record[0];

	out[0] = '\0';
	for (uint32_t i = 0; i < record->cell_count; i++) {
		const struct cell *cell = &batch.cell[record->first_cell + i];

		snprintf(
			out + strlen(out),
			size - strlen(out),
			"[%.*s]%s%s%s%s",
			(int)(cell->end - cell->start),
			(const char *)batch.frame[0].bytes + cell->start,
			cell->kind == CELL_NULL ? "n" : "",
			cell->flags & CELL_ESCAPED ? "!" : "",
			cell->flags & CELL_UNDECLARED ? "?" : "",
			cell->flags & CELL_FIRST ? "^" : ""
		);
	}
}

static void parse(struct view frame, const struct policy *policy, const struct csv_header *header)
{
	batch.row_count = batch.live_count = 1;
	batch.live[0] = 0;
	batch.reason[0] = DROP_NONE;
	batch.frame[0] = frame;
	csv_parse_batch(&batch, policy, header);
}

static void test_rows(void)
{
	struct policy_image *image = policy_build(&builds[0]);
	struct policy policy = policy_build_bare(image);
	struct csv_header *header;
	struct problem problem;

	CHECK_FATAL(
		csv_header_read(view_of_text("user,time,x,customer/id"), image, &header, &problem)
		== SL_OK
	);
	for (size_t i = 0; i < sizeof(row_cases) / sizeof(row_cases[0]); i++) {
		const struct row_case *c = &row_cases[i];
		size_t size = c->size == 0 ? strlen(c->text) : c->size;
		struct guarded page = padded(view_of(c->text, size));
		char cells[256];

		parse(view_of(page.bytes, size), &policy, header);
		CHECK_EQUAL(batch.reason[0], c->reason);
		CHECK_EQUAL(batch.live_count, c->reason == DROP_NONE ? 1 : 0);
		print_cells(cells, sizeof(cells));
		if (strcmp(cells, c->cells == NULL ? "" : c->cells) != 0)
			fprintf(stderr, "%s: cells %s\n", c->text, cells);
		CHECK(strcmp(cells, c->cells == NULL ? "" : c->cells) == 0);
		if (c->reason == DROP_NONE) {
			CHECK_EQUAL(batch.record[0].key_cell, 0);
			CHECK_EQUAL(batch.record[0].subject_cell, 0);
			CHECK_EQUAL(batch.record[0].time_cell, 1);
			CHECK_EQUAL(batch.record[0].consent_cell, UINT32_MAX);
		}
		guarded_free(&page);
	}
	csv_header_free(header);
	free(image);
}

static void test_undeclared(void)
{
	struct policy_image *image = policy_build(&builds[1]);
	struct policy policy = policy_build_bare(image);
	struct csv_header *header;
	struct problem problem;
	char cells[256];
	static const char text[64 + BATCH_FRAME_PADDING] = "\"a\"\"\";u;;\"c\";z";

	CHECK_FATAL(
		csv_header_read(view_of_text("x;user;y;customer/id;z"), image, &header, &problem)
		== SL_OK
	);
	parse(view_of_text(text), &policy, header);
	CHECK_EQUAL(batch.reason[0], DROP_NONE);
	print_cells(cells, sizeof(cells));
	CHECK(strcmp(cells, "[\"a\"\"\"]!?^[u][]n?[\"c\"][z]?") == 0);
	CHECK_EQUAL(batch.cell[0].member_start, 0);
	CHECK_EQUAL(batch.cell[0].member_next, 5);
	CHECK_EQUAL(batch.cell[2].node, 2);
	CHECK_EQUAL(batch.cell[4].member_next, strlen(text));
	csv_header_free(header);
	free(image);
}

static void test_cells_of_a_row(void)
{
	static const char text[64 + BATCH_FRAME_PADDING] = "a,,\"b\"\"\",";
	struct view record = view_of_text(text);
	static const struct csv_cell expected[] = {
		{0, 1, false, false},
		{2, 2, false, false},
		{3, 8, true, true},
		{9, 9, false, false}};
	struct csv_cell cell;
	uint32_t at = 0;

	for (size_t i = 0; i < 4; i++) {
		CHECK_FATAL(csv_next_cell(record, ',', &at, &cell) == CSV_CELL);
		CHECK_EQUAL(cell.start, expected[i].start);
		CHECK_EQUAL(cell.end, expected[i].end);
		CHECK_EQUAL(cell.is_quoted, expected[i].is_quoted);
		CHECK_EQUAL(cell.is_escaped, expected[i].is_escaped);
	}
	CHECK_EQUAL(csv_next_cell(record, ',', &at, &cell), CSV_END);
	CHECK_EQUAL(csv_next_cell(record, ',', &at, &cell), CSV_END);
}

static void test_unescape(void)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"a", "a"},
		{"\"\"", ""},
		{"\"a\"", "a"},
		{"\"\"\"\"", "\""},
		{"\"a\"\"b\"\"\"", "a\"b\""},
		{"\"a,\nb\"", "a,\nb"},
		{" a", " a"},
	};
	uint8_t out[32];

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t size = csv_unescape(view_of_text(pairs[i][0]), out);

		CHECK(view_equal(view_of(out, size), view_of_text(pairs[i][1])));
	}
}

/**
 * What the framer relies on: a line feed ends a record exactly when an even number of quotes went before
 * it in the record. For records that are CSV, that cut gives back the records that went in.
 */
static void test_records_by_quote_parity(void)
{
	static const char *const records[] = {
		"a,b", "\"a\nb\",c", "\"\"\"\n\"\"\",\"\n\"", "", "\"\"", "\"\"\"\"\"\n\""};
	char text[256 + BATCH_FRAME_PADDING] = "";
	size_t size = 0;
	size_t start = 0;
	size_t found = 0;
	bool is_quoted = false;

	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
		size += (size_t)snprintf(text + size, 256 - size, "%s\n", records[i]);
	for (size_t at = 0; at < size; at++) {
		struct csv_cell cell;
		enum csv_step step;
		uint32_t next = 0;

		is_quoted ^= text[at] == '"';
		if (text[at] != '\n' || is_quoted)
			continue;
		CHECK(view_equal(view_of(text + start, at - start), view_of_text(records[found])));
		do
			step = csv_next_cell(view_of(text + start, at - start), ',', &next, &cell);
		while (step == CSV_CELL);
		CHECK_EQUAL(step, CSV_END);
		start = at + 1;
		found++;
	}
	CHECK_EQUAL(found, sizeof(records) / sizeof(records[0]));
}

static void test_limits(void)
{
	struct policy_image *image = policy_build(&builds[1]);
	struct policy policy = policy_build_bare(image);
	static char names[8 * EVENT_CELLS_MAX] = "user;customer/id";
	static char row[EVENT_SIZE_MAX + 1 + BATCH_FRAME_PADDING];
	struct csv_header *header;
	struct problem problem;
	size_t size = strlen(names);

	for (int n = 2; n <= EVENT_CELLS_MAX; n++)
		size += (size_t)snprintf(names + size, sizeof(names) - size, ";c%d", n);
	memset(row, ';', sizeof(row));
	CHECK_FATAL(csv_header_read(view_of(names, size), image, &header, &problem) == SL_OK);
	parse(view_of(row, EVENT_CELLS_MAX), &policy, header);
	CHECK_EQUAL(batch.reason[0], DROP_CELLS);
	CHECK_EQUAL(batch.cell_count, 0);
	parse(view_of(row, EVENT_SIZE_MAX + 1), &policy, header);
	CHECK_EQUAL(batch.reason[0], DROP_SIZE);
	csv_header_free(header);
	size = (size_t)(strrchr(names, ';') - names);
	CHECK_FATAL(csv_header_read(view_of(names, size), image, &header, &problem) == SL_OK);
	parse(view_of(row, EVENT_CELLS_MAX - 1), &policy, header);
	CHECK_EQUAL(batch.reason[0], DROP_NONE);
	CHECK_EQUAL(batch.cell_count, EVENT_CELLS_MAX);
	csv_header_free(header);
	free(image);
}

static const struct check_test tests[] = {
	{"headers", test_headers},
	{"too many columns", test_too_many_columns},
	{"rows", test_rows},
	{"undeclared columns", test_undeclared},
	{"cells of a row", test_cells_of_a_row},
	{"unescape", test_unescape},
	{"records by quote parity", test_records_by_quote_parity},
	{"limits", test_limits},
};
CHECK_MAIN("csv")
