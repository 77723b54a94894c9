#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/stages.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <string.h>

enum {
	NOW_MS = 86400000 * 3 + 5, // ms: what the stage is told
	SCRATCH_SIZE = 1 << 16
};

static const char *const colours[] = {"red", "gr\xc3\xbcn", "", NULL};
static const char *const sizes[] = {"1", "2.0", "true", NULL};

static const struct build_field fields[] = {
	{.path = "user",
	 .type = POLICY_STRING,
	 .flags = POLICY_FIELD_PERSONAL | POLICY_FIELD_REQUIRED},
	{.path = "at"},
	{.path = "person"},
	{.path = "consent"},
	{.path = "text", .type = POLICY_STRING, .flags = POLICY_FIELD_NULLABLE},
	{.path = "integer", .type = POLICY_INTEGER},
	{.path = "number", .type = POLICY_NUMBER},
	{.path = "boolean", .type = POLICY_BOOLEAN},
	{.path = "array", .type = POLICY_ARRAY},
	{.path = "object", .type = POLICY_OBJECT},
	{.path = "texts", .type = POLICY_ARRAY, .item_type = POLICY_STRING},
	{.path = "integers", .type = POLICY_ARRAY, .item_type = POLICY_INTEGER},
	{.path = "arrays", .type = POLICY_ARRAY, .item_type = POLICY_ARRAY},
	{.path = "booleans", .type = POLICY_ARRAY, .item_type = POLICY_BOOLEAN},
	{.path = "colour", .type = POLICY_STRING, .one_of = colours},
	{.path = "size", .one_of = sizes},
	{.path = "ranged",
	 .type = POLICY_NUMBER,
	 .flags = POLICY_FIELD_HAS_MIN | POLICY_FIELD_HAS_MAX,
	 .range_min = "-1.5",
	 .range_max = "1000"},
	{.path = "low", .flags = POLICY_FIELD_HAS_MIN, .range_min = "0"},
	{.path = "long",
	 .type = POLICY_STRING,
	 .flags = POLICY_FIELD_HAS_LENGTH,
	 .length_min = 2,
	 .length_max = 4},
	{.path = "matched", .type = POLICY_STRING, .match = "^a(b+)*c?$"},
	{.path = "slow", .type = POLICY_STRING, .match = "^(a|aa)+$"},
	{.path = "nested/deep", .type = POLICY_STRING, .flags = POLICY_FIELD_PERSONAL},
	{.path = "list/*/name", .type = POLICY_STRING, .flags = POLICY_FIELD_PERSONAL},
	{0},
};

static const struct build_consent consent_rules[] = {{.text = "yes", .purposes = 6}, {0}};

static const struct build build = {
	.fields = fields,
	.key = "user",
	.subject = "person",
	.time = "at",
	.time_form = POLICY_TIME_RFC3339,
	.consent = "consent",
	.consent_rules = consent_rules,
	.consent_otherwise = 1 << 9,
};

/** One policy with a batch of one row. */
struct bench {
	struct policy_image *image;
	struct policy *policy;
	struct json_parser *parser;
	struct batch *batch;
	struct guarded frame;
	uint8_t *scratch;
};

static struct bench bench_new(const struct build *b)
{
	struct bench t = {.image = policy_build(b)};
	struct problem problem;

	if (policy_bind(t.image, &t.policy, &problem) != SL_OK
	    || json_parser_new(JSON_AUTO, &t.parser) != SL_OK)
		abort();
	t.batch = calloc(1, sizeof(*t.batch));
	t.scratch = malloc(SCRATCH_SIZE);
	if (t.batch == NULL || t.scratch == NULL)
		abort();
	return t;
}

static void bench_done(struct bench *t)
{
	guarded_free(&t->frame);
	free(t->scratch);
	free(t->batch);
	json_parser_free(t->parser);
	policy_unbind(t->policy);
	free(t->image);
}

/** Put one text into the batch, its padding ending where memory ends. */
static void fill(struct bench *t, const char *text)
{
	struct batch *b = t->batch;
	size_t size = strlen(text);

	if (t->frame.bytes != NULL)
		guarded_free(&t->frame);
	t->frame = guarded_new(size + BATCH_FRAME_PADDING);
	memcpy(t->frame.bytes, text, size);
	b->scratch = (struct room){.bytes = t->scratch, .capacity = SCRATCH_SIZE};
	b->row_count = b->live_count = 1;
	b->live[0] = 0;
	b->cell_count = 0;
	b->frame[0] = view_of(t->frame.bytes, size);
	b->reason[0] = DROP_NONE;
	b->reason_field[0] = POLICY_NONE;
}

