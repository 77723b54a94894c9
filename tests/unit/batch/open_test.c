#include "dataplane/batch/open.h"
#include "tests/support/check.h"
#include "tests/support/open_scene.h"

#include <stdio.h>
#include <string.h>

static const char contract[] =
	"contract: test/event/1.0.0\n"
	"state: active\n"
	"format: json\n"
	"key: user\n"
	"undeclared: seal\n"
	"undeclared_purpose: 3\n"
	"duplicates: seal\n"
	"fields:\n"
	"  user: {type: string, personal: 1}\n"
	"  note: {type: string, personal: 2, iv: random, nullable: true, unreadable: null}\n"
	"  age: {type: integer, personal: 2, unreadable: 0}\n"
	"  flag: {type: boolean, personal: 2, unreadable: false}\n"
	"  geo/position: {type: array, personal: 2}\n"
	"  tags/*/label: {type: string, personal: 1}\n"
	"  map/*: {personal: 2}\n"
	"  deep/*/x/*/y: {personal: 2, unreadable: null}\n"
	"  a~1b: {type: string, personal: 2}\n"
	"  m~0n/c: {type: string, personal: 2}\n"
	"  open: {type: object}\n"
	"  strict: {type: string, personal: 4, unreadable: fail}\n";

static const char *const round_trips[] = {
	"{\"user\":\"Ann\"}",
	"{ \"user\" : \"Ann\" }",
	"\t{\"user\":\"Ann\" \t}\r",
	"{\"user\":\"\"}",
	"{\"user\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\"}",
	"{\"user\":\"Bj\xc3\xb6rk \xf0\x9f\x98\x80\",\"note\":null}",
	"{\"user\":\"A\",\"age\":-44,\"flag\":true,\"note\":\"x\"}",
	"{\"user\":\"A\",\"flag\":false,\"age\":0}",
	"{\"user\":\"A\",\"geo\":{\"position\":[ 1.50, -2e7 , [\"x\"]]}}",
	"{\"user\":\"A\",\"tags\":[{\"label\":\"one\"},{\"label\":\"two\"}]}",
	"{\"user\":\"A\",\"tags\":{\"p\":{\"label\":\"one\"},\"q/r\":{\"label\":\"two\"}}}",
	"{\"user\":\"A\",\"map\":{\"k\":\"v\",\"k2\":12,\"~\":[1],\"\":{\"z\": null}}}",
	"{\"user\":\"A\",\"map\":[\"v\",true,{}]}",
	"{\"user\":\"A\",\"deep\":[{\"x\":{\"n\":{\"y\":1},\"m\":{\"y\":\"s\"}}}]}",
	"{\"user\":\"A\",\"deep\":{\"d\":{\"x\":{\"n\":{\"y\":[]}}},\"e\":{\"x\":[{\"y\":2}]}}}",
	"{\"user\":\"A\",\"a/b\":\"slash\",\"m~n\":{\"c\":\"tilde\"}}",
	"{\"user\":\"A\",\"unknown\":\"s\",\"more\":{\"x\":[1,2]},\"n\":1.0e5,\"z\":null}",
	"{\"user\":\"A\",\"\":\"no name\"}",
	"{\"user\":\"A\",\"geo\":{\"\":7,\"other\":\"x\"}}",
	"{\"user\":\"A\",\"tags\":[{\"label\":\"l\",\"more\":\"m\",\"n\":{}}]}",
	"{\"user\":\"A\",\"open\":{\"strmMeta\":\"inner\",\"x\":"
	"\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\"}}",
	"{\"\\u0075ser\":\"A\",\"no\\u0074e\":\"x\"}",
};

/** Lists come out as they are: names with a line feed or a tab, spelt as escapes. */
static char *row_text(const char *row)
{
	size_t size = strlen(row);
	char *text = malloc(size + 2);

	memcpy(text, row, size);
	memcpy(text + size, "\n", 2);
	return text;
}

