#include "dataplane/pipeline/json.h"
#include "tests/support/check.h"
#include "tests/support/data.h"
#include "tests/support/guarded.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

static struct json_parser *parsers[JSON_LEVEL_COUNT];

/** The parser of a level; NULL when this CPU lacks it. */
static struct json_parser *parser_of(enum json_level level)
{
	if (parsers[level] == NULL && json_parser_new(level, &parsers[level]) != SL_OK)
		return NULL;
	return parsers[level];
}

/** Verdict of all levels on a text that ends just before its padding does; -1 when they differ. */
static int validate(struct view text)
{
	struct guarded page = guarded_new(text.size + BATCH_FRAME_PADDING);
	int verdict = -2;

	if (text.size != 0)
		memcpy(page.bytes, text.bytes, text.size);
	memset(page.bytes + text.size, '}', BATCH_FRAME_PADDING);
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++) {
		struct json_parser *parser = parser_of(level);
		int answer;

		if (parser == NULL)
			continue;
		answer = (int)json_validate(parser, view_of(page.bytes, text.size));
		if (verdict == -2)
			verdict = answer;
		else if (verdict != answer)
			verdict = -1;
	}
	guarded_free(&page);
	return verdict;
}

static void test_suite(void)
{
	DIR *folder = opendir(data_path("json-test-suite"));
	struct dirent *entry;
	uint32_t count = 0;

	CHECK_FATAL(folder != NULL);
	while ((entry = readdir(folder)) != NULL) {
		char name[512];
		uint8_t *text;
		size_t size;
		int verdict;

		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		snprintf(name, sizeof(name), "json-test-suite/%s", entry->d_name);
		text = data_read(name, &size);
		verdict = validate(view_of(text, size));
		free(text);
		count++;
		if (verdict < 0 || (entry->d_name[0] == 'y' && verdict != DROP_NONE)
		    || (entry->d_name[0] == 'n' && verdict == DROP_NONE)) {
			fprintf(stderr, "%s: verdict %d\n", entry->d_name, verdict);
			CHECK(false);
		}
	}
	closedir(folder);
	CHECK(count >= 318);
}