static enum drop_reason run(struct bench *t, const char *text)
{
	fill(t, text);
	json_parse_batch(t->parser, t->batch, t->policy);
	if (t->batch->live_count == 0)
		return DROP_SYNTAX;
	contract_match(t->batch, t->policy, NOW_MS);
	CHECK_EQUAL(t->batch->live_count, t->batch->reason[0] == DROP_NONE);
	return t->batch->reason[0];
}

#define EVENT(rest) "{\"user\":\"u\",\"at\":\"1970-01-02T00:00:00Z\"" rest "}"

static const struct match_case {
	const char *text;
	enum drop_reason reason;
	const char *field; // that the drop is about
} cases[] = {
	{EVENT(""), DROP_NONE, NULL},
	// Types.
	{EVENT(",\"text\":\"\""), DROP_NONE, NULL},
	{EVENT(",\"text\":1"), DROP_TYPE, "text"},
	{EVENT(",\"text\":null"), DROP_NONE, NULL},
	{EVENT(",\"integer\":0"), DROP_NONE, NULL},
	{EVENT(",\"integer\":-12345678901234567890123"), DROP_NONE, NULL},
	{EVENT(",\"integer\":1.0"), DROP_TYPE, "integer"},
	{EVENT(",\"integer\":1e3"), DROP_TYPE, "integer"},
	{EVENT(",\"integer\":1E3"), DROP_TYPE, "integer"},
	{EVENT(",\"integer\":\"1\""), DROP_TYPE, "integer"},
	{EVENT(",\"integer\":null"), DROP_TYPE, "integer"},
	{EVENT(",\"number\":-1.5e3"), DROP_NONE, NULL},
	{EVENT(",\"number\":\"1\""), DROP_TYPE, "number"},
	{EVENT(",\"boolean\":true"), DROP_NONE, NULL},
	{EVENT(",\"boolean\":false"), DROP_NONE, NULL},
	{EVENT(",\"boolean\":0"), DROP_TYPE, "boolean"},
	{EVENT(",\"boolean\":null"), DROP_TYPE, "boolean"},
	{EVENT(",\"array\":[1,null,{}]"), DROP_NONE, NULL},
	{EVENT(",\"array\":{}"), DROP_TYPE, "array"},
	{EVENT(",\"object\":{\"a\":1}"), DROP_NONE, NULL},
	{EVENT(",\"object\":[]"), DROP_TYPE, "object"},
	// Types of items.
	{EVENT(",\"texts\":[]"), DROP_NONE, NULL},
	{EVENT(",\"texts\":[ ]"), DROP_NONE, NULL},
	{EVENT(",\"texts\":[\"a\",\"]\",\"\\\"\",\",\\\\\" , \"\"]"), DROP_NONE, NULL},
	{EVENT(",\"texts\":[\"a\",1]"), DROP_TYPE, "texts"},
	{EVENT(",\"texts\":[ null ]"), DROP_TYPE, "texts"},
	{EVENT(",\"texts\":[\"\\\\\",7]"), DROP_TYPE, "texts"},
	{EVENT(",\"texts\":[[\"a\"]]"), DROP_TYPE, "texts"},
	{EVENT(",\"integers\":[1, -2 ,3]"), DROP_NONE, NULL},
	{EVENT(",\"integers\":[1, 2.5]"), DROP_TYPE, "integers"},
	{EVENT(",\"integers\":[1e2,1]"), DROP_TYPE, "integers"},
	{EVENT(",\"arrays\":[[1,2],[\"],[\"],[{\"a\":[]}]]"), DROP_NONE, NULL},
	{EVENT(",\"arrays\":[[1,2],{\"a\":[]}]"), DROP_TYPE, "arrays"},
	{EVENT(",\"booleans\":[true,false]"), DROP_NONE, NULL},
	{EVENT(",\"booleans\":[true,{}]"), DROP_TYPE, "booleans"},
	// One of.
	{EVENT(",\"colour\":\"red\""), DROP_NONE, NULL},
	{EVENT(",\"colour\":\"r\\u0065d\""), DROP_NONE, NULL},
	{EVENT(",\"colour\":\"gr\\u00fcn\""), DROP_NONE, NULL},
	{EVENT(",\"colour\":\"\""), DROP_NONE, NULL},
	{EVENT(",\"colour\":\"Red\""), DROP_ONE_OF, "colour"},
	{EVENT(",\"colour\":\"re\""), DROP_ONE_OF, "colour"},
	{EVENT(",\"size\":1"), DROP_NONE, NULL},
	{EVENT(",\"size\":true"), DROP_NONE, NULL},
	{EVENT(",\"size\":2"), DROP_ONE_OF, "size"},
	// Range.
	{EVENT(",\"ranged\":-1.5"), DROP_NONE, NULL},
	{EVENT(",\"ranged\":-15e-1"), DROP_NONE, NULL},
	{EVENT(",\"ranged\":1e3"), DROP_NONE, NULL},
	{EVENT(",\"ranged\":-0"), DROP_NONE, NULL},
	{EVENT(",\"ranged\":-1.50000000000000000000001"), DROP_RANGE, "ranged"},
	{EVENT(",\"ranged\":1000.0000000000000000000001"), DROP_RANGE, "ranged"},
	{EVENT(",\"ranged\":1e99999"), DROP_RANGE, "ranged"},
	{EVENT(",\"low\":99999999999999999999999"), DROP_NONE, NULL},
	{EVENT(",\"low\":-1e-99999"), DROP_RANGE, "low"},
	{EVENT(",\"low\":\"1\""), DROP_TYPE, "low"},
	{EVENT(",\"low\":true"), DROP_TYPE, "low"},
	// Length, in characters.
	{EVENT(",\"long\":\"ab\""), DROP_NONE, NULL},
	{EVENT(",\"long\":\"abcd\""), DROP_NONE, NULL},
	{EVENT(",\"long\":\"\\ud83d\\ude00\\ud83d\\ude00\\u00e9\\u20ac\""), DROP_NONE, NULL},
	{EVENT(",\"long\":\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\""), DROP_NONE, NULL},
	{EVENT(",\"long\":\"\xf0\x9f\x98\x80\""), DROP_LENGTH, "long"},
	{EVENT(",\"long\":\"a\""), DROP_LENGTH, "long"},
	{EVENT(",\"long\":\"abcde\""), DROP_LENGTH, "long"},
	{EVENT(",\"long\":\"\""), DROP_LENGTH, "long"},
	// Regular expressions, on the decoded text.
	{EVENT(",\"matched\":\"abbc\""), DROP_NONE, NULL},
	{EVENT(",\"matched\":\"\\u0061\\u0062\""), DROP_NONE, NULL},
	{EVENT(",\"matched\":\"xabc\""), DROP_MATCH, "matched"},
	{EVENT(",\"matched\":\"a\\u0000\""), DROP_MATCH, "matched"},
	{EVENT(",\"slow\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
	 DROP_MATCH_LIMIT,
	 "slow"},
	// Presence.
	{"{\"at\":\"1970-01-02T00:00:00Z\"}", DROP_KEY_VALUE, "user"},
	{"{\"user\":null,\"at\":\"1970-01-02T00:00:00Z\"}", DROP_KEY_VALUE, "user"},
	{"{\"user\":7,\"at\":\"1970-01-02T00:00:00Z\"}", DROP_TYPE, "user"},
	{"{\"user\":\"\",\"at\":\"1970-01-02T00:00:00Z\"}", DROP_NONE, NULL},
	{"{\"user\":\"u\"}", DROP_TIME_MISSING, "at"},
	{"{\"user\":\"u\",\"at\":null}", DROP_TIME_MISSING, "at"},
	{"{\"user\":\"u\",\"at\":\"yesterday\"}", DROP_TIME_FORM, "at"},
	{"{\"user\":\"u\",\"at\":0}", DROP_TIME_FORM, "at"},
	{"{\"user\":\"u\",\"at\":[]}", DROP_TIME_FORM, "at"},
	{"{\"user\":\"u\",\"at\":\"1970-01-01T00:00:00\\u005a\"}", DROP_NONE, NULL},
	// Subject.
	{EVENT(",\"person\":null"), DROP_NONE, NULL},
	{EVENT(",\"person\":42"), DROP_NONE, NULL},
	{EVENT(",\"person\":{}"), DROP_TYPE, "person"},
};

static bool is_about(const struct bench *t, const char *field)
{
	uint16_t row = t->batch->reason_field[0];

	return field == NULL ? row == POLICY_NONE : row == policy_build_field_row(t->image, field);
}

static void every_fault_has_its_reason(void)
{
	struct bench t = bench_new(&build);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum drop_reason reason = run(&t, cases[i].text);
		bool is_right = reason == cases[i].reason && is_about(&t, cases[i].field);

		if (!is_right)
			fprintf(stderr, "%s: %s\n", cases[i].text, drop_counter(reason));
		CHECK(is_right);
	}
	bench_done(&t);
}