static void check_opened(const struct open_setup *setup, const char *sealed, const char *row)
{
	struct open_result r = open_scene_open(setup, sealed, false);
	char *wanted = row_text(row);

	if (strlen(sealed) < 4096 && (r.status != SL_OK || strcmp(r.text, wanted) != 0))
		fprintf(stderr,
			"%s\n  sealed %s  became %s  %s\n",
			row,
			sealed,
			r.text,
			r.problem.what);
	CHECK_EQUAL(r.status, SL_OK);
	CHECK(strcmp(r.text, wanted) == 0);
	free(wanted);
	free(r.text);
}

static void test_round_trips(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	struct keys_file *keys;

	for (size_t i = 0; i < sizeof(round_trips) / sizeof(round_trips[0]); i++) {
		char *sealed = open_scene_seal(s, view_of_text(round_trips[i]));
		struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};

		CHECK(strncmp(sealed, "{\"deadLetter\"", 13) != 0);
		CHECK(strstr(sealed, "strmMeta") != NULL);
		check_opened(&setup, sealed, round_trips[i]);
		keys = open_scene_export(s, 0x1e);
		setup = (struct open_setup){.keys = keys, .purposes = UINT64_MAX};
		check_opened(&setup, sealed, round_trips[i]);
		keys_file_free(keys);
		free(sealed);
	}
	open_scene_free(s);
}

/** Undeclared names so long that their path is cut. */
static void test_long_names(void)
{
	static const size_t sizes[] = {229, 230, 231, 239, 240, 241, 300, 4096, 5000, 100000};
	struct open_scene *s = open_scene_new(contract, NULL);
	const struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};

	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t size = sizes[i / 2];
		char *row = calloc(1, size + 64);
		char *sealed;

		snprintf(row, 64, "{\"user\":\"A\",\"");
		memset(row + strlen(row), 'n', size);
		snprintf(row + strlen(row), 16, "\":%s}", i % 2 ? "\"x\"" : "[7]");
		sealed = open_scene_seal(s, view_of_text(row));
		CHECK(strstr(sealed, "\"x\"") == NULL && strstr(sealed, "[7]") == NULL);
		check_opened(&setup, sealed, row);
		free(sealed);
		free(row);
	}
	open_scene_free(s);
}

/** A whole event near the limit: sealing takes it beyond what the parser takes. */
static void test_big_event(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	const struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};
	const size_t size = EVENT_SIZE_MAX - 64;
	char *row = calloc(1, size + 64);
	char *sealed;

	snprintf(row, 64, "{\"user\":\"A\",\"note\":\"");
	memset(row + strlen(row), 'x', size - strlen(row));
	snprintf(row + size, 8, "\"}");
	sealed = open_scene_seal(s, view_of_text(row));
	CHECK(strlen(sealed) > EVENT_SIZE_MAX);
	check_opened(&setup, sealed, row);
	free(sealed);
	free(row);
	open_scene_free(s);
}

#define META                                                                                       \
	"\"strmMeta\":{\"eventContractRef\":\"x/y/"                                                \
	"1.0.0\",\"nonce\":0,\"timestamp\":1,\"keyLink\":"                                         \
	"\"018f3c8e-7d2a-7c11-9b1e-2f5a6c7d8e9f\",\"billingId\":null,\"consentLevels\":[]}"

/** Where strmMeta stands and what is left without it; NULL = refused. */
static const struct {
	const char *before;
	const char *after;
} meta_cases[] = {
	{"{" META "}", "{}"},
	{"{ " META "}", "{ }"},
	{" { \t" META " } ", " { \t } "},
	{"{\"a\":1," META "}", "{\"a\":1}"},
	{"{\"a\":1 ," META "}", "{\"a\":1 }"},
	{"{\"a\":1, " META " }", "{\"a\":1 }"},
	{"{" META ",\"a\":1}", "{\"a\":1}"},
	{"{\"b\":{}," META ",\"a\":1}", "{\"b\":{},\"a\":1}"},
	{"{\"a\":{\"strmMeta\":1}," META "}", "{\"a\":{\"strmMeta\":1}}"},
	{"{\"a\":\"\\\"strmMeta\\\":\"," META "}", "{\"a\":\"\\\"strmMeta\\\":\"}"},
	{"{\"a\":1}", NULL},
	{"{}", NULL},
	{"[]", NULL},
	{"{\"strmMeta\":1}", NULL},
	{"{\"strmMeta\":{\"keyLink\":\"018f3c8e\"}}", NULL},
	{"{\"strmMeta\":{\"keyLink\":null}}", NULL},
	{"{" META "," META "}", NULL},
	{"{\"a\":1," META, NULL},
	{"{\"a\":1," META "}x", NULL},
	{"nonsense", NULL},
	{"\x01\xff\xfe", NULL},
};