static const struct text_case {
	const char *text;
	enum drop_reason reason;
} text_cases[] = {
	{"", DROP_SYNTAX},
	{"   ", DROP_SYNTAX},
	{"1", DROP_NONE},
	{" \"x\" ", DROP_NONE},
	{"\xef\xbb\xbf{}", DROP_SYNTAX},
	{"{} {}", DROP_SYNTAX},
	{"{}x", DROP_SYNTAX},
	{"[1] 2", DROP_SYNTAX},
	{"[[1] 2]", DROP_SYNTAX},
	{"[[1]2,3]", DROP_SYNTAX},
	{"[{}1]", DROP_SYNTAX},
	{"{\"a\":{}\"b\"}", DROP_SYNTAX},
	{"{\"a\":1 2}", DROP_SYNTAX},
	{"{\"a\" \"b\":1}", DROP_SYNTAX},
	{"{\"a\":\"b\"\"c\"}", DROP_SYNTAX},
	{"{\"a\":\"b\" \"c\"}", DROP_SYNTAX},
	{"{\"a\":\"b\"1}", DROP_SYNTAX},
	{"{\"a\"1:1}", DROP_SYNTAX},
	{"{1:1}", DROP_SYNTAX},
	{"{:1}", DROP_SYNTAX},
	{"{\"a\":}", DROP_SYNTAX},
	{"{\"a\"}", DROP_SYNTAX},
	{"{\"a\":1,}", DROP_SYNTAX},
	{"{,\"a\":1}", DROP_SYNTAX},
	{"{\"a\":1:2}", DROP_SYNTAX},
	{"{\"a\"::2}", DROP_SYNTAX},
	{"{\"a\":1]", DROP_SYNTAX},
	{"[1}", DROP_SYNTAX},
	{"[1:2]", DROP_SYNTAX},
	{"[,]", DROP_SYNTAX},
	{"[1,]", DROP_SYNTAX},
	{"[1,,2]", DROP_SYNTAX},
	{"]", DROP_SYNTAX},
	{"}", DROP_SYNTAX},
	{",", DROP_SYNTAX},
	{"\"a\",", DROP_SYNTAX},
	{"[", DROP_SYNTAX},
	{"{", DROP_SYNTAX},
	{"{\"a\":", DROP_SYNTAX},
	{"{\"a\":1", DROP_SYNTAX},
	{"{\"a", DROP_SYNTAX},
	{"[\"a\\\"]", DROP_SYNTAX},
	{"[\\\"a\"]", DROP_SYNTAX},
	{"\\\"\"", DROP_SYNTAX},
	{"[1\f]", DROP_SYNTAX},
	{"[\x1a]", DROP_SYNTAX},
	{"[\"a\x01\"]", DROP_SYNTAX},
	{"[\"a\tb\"]", DROP_SYNTAX},
	{"[\"\x7f\"]", DROP_NONE},
	{" [ 1 , { \"a\" : [ ] , \"b\" : { } } , null ]\r\n\t", DROP_NONE},
	{"[tru]", DROP_SYNTAX},
	{"[truer]", DROP_SYNTAX},
	{"[falsy]", DROP_SYNTAX},
	{"[nul]", DROP_SYNTAX},
	{"[True]", DROP_SYNTAX},
	{"[true,false,null]", DROP_NONE},
	{"[-]", DROP_SYNTAX},
	{"[-0]", DROP_NONE},
	{"[00]", DROP_SYNTAX},
	{"[-01]", DROP_SYNTAX},
	{"[0.5,1e5,1E-5,-1.25e+10]", DROP_NONE},
	{"[1.]", DROP_SYNTAX},
	{"[.5]", DROP_SYNTAX},
	{"[1e]", DROP_SYNTAX},
	{"[1e+]", DROP_SYNTAX},
	{"[+1]", DROP_SYNTAX},
	{"[0x10]", DROP_SYNTAX},
	{"[1234567890123456]", DROP_NONE},
	{"[12345678901234567890123456789]", DROP_NONE},
	{"[1234567890123456x]", DROP_SYNTAX},
	{"[123456789012345x]", DROP_SYNTAX},
	{"[01234567890123456]", DROP_SYNTAX},
	{"[\"\\b\\f\\n\\r\\t\\\"\\\\\\/\\u00e9\"]", DROP_NONE},
	{"[\"\\a\"]", DROP_SYNTAX},
	{"[\"\\u12\"]", DROP_SYNTAX},
	{"[\"\\u12g4\"]", DROP_SYNTAX},
	{"[\"\\ud83d\\ude00\"]", DROP_NONE},
	{"[\"\\ud83d\"]", DROP_SURROGATE},
	{"[\"\\ude00\"]", DROP_SURROGATE},
	{"[\"\\ude00\\ud83d\"]", DROP_SURROGATE},
	{"[\"\\ud83d\\ud83d\"]", DROP_SURROGATE},
	{"[\"\\ud83dx\"]", DROP_SURROGATE},
	{"[\"\\ud83d\\n\"]", DROP_SURROGATE},
	{"[\"\\ud83d\\u12\"]", DROP_SURROGATE},
	{"[\"\\ud83d\\\\ude00\"]", DROP_SURROGATE},
	{"[\"\\\\ud83d\"]", DROP_NONE},
	// The order of reasons: UTF-8 before all else, escapes before the grammar.
	{"[\"\\ud83d\xff\"", DROP_UTF8},
	{"[\"\\ud83d\"", DROP_SURROGATE},
	{"[\"\\ud83d\",\"\\x\"]", DROP_SURROGATE},
	{"[\"\\x\",\"\\ud83d\"]", DROP_SYNTAX},
	{"[\"\\ud83d]", DROP_SYNTAX},
	{"[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]", DROP_NONE},
	{"[\"\xc0\x80\"]", DROP_UTF8},
	{"[\"\xc1\xbf\"]", DROP_UTF8},
	{"[\"\xe0\x9f\xbf\"]", DROP_UTF8},
	{"[\"\xed\xa0\x80\"]", DROP_UTF8},
	{"[\"\xed\x9f\xbf\"]", DROP_NONE},
	{"[\"\xf0\x8f\xbf\xbf\"]", DROP_UTF8},
	{"[\"\xf4\x8f\xbf\xbf\"]", DROP_NONE},
	{"[\"\xf4\x90\x80\x80\"]", DROP_UTF8},
	{"[\"\xf5\x80\x80\x80\"]", DROP_UTF8},
	{"[\"\x80\"]", DROP_UTF8},
	{"[\"\xe2\x82\"]", DROP_UTF8},
	{"[\"\xc3", DROP_UTF8},
};

static void test_texts(void)
{
	for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
		int verdict = validate(view_of_text(text_cases[i].text));

		if (verdict != (int)text_cases[i].reason)
			fprintf(stderr, "%s: verdict %d\n", text_cases[i].text, verdict);
		CHECK_EQUAL(verdict, (int)text_cases[i].reason);
	}
}

/** Each text at every distance from the seams between blocks. */
static void test_seams(void)
{
	char text[512];

	for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
		struct view tail = view_of_text(text_cases[i].text);

		if (tail.bytes[0] == 0xef) // a BOM is one only at the start
			continue;
		for (size_t lead = 1; lead < 130; lead++) {
			memset(text, ' ', lead);
			memcpy(text + lead, tail.bytes, tail.size);
			CHECK_EQUAL(
				validate(view_of(text, lead + tail.size)), (int)text_cases[i].reason
			);
		}
	}
}

/** Runs of backslashes of every length across a seam. */
static void test_backslashes(void)
{
	char text[256];

	for (size_t lead = 50; lead < 70; lead++)
		for (size_t run = 0; run < 80; run++) {
			size_t size = lead + run;

			memset(text, 'x', lead);
			memcpy(text, "[\"", 2);
			memset(text + lead, '\\', run);
			memcpy(text + size, "\"]", 2);
			CHECK_EQUAL(
				validate(view_of(text, size + 2)),
				(int)(run % 2 == 0 ? DROP_NONE : DROP_SYNTAX)
			);
		}
}