/** An event whose member has a text of that many bytes. */
static char *long_event(const char *format, size_t size)
{
	char *value = malloc(size + 1);
	char *text = malloc(size + 128);

	if (value == NULL || text == NULL)
		abort();
	memset(value, 'a', size);
	value[size] = '\0';
	(void)snprintf(text, size + 128, format, value);
	free(value);
	return text;
}

static const struct {
	const char *format;
	size_t size;
	enum drop_reason reason;
} long_cases[] = {
	{"{\"at\":\"1970-01-02T00:00:00Z\",\"user\":\"%s\"}", KEY_VALUE_MAX, DROP_NONE},
	{"{\"at\":\"1970-01-02T00:00:00Z\",\"user\":\"%s\"}", KEY_VALUE_MAX + 1, DROP_KEY_VALUE},
	{"{\"at\":\"1970-01-02T00:00:00Z\",\"user\":\"\\u0061%s\"}", KEY_VALUE_MAX - 1, DROP_NONE},
	{EVENT(",\"person\":\"%s\""), KEY_VALUE_MAX, DROP_NONE},
	{EVENT(",\"person\":\"%s\""), KEY_VALUE_MAX + 1, DROP_SUBJECT_VALUE},
	{EVENT(",\"matched\":\"%s\""), 20000, DROP_MATCH_LIMIT},
};