static void test_meta(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	const struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};

	for (size_t i = 0; i < sizeof(meta_cases) / sizeof(meta_cases[0]); i++) {
		struct open_result r;

		if (meta_cases[i].after != NULL) {
			check_opened(&setup, meta_cases[i].before, meta_cases[i].after);
			continue;
		}
		r = open_scene_open(&setup, meta_cases[i].before, false);
		CHECK_EQUAL(r.status, SL_E_SYNTAX);
		CHECK_EQUAL(r.problem.row, 1);
		CHECK(r.problem.remedy[0] != '\0' && r.size == 0);
		free(r.text);
	}
	open_scene_free(s);
}

static const char unreadable_row[] =
	"{\"user\":\"Ann\",\"note\":\"secret\",\"age\":44,\"flag\":true,\"tags\":[{\"label\":\"t\"}"
	"],"
	"\"deep\":[{\"x\":[{\"y\":1}]}],\"geo\":{\"position\":[1]},\"undeclared\":\"u\"}";

/** How many times a word stands in a text. */
static unsigned count_of(const char *text, const char *word)
{
	unsigned count = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		count++;
	return count;
}

static void test_unreadable(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	struct keys_file *keys;
	char *sealed = open_scene_seal(s, view_of_text(unreadable_row));
	struct open_setup setup = {.vault = s->vault, .purposes = 1 << 1};
	struct open_result r = open_scene_open(&setup, sealed, false);

	// The vault knows the contract.
	CHECK_EQUAL(r.status, SL_OK);
	CHECK(strstr(r.text,
		     "{\"user\":\"Ann\",\"note\":null,\"age\":0,\"flag\":false,\"tags\":[{"
		     "\"label\":\"t\"}],\"deep\":[{\"x\":[{\"y\":null}]}],\"geo\":{"
		     "\"position\":\"A")
	      == r.text);
	CHECK_EQUAL(r.counts.fields[OPEN_OPENED], 2);
	CHECK_EQUAL(r.counts.fields[OPEN_NOT_ASKED], 6);
	CHECK_EQUAL(r.counts.replaced, 4);
	CHECK(r.counts.is_contract_known);
	free(r.text);
	// Without a contract everything stays sealed.
	keys = open_scene_export(s, 1 << 1);
	setup = (struct open_setup){.keys = keys, .purposes = UINT64_MAX};
	r = open_scene_open(&setup, sealed, false);
	CHECK_EQUAL(r.status, SL_OK);
	CHECK_EQUAL(r.counts.fields[OPEN_NO_KEY], 6);
	CHECK_EQUAL(r.counts.replaced, 0);
	CHECK(!r.counts.is_contract_known);
	CHECK(strstr(r.text, "null") == NULL && strstr(r.text, "secret") == NULL);
	free(r.text);
	// With the contract by hand.
	setup.contract = s->contract;
	r = open_scene_open(&setup, sealed, false);
	CHECK_EQUAL(r.counts.replaced, 4);
	CHECK_EQUAL(count_of(r.text, "null"), 2);
	free(r.text);
	free(sealed);
	keys_file_free(keys);
	open_scene_free(s);
}

static void test_fail(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	char *good = open_scene_seal(s, view_of_text("{\"user\":\"A\"}"));
	char *bad = open_scene_seal(s, view_of_text("{\"user\":\"A\",\"strict\":\"x\"}"));
	char lines[4096];
	const struct open_setup setup = {.vault = s->vault, .purposes = 1 << 1};
	struct open_result r;

	snprintf(lines, sizeof(lines), "%s%s", good, bad);
	r = open_scene_open(&setup, lines, false);
	CHECK_EQUAL(r.status, SL_E_BAD_ROWS);
	CHECK_EQUAL(r.problem.row, 2);
	CHECK(strstr(r.problem.what, "strict") != NULL);
	CHECK(strcmp(r.text, "{\"user\":\"A\"}\n") == 0);
	free(r.text);
	free(good);
	free(bad);
	open_scene_free(s);
}

