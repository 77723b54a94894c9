#include "bench/load/stock.h"
#include "bench/load/stock_line.h"
#include "tests/support/check.h"
#include "tests/support/data.h"
#include "tests/support/scratch.h"

#include <jansson.h>
#include <stdio.h>

static struct stock_options options_for(const char *path)
{
	return (struct stock_options){
		.path = path,
		.count = 2000,
		.escape_share = 0.25,
		.subject = "user",
		.text = "comment",
		.seed = 3,
	};
}

static json_t *parse(const struct stock_event *event)
{
	json_t *object = json_loadb((const char *)event->bytes, event->size, 0, NULL);

	CHECK_FATAL(json_is_object(object));
	return object;
}

static void check_text(const json_t *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(object, name));

	CHECK(text != NULL && strcmp(text, expected) == 0);
}

/** Events of the real edits: all valid, all as long as asked, stamped as told. */
static void test_edits(void)
{
	struct stock_options o = options_for(data_path("wikipedia-edits.ndjson.gz"));
	struct problem problem;
	struct stock stock;
	size_t largest = 0;

	o.size = 512;
	o.number = "n";
	CHECK_FATAL(stock_make(&o, &stock, &problem) == SL_OK);
	CHECK_EQUAL(stock.count, 2000);
	for (uint32_t i = 0; i < stock.count; i++) {
		char number[32];
		char user[32];
		json_t *object;

		stock_stamp(&stock.events[i], i, 9000000000000000ull + i);
		snprintf(user, sizeof(user), "user-%08u", i);
		snprintf(number, sizeof(number), "900000000000%04u", i);
		object = parse(&stock.events[i]);
		check_text(object, "user", user);
		check_text(object, "n", number);
		CHECK(json_string_length(json_object_get(object, "comment")) <= 400);
		CHECK(stock.events[i].number_at % 2 == 0);
		largest = stock.events[i].size > largest ? stock.events[i].size : largest;
		json_decref(object);
	}
	CHECK(stock.size > 505ull * 2000 && stock.size < 519ull * 2000);
	CHECK(largest >= 560);
	CHECK(stock.escape_count > 2000 * 0.22 && stock.escape_count < 2000 * 0.30);
	stock_done(&stock);
}

static void test_as_they_come(void)
{
	struct stock_options o = options_for(data_path("wikipedia-edits.ndjson.gz"));
	struct data_lines lines = data_read_lines("wikipedia-edits.ndjson.gz");
	struct problem problem;
	struct stock stock;

	o.escape_share = 0;
	CHECK_FATAL(stock_make(&o, &stock, &problem) == SL_OK);
	for (uint32_t i = 0; i < stock.count; i++) {
		json_t *was =
			json_loadb((const char *)lines.line[i].bytes, lines.line[i].size, 0, NULL);
		json_t *is = parse(&stock.events[i]);

		json_object_del(was, "user");
		json_object_del(is, "user");
		CHECK(json_equal(was, is));
		json_decref(was);
		json_decref(is);
	}
	data_lines_done(&lines);
	stock_done(&stock);
}

static const char *write_lines(const char *text)
{
	const char *path = scratch_path("events.ndjson");

	scratch_write(path, text, strlen(text));
	return path;
}

/** Text that is cut stays text: no half of an escape, of a pair of them, or of a character is left. */
static void test_cut_text(void)
{
	const char *line = "{\"comment\":\"a\\\"b\\u00e9\\ud83d\\ude00c\\\\\xc3\xa9\xf0\x9f\x98\x80"
			   "\\n\",\"user\":\"x\"}\n";
	struct stock_options o = options_for(write_lines(line));
	struct problem problem;

	o.count = 64;
	o.escape_share = 0;
	for (o.size = 30; o.size < 90; o.size++) {
		struct stock stock;

		CHECK_FATAL(stock_make(&o, &stock, &problem) == SL_OK);
		for (uint32_t i = 0; i < stock.count; i++)
			json_decref(parse(&stock.events[i]));
		stock_done(&stock);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *lines;
		enum sl_status status;
	} cases[] = {
		{"", SL_E_SYNTAX},
		{"\n \n", SL_E_SYNTAX},
		{"{\"user\":\"a\"}\n", SL_E_SYNTAX},
		{"{\"user\":1,\"comment\":\"b\"}\n", SL_E_SYNTAX},
		{"{\"inner\":{\"user\":\"a\"},\"comment\":\"b\"}\n", SL_E_SYNTAX},
		{"{\"user\":\"a\",\"comment\":\"b\"}\n{}\n", SL_E_SYNTAX},
	};
	struct problem problem;
	struct stock stock;
	struct stock_options o;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		o = options_for(write_lines(cases[i].lines));
		CHECK_EQUAL(stock_make(&o, &stock, &problem), cases[i].status);
	}
	CHECK(strstr(problem.what, "row 2") != NULL);
	o = options_for("/nowhere/at/all");
	CHECK_EQUAL(stock_make(&o, &stock, &problem), SL_E_NOT_FOUND);
	o = options_for(write_lines("{\"user\":\"a\",\"comment\":\"b\"}\n"));
	o.text = "user";
	CHECK_EQUAL(stock_make(&o, &stock, &problem), SL_E_INVALID);
	o.text = "comment";
	o.count = 0;
	CHECK_EQUAL(stock_make(&o, &stock, &problem), SL_E_INVALID);
}

static void test_find_member(void)
{
	static const struct {
		const char *line;
		const char *inside; // NULL = not found
	} cases[] = {
		{"{\"a\":\"b\"}", "b"},
		{" { \"a\" : \"b\" } ", "b"},
		{"{\"x\":\"a\",\"a\":\"\"}", ""},
		{"{\"x\":{\"a\":\"no\"},\"y\":[\"a\",\"no\"],\"a\":\"yes\"}", "yes"},
		{"{\"x\":\"\\\"a\\\":\",\"a\":\"q\\\"\\\\\"}", "q\\\"\\\\"},
		{"{\"a\":1,\"b\":\"2\"}", NULL},
		{"{\"a\":[\"1\"]}", NULL},
		{"{\"a\":null}", NULL},
		{"{\"x\":\"a\"}", NULL},
		{"{}", NULL},
		{"", NULL},
		{"{\"a\":\"unended", NULL},
		{"{\"a", NULL},
		{"{\"a\\", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct view inside;
		bool is_found = stock_line_find(view_of_text(cases[i].line), "a", &inside);

		CHECK_EQUAL(is_found, cases[i].inside != NULL);
		CHECK(!is_found || cases[i].inside == NULL
		      || view_equal(inside, view_of_text(cases[i].inside)));
	}
}

static const struct check_test tests[] = {
	{"events of the real edits", test_edits},
	{"events as they come", test_as_they_come},
	{"text that is cut", test_cut_text},
	{"files and options that are refused", test_refused},
	{"members of a line", test_find_member},
};
CHECK_MAIN("stock")
