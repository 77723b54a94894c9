#include "dataplane/pipeline/json_walk.h"
#include "io/base/limits.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <stdio.h>
#include <string.h>

static const struct walk_case {
	const char *text;
	const char *strings; // path=token, `#` in front of what is in strmMeta
	const char *meta;    // member, NULL = none
} walk_cases[] = {
	{"{}", "", NULL},
	{" { } ", "", NULL},
	{"{\"a\":\"x\",\"b\":1,\"c\":null,\"d\":\"y\"}", "a=\"x\" d=\"y\" ", NULL},
	{"{\"a\":{\"b\":{\"c\":\"x\"},\"d\":\"y\"},\"e\":\"z\"}",
	 "a/b/c=\"x\" a/d=\"y\" e=\"z\" ",
	 NULL},
	{"{\"a\":[\"x\",[\"y\",{\"b\":\"z\"}],\"v\"]}",
	 "a/*=\"x\" a/*/*=\"y\" a/*/*/b=\"z\" a/*=\"v\" ",
	 NULL},
	{"{\"a\":[],\"b\":{},\"c\":[[],{}],\"d\":\"x\"}", "d=\"x\" ", NULL},
	{"{\"a/b\":\"x\",\"~\":\"y\",\"~1\":\"z\",\"\":\"v\",\"*\":\"w\"}",
	 "a~1b=\"x\" ~0=\"y\" ~01=\"z\" =\"v\" *=\"w\" ",
	 NULL},
	{"{\"\\u0061\\/\":\"\\\"\\\\\"}", "a~1=\"\\\"\\\\\" ", NULL},
	{"{ \"a\" : [ 1 , \"x\" , true ] , \"b\" : \"y\" }", "a/*=\"x\" b=\"y\" ", NULL},
	{"{\"a\":\"x\",\"strmMeta\":{\"k\":[\"y\"]} ,\"b\":\"z\"}",
	 "a=\"x\" #strmMeta/k/*=\"y\" b=\"z\" ",
	 "\"strmMeta\":{\"k\":[\"y\"]}"},
	{"{\"strm\\u004deta\":\"x\"}", "#strmMeta=\"x\" ", "\"strm\\u004deta\":\"x\""},
	{"{\"strmMeta\" : 12 , \"a\":\"x\"}", "a=\"x\" ", "\"strmMeta\" : 12"},
	{"{\"a\":{\"strmMeta\":\"x\"}}", "a/strmMeta=\"x\" ", NULL},
	// Not valid: the walk ends, and reads nothing outside.
	{"", "", NULL},
	{"[\"x\"]", "", NULL},
	{"{\"a\":\"x\",\"b", "a=\"x\" ", NULL},
	{"{\"a\":\"x\\", "", NULL},
	{"{\"a\"", "", NULL},
	{"{\"a\":", "", NULL},
	{"{\"a\":[", "", NULL},
	{"{\"a\":1:2}", "", NULL},
};

static bool check_walk(const struct walk_case *c)
{
	size_t size = strlen(c->text);
	struct guarded page = guarded_new(size);
	struct view text = view_of(page.bytes, size);
	struct json_walk *walk = json_walk_new(text);
	struct json_walk_string string;
	struct json_walk_meta meta;
	char found[512] = "";
	bool is_right;

	memcpy(page.bytes, c->text, size);
	while (json_walk_next(walk, &string))
		snprintf(
			found + strlen(found),
			sizeof(found) - strlen(found),
			"%s%.*s=%.*s ",
			string.is_in_meta ? "#" : "",
			(int)string.path.size,
			(const char *)string.path.bytes,
			(int)(string.end - string.start),
			(const char *)text.bytes + string.start
		);
	meta = json_walk_meta(walk);
	is_right = strcmp(found, c->strings) == 0 && meta.is_found == (c->meta != NULL);
	if (is_right && c->meta != NULL)
		is_right = view_equal(
			view_of(text.bytes + meta.member_start, meta.end - meta.member_start),
			view_of_text(c->meta)
		);
	if (!is_right)
		fprintf(stderr, "%s: %s\n", c->text, found);
	json_walk_free(walk);
	guarded_free(&page);
	return is_right;
}

static void test_walks(void)
{
	for (size_t i = 0; i < sizeof(walk_cases) / sizeof(walk_cases[0]); i++)
		CHECK(check_walk(&walk_cases[i]));
	json_walk_free(NULL);
}

static void test_limits(void)
{
	static char text[4 * JSON_WALK_PATH_MAX];
	struct json_walk_string string;
	struct json_walk *walk;
	size_t size = 0;

	for (unsigned extra = 0; extra < 2; extra++) {
		memcpy(text, "{\"", 2);
		memset(text + 2, 'n', JSON_WALK_PATH_MAX + extra);
		size = 2 + JSON_WALK_PATH_MAX + extra;
		memcpy(text + size, "\":\"x\",\"b\":\"y\"}", 14);
		walk = json_walk_new(view_of(text, size + 14));
		CHECK_FATAL(json_walk_next(walk, &string));
		CHECK_EQUAL(string.is_path_cut, extra == 1);
		CHECK_EQUAL(string.path.size, JSON_WALK_PATH_MAX);
		CHECK_FATAL(json_walk_next(walk, &string));
		CHECK(!string.is_path_cut && string.path.size == 1);
		json_walk_free(walk);
	}
	for (unsigned extra = 0; extra < 2; extra++) {
		memcpy(text, "{\"a\":", 5);
		memset(text + 5, '[', EVENT_DEPTH_MAX);
		size = 5 + EVENT_DEPTH_MAX - 1 + extra;
		memcpy(text + size, "\"x\"", 3);
		walk = json_walk_new(view_of(text, size + 3));
		CHECK_EQUAL(json_walk_next(walk, &string), extra == 0);
		json_walk_free(walk);
	}
}

static const struct check_test tests[] = {
	{"paths and extents", test_walks},
	{"limits", test_limits},
};
CHECK_MAIN("json_walk")