static void test_other_keys(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	struct open_scene *other = open_scene_new(contract, NULL);
	char *sealed = open_scene_seal(s, view_of_text(unreadable_row));
	struct open_setup setup = {.vault = other->vault, .purposes = UINT64_MAX};
	struct open_result r = open_scene_open(&setup, sealed, false);

	CHECK_EQUAL(r.status, SL_OK);
	CHECK_EQUAL(r.counts.fields[OPEN_NO_LINK], 8);
	CHECK_EQUAL(r.counts.fields[OPEN_OPENED], 0);
	CHECK(strstr(r.text, "secret") == NULL);
	free(r.text);
	free(sealed);
	open_scene_free(other);
	open_scene_free(s);
}

/** Every byte of a sealed text changed: it stays as it was changed, or becomes what the contract says. */
static void test_tampering(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	char *sealed = open_scene_seal(s, view_of_text("{\"user\":\"A\",\"note\":\"secret\"}"));
	char *text = strstr(sealed, "\"note\":\"") + 8;
	const struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};

	for (char *at = text; *at != '"'; at++) {
		const char was = *at;
		struct open_result r;

		*at = was == 'B' ? 'C' : 'B';
		r = open_scene_open(&setup, sealed, false);
		*at = was;
		CHECK_EQUAL(r.status, SL_OK);
		CHECK_EQUAL(r.counts.fields[OPEN_OPENED], 1);
		CHECK(strstr(r.text, "secret") == NULL);
		// The first bytes make it a sealed text; without them it is a text like any other.
		CHECK((strcmp(r.text, "{\"user\":\"A\",\"note\":null}\n") == 0) == (at > text + 1));
		CHECK_EQUAL(r.counts.fields[OPEN_FORGED], at > text + 1);
		free(r.text);
	}
	free(sealed);
	open_scene_free(s);
}

/** A sealed text at another place, or in another event, does not open. */
static void test_moved(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	char *sealed = open_scene_seal(s, view_of_text("{\"user\":\"A\",\"note\":\"secret\"}"));
	char *name = strstr(sealed, "\"note\"");
	const struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};
	struct open_result r;

	memcpy(name, "\"nota\"", 6);
	r = open_scene_open(&setup, sealed, false);
	CHECK_EQUAL(r.counts.fields[OPEN_FORGED], 1);
	CHECK(strstr(r.text, "secret") == NULL);
	free(r.text);
	free(sealed);
	open_scene_free(s);
}

static const char csv_contract[] =
	"contract: test/rows/1.0.0\n"
	"state: active\n"
	"format: csv\n"
	"key: user\n"
	"undeclared: seal\n"
	"undeclared_purpose: 3\n"
	"fields:\n"
	"  user: {type: string, personal: 1}\n"
	"  c~1d: {type: string, personal: 2, nullable: true, unreadable: \"say \\\"?\\\"\"}\n"
	"  a~1b: {type: string, personal: 2, nullable: true}\n"
	"  note: {type: string, nullable: true}\n";

