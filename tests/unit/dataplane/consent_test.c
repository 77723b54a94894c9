#include "dataplane/pipeline/consent_parse.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/policy_builder.h"

#include <string.h>

enum {
	OTHERWISE = 1 << 5
};

static const struct build_field fields[] = {
	{.path = "user", .type = POLICY_STRING},
	{.path = "consent"},
	{0},
};

static const struct build_consent rules[] = {
	{.text = "all", .purposes = 0x0f},
	{.text = "none", .purposes = 0},
	{.text = "7", .purposes = 0x80000},
	{.text = "", .purposes = 2},
	{0},
};

static const struct build build = {
	.fields = fields,
	.consent = "consent",
	.consent_rules = rules,
	.consent_otherwise = OTHERWISE,
};

#define P(level) (UINT64_C(1) << (level))

static const struct {
	const char *text;
	uint64_t purposes;
} cases[] = {
	// By the rules: exact text, before any reading of it as levels.
	{"all", 0x0f},
	{"none", 0},
	{"7", 0x80000},
	{"", 2},
	{"All", OTHERWISE},
	{" all", OTHERWISE},
	// One level.
	{"0", P(0)},
	{"1", P(1)},
	{"63", P(63)},
	{" 7", P(7)},
	{"07", P(7)},
	{"64", OTHERWISE},
	{"-1", OTHERWISE},
	{"+1", OTHERWISE},
	{"1.0", OTHERWISE},
	{"1e1", OTHERWISE},
	{"18446744073709551617", OTHERWISE},
	{"4294967297", OTHERWISE},
	// Lists.
	{"[]", 0},
	{"[ ]", 0},
	{"[1]", P(1)},
	{"[1,2]", P(1) | P(2)},
	{" [ 1 ,\t2\r\n] ", P(1) | P(2)},
	{"[2,1,2]", P(1) | P(2)},
	{"[0,63]", P(0) | P(63)},
	{"[1,64]", OTHERWISE},
	{"[1,]", OTHERWISE},
	{"[,1]", OTHERWISE},
	{"[1 2]", OTHERWISE},
	{"[1", OTHERWISE},
	{"1]", OTHERWISE},
	{"[", OTHERWISE},
	{"[1]x", OTHERWISE},
	{"[[1]]", OTHERWISE},
	{"[\"1\"]", OTHERWISE},
	{"[null]", OTHERWISE},
	// Neither.
	{"1,2", OTHERWISE},
	{" ", OTHERWISE},
	{"true", OTHERWISE},
	{"{}", OTHERWISE},
	{"yes", OTHERWISE},
};

static void texts_give_purposes(void)
{
	struct policy_image *image = policy_build(&build);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size = strlen(cases[i].text);
		struct guarded g = guarded_new(size + 1);

		memcpy(g.bytes + 1, cases[i].text, size);
		CHECK_EQUAL(consent_parse(image, view_of(g.bytes + 1, size)), cases[i].purposes);
		guarded_free(&g);
	}
	free(image);
}

static void without_rules_an_empty_text_is_no_consent(void)
{
	struct build plain = build;
	struct policy_image *image;

	plain.consent_rules = NULL;
	plain.consent_otherwise = 0;
	image = policy_build(&plain);
	CHECK_EQUAL(consent_parse(image, view_of(NULL, 0)), 0);
	CHECK_EQUAL(consent_parse(image, view_of_text("all")), 0);
	CHECK_EQUAL(consent_parse(image, view_of_text("[1,2]")), P(1) | P(2));
	free(image);
}

static const struct check_test tests[] = {
	{"texts give purposes", texts_give_purposes},
	{"without rules an empty text is no consent", without_rules_an_empty_text_is_no_consent},
};

CHECK_MAIN("dataplane/consent")