static void long_values_meet_their_limits(void)
{
	struct bench t = bench_new(&build);

	for (size_t i = 0; i < sizeof(long_cases) / sizeof(long_cases[0]); i++) {
		char *text = long_event(long_cases[i].format, long_cases[i].size);

		CHECK_EQUAL(run(&t, text), long_cases[i].reason);
		free(text);
	}
	bench_done(&t);
}

static const struct build_field required_fields[] = {
	{.path = "user"},
	{.path = "a", .flags = POLICY_FIELD_REQUIRED},
	{.path = "b/c", .flags = POLICY_FIELD_REQUIRED},
	{.path = "l/*/n", .flags = POLICY_FIELD_REQUIRED},
	{.path = "m", .flags = POLICY_FIELD_REQUIRED | POLICY_FIELD_NULLABLE},
	{.path = "consent", .flags = POLICY_FIELD_REQUIRED},
	{0},
};

static const struct match_case required_cases[] = {
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1},{}],\"m\":1,\"consent\":1}",
	 DROP_NONE,
	 NULL},
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"m\":null,\"consent\":1}",
	 DROP_NONE,
	 NULL},
	{"{\"user\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"m\":1,\"consent\":1}",
	 DROP_REQUIRED,
	 "a"},
	{"{\"user\":1,\"a\":null,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"m\":1,\"consent\":1}",
	 DROP_REQUIRED,
	 "a"},
	{"{\"user\":1,\"a\":1,\"b\":{},\"l\":[{\"n\":1}],\"m\":1,\"consent\":1}",
	 DROP_REQUIRED,
	 "b/c"},
	{"{\"user\":1,\"a\":1,\"l\":[{\"n\":1}],\"m\":1,\"consent\":1}", DROP_REQUIRED, "b/c"},
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[],\"m\":1,\"consent\":1}",
	 DROP_REQUIRED,
	 "l/*/n"},
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1},{\"n\":null}],\"m\":1,\"consent\":"
	 "1}",
	 DROP_REQUIRED,
	 "l/*/n"},
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"consent\":1}",
	 DROP_REQUIRED,
	 "m"},
	{"{\"user\":1,\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"m\":1,\"consent\":null}",
	 DROP_REQUIRED,
	 "consent"},
	{"{\"user\":[1],\"a\":1,\"b\":{\"c\":1},\"l\":[{\"n\":1}],\"m\":1,\"consent\":1}",
	 DROP_TYPE,
	 "user"},
};

static void required_fields_are_there(void)
{
	struct bench t =
		bench_new(&(struct build){.fields = required_fields, .consent = "consent"});

	for (size_t i = 0; i < sizeof(required_cases) / sizeof(required_cases[0]); i++) {
		CHECK_EQUAL(run(&t, required_cases[i].text), required_cases[i].reason);
		CHECK(is_about(&t, required_cases[i].field));
	}
	bench_done(&t);
}