static void test_csv(void)
{
	static const char header[] = "\"user\",\"c~1d\",\"note\",\"a/b\",\"other\"";
	static const char *const rows[] = {
		"\"Ann\",\"Ulm\",\"x\",\"y\",\"z\"",
		"\"A \"\"q\"\" B\",,\"\",\"1,2\",",
		"\"\",\"\",,,\"~\"",
	};
	struct open_scene *s = open_scene_new(csv_contract, header);
	char *line = open_scene_header(s);
	char sealed[8192];
	char wanted[1024];
	struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};
	struct open_result r;

	snprintf(sealed, sizeof(sealed), "%s", line);
	snprintf(wanted, sizeof(wanted), "%s\r\n", header);
	free(line);
	for (size_t i = 0; i < 3; i++) {
		line = open_scene_seal(s, view_of_text(rows[i]));
		strncat(sealed, line, sizeof(sealed) - strlen(sealed) - 1);
		snprintf(wanted + strlen(wanted), 256, "%s\r\n", rows[i]);
		free(line);
	}
	r = open_scene_open(&setup, sealed, true);
	CHECK_EQUAL(r.status, SL_OK);
	CHECK(strcmp(r.text, wanted) == 0);
	CHECK_EQUAL(r.counts.events, 3);
	free(r.text);
	setup.purposes = 1 << 1;
	r = open_scene_open(&setup, sealed, true);
	CHECK_EQUAL(r.status, SL_OK);
	CHECK_EQUAL(count_of(r.text, ",\"say \"\"?\"\"\","), 2);
	CHECK_EQUAL(count_of(r.text, "Ulm"), 0);
	free(r.text);
	snprintf(strchr(sealed, '\n') + 1, 16, "\"a\",\"b\"\r\n");
	r = open_scene_open(&setup, sealed, true);
	CHECK_EQUAL(r.status, SL_E_SYNTAX);
	CHECK_EQUAL(r.problem.row, 2);
	free(r.text);
	r = open_scene_open(&setup, "\"a\",\"b\"\r\n", true);
	CHECK_EQUAL(r.status, SL_E_SYNTAX);
	free(r.text);
	open_scene_free(s);
}

static void check_letters(const struct open_setup *setup, const char *lines, enum sl_status status)
{
	struct open_result r = open_scene_open(setup, lines, false);

	CHECK_EQUAL(r.status, status);
	CHECK(r.problem.remedy[0] != '\0');
	free(r.text);
}

static void test_dead_letters(void)
{
	struct open_scene *s = open_scene_new(contract, NULL);
	char *small = open_scene_seal(s, view_of_text("{\"user\":\xff}"));
	char *parts = open_scene_seal_long(s, view_of_text("0123456789abcdefghijklm"), 10);
	char *second = strchr(parts, '\n') + 1;
	char *third = strchr(second, '\n') + 1;
	char lines[8192];
	struct open_setup setup = {.vault = s->vault, .purposes = UINT64_MAX};
	struct keys_file *keys = open_scene_export(s, 2);
	const struct open_setup with_keys = {.keys = keys, .purposes = UINT64_MAX};
	const struct open_setup with_purposes = {.vault = s->vault, .purposes = 3};
	struct open_result r;

	snprintf(lines, sizeof(lines), "%s%s%s", small, parts, small);
	r = open_scene_open(&setup, lines, false);
	CHECK_EQUAL(r.status, SL_OK);
	CHECK(strcmp(r.text, "{\"user\":\xff}\n0123456789abcdefghijklm\n{\"user\":\xff}\n") == 0);
	CHECK_EQUAL(r.counts.letters, 3);
	CHECK_EQUAL(r.counts.events, 0);
	free(r.text);
	check_letters(&with_keys, lines, SL_E_FORGED);
	check_letters(&with_purposes, lines, SL_E_FORGED);
	check_letters(&setup, second, SL_E_SYNTAX);
	snprintf(lines, sizeof(lines), "%.*s%s", (int)(second - parts), parts, third);
	check_letters(&setup, lines, SL_E_SYNTAX);
	snprintf(lines, sizeof(lines), "%.*s%s", (int)(third - parts), parts, small);
	check_letters(&setup, lines, SL_E_SYNTAX);
	snprintf(lines, sizeof(lines), "%.*s", (int)(third - parts), parts);
	check_letters(&setup, lines, SL_E_SYNTAX);
	snprintf(lines, sizeof(lines), "%s", small);
	lines[strlen(lines) - 20] ^= 1;
	check_letters(&setup, lines, SL_E_FORGED);
	lines[strlen(lines) - 5] = '\0';
	check_letters(&setup, lines, SL_E_SYNTAX);
	keys_file_free(keys);
	free(small);
	free(parts);
	open_scene_free(s);
}

static const struct check_test tests[] = {
	{"round trips", test_round_trips},
	{"long names", test_long_names},
	{"an event near the limit", test_big_event},
	{"strmMeta", test_meta},
	{"unreadable", test_unreadable},
	{"unreadable: fail", test_fail},
	{"other keys", test_other_keys},
	{"tampering", test_tampering},
	{"a text at another place", test_moved},
	{"CSV", test_csv},
	{"dead letters", test_dead_letters},
};

CHECK_MAIN("open")