/** Every pair and triple of lead and continuation bytes, against the definition. */
static void test_utf8_all(void)
{
	uint8_t text[80];

	memset(text, 'x', sizeof(text));
	text[0] = '"';
	for (uint32_t first = 0x7f; first < 256; first++)
		for (uint32_t second = 0x20; second < 256; second++) {
			bool is_pair =
				first >= 0xc2 && first <= 0xdf && second >= 0x80 && second <= 0xbf;
			bool is_ascii =
				first == 0x7f && second < 0x80 && second != '"' && second != '\\';
			size_t size = 62 + (first + second) % 4;

			if (second == '"' || second == '\\')
				continue;
			text[size] = (uint8_t)first;
			text[size + 1] = (uint8_t)second;
			text[size + 2] = '"';
			CHECK_EQUAL(
				validate(view_of(text, size + 3)),
				(int)(is_pair || is_ascii ? DROP_NONE : DROP_UTF8)
			);
			memset(text + 60, 'x', 20);
		}
}

static void test_depth(void)
{
	char text[2 * EVENT_DEPTH_MAX + 2];

	memset(text, '[', EVENT_DEPTH_MAX + 1);
	memset(text + EVENT_DEPTH_MAX + 1, ']', EVENT_DEPTH_MAX + 1);
	CHECK_EQUAL(validate(view_of(text, sizeof(text))), (int)DROP_DEPTH);
	CHECK_EQUAL(validate(view_of(text + 1, sizeof(text) - 2)), (int)DROP_NONE);
	CHECK_EQUAL(validate(view_of(text, EVENT_DEPTH_MAX)), (int)DROP_SYNTAX);
}

static void test_size(void)
{
	struct guarded page = guarded_new(EVENT_SIZE_MAX + 1);

	memset(page.bytes, '[', page.size);
	CHECK_EQUAL(validate(view_of(page.bytes, page.size)), (int)DROP_SIZE);
	CHECK_EQUAL(validate(view_of(page.bytes, page.size - 1)), (int)DROP_DEPTH);
	for (size_t i = 1; i < page.size - 2; i += 2)
		memcpy(page.bytes + i, "1,", 2);
	memcpy(page.bytes + EVENT_SIZE_MAX - 3, "11]", 3);
	CHECK_EQUAL(validate(view_of(page.bytes, EVENT_SIZE_MAX)), (int)DROP_NONE);
	guarded_free(&page);
}

static void test_text_codec(void)
{
	static const char *const pairs[][2] = {
		{"plain", "plain"},
		{"", ""},
		{"a\\\"\\\\b\\b\\f\\n\\r\\t", "a\"\\b\b\f\n\r\t"},
		{"\\u0001\\u001f", "\x01\x1f"},
		{"\x7f\xc3\xa9", "\x7f\xc3\xa9"},
	};
	static const char *const spellings[][2] = {
		{"\\u0065\\u00E9\\u20ac\\ud83d\\uDE00x", "e\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80x"},
		{"\\/", "/"},
		{"\\\\u0065", "\\u0065"},
	};
	uint8_t out[64];
	size_t size;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size = json_escape(view_of_text(pairs[i][1]), out);
		CHECK(view_equal(view_of(out, size), view_of_text(pairs[i][0])));
		size = json_unescape(view_of_text(pairs[i][0]), out);
		CHECK(view_equal(view_of(out, size), view_of_text(pairs[i][1])));
	}
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		size = json_unescape(view_of_text(spellings[i][0]), out);
		CHECK(view_equal(view_of(out, size), view_of_text(spellings[i][1])));
	}
	size = json_unescape(view_of_text("\\u0000"), out);
	CHECK(size == 1 && out[0] == 0);
	size = json_escape(view_of("\0", 1), out);
	CHECK(view_equal(view_of(out, size), view_of_text("\\u0000")));
}

static void test_levels(void)
{
	struct json_parser *parser;

	CHECK_EQUAL(json_parser_new(JSON_LEVEL_COUNT, &parser), SL_E_UNSUPPORTED);
	CHECK_FATAL(json_parser_new(JSON_SCALAR, &parser) == SL_OK);
	CHECK_EQUAL(json_parser_level(parser), JSON_SCALAR);
	json_parser_free(parser);
	setenv("SEALANE_JSON", "scalar", 1);
	CHECK_FATAL(json_parser_new(JSON_AUTO, &parser) == SL_OK);
	CHECK_EQUAL(json_parser_level(parser), JSON_SCALAR);
	json_parser_free(parser);
	unsetenv("SEALANE_JSON");
	json_parser_free(NULL);
}

static void test_done(void)
{
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		json_parser_free(parsers[level]);
}

static const struct check_test tests[] = {
	{"JSONTestSuite at every level", test_suite},
	{"texts", test_texts},
	{"seams between blocks", test_seams},
	{"runs of backslashes", test_backslashes},
	{"UTF-8", test_utf8_all},
	{"depth", test_depth},
	{"size", test_size},
	{"escape and unescape", test_text_codec},
	{"levels", test_levels},
	{"release", test_done},
};
CHECK_MAIN("json_validate")