static void time_and_day_are_read(void)
{
	static const struct {
		const char *at;
		int64_t ms;
		int64_t day;
	} times[] = {
		{"1970-01-01T00:00:00.000Z", 0, 0},
		{"1970-01-01T23:59:59.999Z", 86399999, 0},
		{"1970-01-02T01:00:00+01:00", 86400000, 1},
		{"1969-12-31T23:59:59.999Z", -1, -1},
		{"1969-12-31T00:00:00Z", -86400000, -1},
		{"1969-12-30T23:59:59Z", -86401000, -2},
	};
	struct bench t = bench_new(&build);
	char text[128];

	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		(void)snprintf(text, sizeof(text), "{\"user\":\"u\",\"at\":\"%s\"}", times[i].at);
		CHECK_EQUAL(run(&t, text), DROP_NONE);
		CHECK_EQUAL(t.batch->time_ms[0], times[i].ms);
		CHECK_EQUAL(t.batch->day[0], times[i].day);
	}
	bench_done(&t);
	t = bench_new(&(struct build){.fields = fields});
	CHECK_EQUAL(run(&t, "{\"user\":\"u\"}"), DROP_NONE);
	CHECK_EQUAL(t.batch->time_ms[0], NOW_MS);
	CHECK_EQUAL(t.batch->day[0], 3);
	bench_done(&t);
}

static void consents_are_read(void)
{
	static const struct {
		const char *text;
		uint64_t purposes;
	} consents[] = {
		{EVENT(""), 1 << 9},
		{EVENT(",\"consent\":null"), 1 << 9},
		{EVENT(",\"consent\":[1, 2]"), 6},
		{EVENT(",\"consent\":[]"), 0},
		{EVENT(",\"consent\":3"), 8},
		{EVENT(",\"consent\":\"[0,1]\""), 3},
		{EVENT(",\"consent\":\"\\u0031\""), 2},
		{EVENT(",\"consent\":\"y\\u0065s\""), 6},
		{EVENT(",\"consent\":true"), 1 << 9},
		{EVENT(",\"consent\":[64]"), 1 << 9},
	};
	struct bench t = bench_new(&build);

	for (size_t i = 0; i < sizeof(consents) / sizeof(consents[0]); i++) {
		CHECK_EQUAL(run(&t, consents[i].text), DROP_NONE);
		CHECK_EQUAL(t.batch->consent[0], consents[i].purposes);
	}
	bench_done(&t);
}

/** Does some cell of the batch have the text? */
static bool has_text(const struct batch *b, const char *text)
{
	for (uint32_t c = 0; c < b->cell_count; c++)
		if (b->text[c].bytes != NULL && view_equal(b->text[c], view_of_text(text)))
			return true;
	return false;
}

static void texts_are_decoded(void)
{
	struct build seal = build;
	struct bench t;

	seal.undeclared = POLICY_UNDECLARED_SEAL;
	t = bench_new(&seal);
	CHECK_EQUAL(
		run(&t,
		    EVENT(",\"person\":-7.50,\"nested\":{\"deep\":\"d\\n\\u00e9\"},\"list\":[{"
			  "\"name\":\"x\"},"
			  "{\"name\":\"\\ud83d\\ude00\"}],\"other\":\"o\\/\",\"more\":[1, "
			  "2],\"text\":\"idle\"")),
		DROP_NONE
	);
	CHECK(has_text(t.batch, "u"));
	CHECK(has_text(t.batch, "-7.50"));
	CHECK(has_text(t.batch, "d\n\xc3\xa9"));
	CHECK(has_text(t.batch, "x"));
	CHECK(has_text(t.batch, "\xf0\x9f\x98\x80"));
	CHECK(has_text(t.batch, "o/"));
	CHECK(has_text(t.batch, "[1, 2]"));
	CHECK(!has_text(t.batch, "idle")); // nobody reads it
	// Only what has an escape is copied.
	CHECK_EQUAL(t.batch->scratch.size, strlen("d\n\xc3\xa9") + 4 + strlen("o/"));
	bench_done(&t);
}

static const struct check_test tests[] = {
	{"every fault has its reason", every_fault_has_its_reason},
	{"long values meet their limits", long_values_meet_their_limits},
	{"required fields are there", required_fields_are_there},
	{"time and day are read", time_and_day_are_read},
	{"consents are read", consents_are_read},
	{"texts are decoded", texts_are_decoded},
};

CHECK_MAIN("dataplane/match")
