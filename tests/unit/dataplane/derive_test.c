#include "crypto/mask.h"
#include "dataplane/pipeline/turn.h"
#include "tests/support/check.h"
#include "tests/support/turn_rig.h"

#include <stdio.h>
#include <string.h>

enum {
	PERSONAL = POLICY_FIELD_PERSONAL,
	ONE = 1 << 1,
	TWO = 1 << 2,
	THREE = 1 << 3,
	EIGHT = 1 << 8,
	NINE = 1 << 9
};

static const struct build_consent consents[] = {
	{"none", 0},
	{"0", 1},
	{"2", TWO},
	{"1,3", ONE | THREE},
	{"0,1,2", 1 | ONE | TWO},
	{"0,1,2,3", 1 | ONE | TWO | THREE},
	{"1,3,8,9", ONE | THREE | EIGHT | NINE},
	{.text = NULL},
};

/** The example contract of the reference: unique 1, consistent 2, sensitive 3; and one of purpose 9. */
static const struct build_field fields[] = {
	{.path = "consistent", .flags = PERSONAL, .purpose = 2},
	{.path = "unique", .flags = PERSONAL, .purpose = 1},
	{.path = "sensitive", .flags = PERSONAL, .purpose = 3},
	{.path = "nine", .flags = PERSONAL, .purpose = 9},
	{.path = "may", .type = POLICY_STRING},
	{.path = NULL},
};

/** A view, an event's consents, and which of the four personal fields are open; NULL = the event does not pass. */
static const struct view_case {
	const char *what;
	uint8_t kind;
	uint8_t level;
	uint64_t required;
	uint64_t opened;
	const char *consents;
	const char *open; // letters: c u s n
} view_cases[] = {
	{"granular 1,3,8 of 1,3,8,9",
	 POLICY_GRANULAR,
	 0,
	 ONE | THREE | EIGHT,
	 ONE | THREE | EIGHT,
	 "1,3,8,9",
	 "us"},
	{"granular 1,3,8 of 1,3",
	 POLICY_GRANULAR,
	 0,
	 ONE | THREE | EIGHT,
	 ONE | THREE | EIGHT,
	 "1,3",
	 NULL},
	{"granular 2 of all", POLICY_GRANULAR, 0, TWO, TWO, "0,1,2,3", "c"},
	{"granular 2 of none", POLICY_GRANULAR, 0, TWO, TWO, "none", NULL},
	{"granular, nothing required, no consent", POLICY_GRANULAR, 0, 0, TWO, "none", NULL},
	{"cumulative 1 of 0,1,2", POLICY_CUMULATIVE, 1, 0, 1 | ONE, "0,1,2", "u"},
	{"cumulative 2 of 0,1,2", POLICY_CUMULATIVE, 2, 0, 1 | ONE | TWO, "0,1,2", "cu"},
	{"cumulative 2 of 2", POLICY_CUMULATIVE, 2, 0, 1 | ONE | TWO, "2", "cu"},
	{"cumulative 2 of 1,3", POLICY_CUMULATIVE, 2, 0, 1 | ONE | TWO, "1,3", "cu"},
	{"cumulative 3 of 0,1,2", POLICY_CUMULATIVE, 3, 0, 1 | ONE | TWO | THREE, "0,1,2", NULL},
	{"cumulative 0 of none", POLICY_CUMULATIVE, 0, 0, 1, "none", NULL},
	{"cumulative 0 of 0", POLICY_CUMULATIVE, 0, 0, 1, "0", ""},
};

static void views_open_what_their_rule_allows(void)
{
	for (size_t n = 0; n < sizeof(view_cases) / sizeof(view_cases[0]); n++) {
		const struct view_case *v = &view_cases[n];
		const struct build_view views[] = {
			{.name = "v", v->kind, v->level, v->required, v->opened, NULL},
			{.name = NULL},
		};
		const struct build build = {
			.fields = fields,
			.key = "consistent",
			.consent = "may",
			.consent_rules = consents,
			.views = views,
		};
		struct turn_rig *rig = turn_rig_new(&build, NULL);
		char event[200];
		char *sealed;
		char *line;
		char *opened;

		snprintf(
			event,
			sizeof(event),
			"{\"unique\":\"open u\",\"consistent\":\"open c\",\"sensitive\":\"open s\","
			"\"nine\":\"open n\",\"may\":\"%s\",\"x\":1}",
			v->consents
		);
		turn_rig_run_text(rig, event);
		sealed = turn_rig_line(&rig->turn.out.sealed, 0);
		line = turn_rig_line(&rig->turn.out.view[0], 0);
		CHECK(strstr(sealed, "open ") == NULL);
		CHECK_EQUAL(rig->turn.counts.view_rows[0], v->open != NULL);
		CHECK_EQUAL(*line != 0, v->open != NULL);
		if (v->open != NULL) {
			opened = turn_rig_open(rig, 0, line, NULL);
			CHECK(strcmp(opened, event) == 0);
			CHECK(strcmp(strstr(line, "strmMeta"), strstr(sealed, "strmMeta")) == 0);
			free(opened);
			for (const char *letter = "cusn"; *letter != 0; letter++) {
				char text[] = {'o', 'p', 'e', 'n', ' ', *letter, 0};

				CHECK_EQUAL(
					strstr(line, text) != NULL, strchr(v->open, *letter) != NULL
				);
			}
		}
		free(line);
		free(sealed);
		turn_rig_free(rig);
	}
}

static char *derive(const struct build *build, const char *event, uint64_t *ret_withheld)
{
	struct turn_rig *rig = turn_rig_new(build, NULL);
	char *line;
	char *plain;

	turn_rig_run_text(rig, event);
	line = turn_rig_line(&rig->turn.out.view[0], 0);
	plain = turn_rig_open(rig, 0, line, NULL);
	*ret_withheld = rig->turn.counts.view_withheld[0];
	free(line);
	turn_rig_free(rig);
	return plain;
}

static void unreadable_cells_follow_their_field(void)
{
	static const struct {
		uint8_t unreadable;
		const char *value;
		const char *event;
		const char *expected; // "" = withheld
	} cases[] = {
		{POLICY_UNREADABLE_NULL,
		 NULL,
		 "{\"k\":\"a\",\"p\":\"x\"}",
		 "{\"k\":\"a\",\"p\":null}"},
		{POLICY_UNREADABLE_NULL,
		 NULL,
		 "{\"k\":\"a\",\"p\":null}",
		 "{\"k\":\"a\",\"p\":null}"},
		{POLICY_UNREADABLE_NULL, NULL, "{\"k\":\"a\"}", "{\"k\":\"a\"}"},
		{POLICY_UNREADABLE_VALUE,
		 "\"**\"",
		 "{\"k\":\"a\",\"p\":\"x\"}",
		 "{\"k\":\"a\",\"p\":\"**\"}"},
		{POLICY_UNREADABLE_VALUE,
		 "-1",
		 "{\"k\":\"a\",\"p\":[1]}",
		 "{\"k\":\"a\",\"p\":-1}"},
		{POLICY_UNREADABLE_VALUE,
		 "-1",
		 "{\"k\":\"a\",\"p\":null}",
		 "{\"k\":\"a\",\"p\":null}"},
		{POLICY_UNREADABLE_FAIL, NULL, "{\"k\":\"a\",\"p\":\"x\"}", ""},
		{POLICY_UNREADABLE_FAIL,
		 NULL,
		 "{\"k\":\"a\",\"p\":null}",
		 "{\"k\":\"a\",\"p\":null}"},
	};
	static const struct build_view views[] = {
		{.name = "v", .required = ONE, .opened = ONE},
		{.name = NULL},
	};

	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		const struct build_field with[] = {
			{.path = "k"},
			{.path = "p",
			 .flags = PERSONAL | POLICY_FIELD_NULLABLE,
			 .purpose = 2,
			 .unreadable = cases[n].unreadable,
			 .unreadable_value = cases[n].value},
			{.path = NULL},
		};
		const struct build build = {
			.fields = with,
			.key = "k",
			.consent_otherwise = ONE | TWO,
			.views = views,
		};
		uint64_t withheld;
		char *line = derive(&build, cases[n].event, &withheld);

		CHECK(strcmp(line, cases[n].expected) == 0);
		CHECK_EQUAL(withheld, *cases[n].expected == 0);
		free(line);
	}
}

static const uint8_t hmac_key[MASK_KEY_SIZE] = {1, 2, 3};

static const struct build_mask all_masks[] = {
	{"open", POLICY_MASK_MURMUR3, "hi-there", 8},
	{"plain", POLICY_MASK_MURMUR3, "hi-there", 8},
	{"closed", POLICY_MASK_MURMUR3, "hi-there", 8},
	{"null", POLICY_MASK_MURMUR3, "hi-there", 8},
	{"value", POLICY_MASK_MURMUR3, "hi-there", 8},
	{"keyed", POLICY_MASK_HMAC, hmac_key, sizeof(hmac_key)},
	{.path = NULL},
};

static const struct build_view mask_views[] = {
	{.name = "v", .required = ONE, .opened = ONE, .masks = all_masks},
	{.name = NULL},
};

static const struct build_field mask_fields[] = {
	{.path = "open", .flags = PERSONAL, .type = POLICY_STRING, .purpose = 1},
	{.path = "plain", .type = POLICY_STRING},
	{.path = "closed", .flags = PERSONAL, .type = POLICY_STRING, .purpose = 2},
	{.path = "null",
	 .flags = PERSONAL,
	 .type = POLICY_STRING,
	 .purpose = 2,
	 .unreadable = POLICY_UNREADABLE_NULL},
	{.path = "value",
	 .flags = PERSONAL,
	 .type = POLICY_STRING,
	 .purpose = 2,
	 .unreadable = POLICY_UNREADABLE_VALUE,
	 .unreadable_value = "\"sensitive-\\u0030\""},
	{.path = "keyed", .type = POLICY_STRING},
	{.path = NULL},
};

static const struct build mask_build = {
	.fields = mask_fields,
	.key = "open",
	.consent_otherwise = ONE,
	.views = mask_views,
};

/** The reference's vectors, and where masks apply. */
static void masks_apply_last(void)
{
	struct turn_rig *rig = turn_rig_new(&mask_build, NULL);
	uint8_t state[MASK_HMAC_STATE_SIZE];
	char keyed[MASK_TEXT_MAX];
	char closed[MASK_TEXT_MAX];
	char expected[500];
	size_t closed_size;
	char *line;

	turn_rig_run_text(
		rig,
		"{\"open\":\"uni\\u0071ue-5\",\"plain\":\"session-273\",\"closed\":\"c\","
		"\"null\":\"n\",\"value\":\"v\",\"keyed\":\"k\"}"
	);
	mask_hmac_prepare(hmac_key, state);
	mask_hmac(state, view_of("k", 1), keyed);
	closed_size = mask_murmur3(
		view_of("hi-there", 8),
		view_of(rig->batch->sealed[2].text, rig->batch->sealed[2].size),
		closed
	);
	snprintf(
		expected,
		sizeof(expected),
		"{\"open\":\"1083e8169d7138e990cc30095578452\",\"plain\":"
		"\"7cc66d130664caa9efacda1026c1c44\",\"closed\":\"%.*s\",\"null\":null,\"value\":"
		"\"e49bd309eed4a5094437a71ac2bc1cad\",\"keyed\":\"%.*s\"",
		(int)closed_size,
		closed,
		MASK_TEXT_MAX,
		keyed
	);
	line = turn_rig_line(&rig->turn.out.view[0], 0);
	*strstr(line, ",\"strmMeta") = 0;
	CHECK(strcmp(line, expected) == 0);
	free(line);
	turn_rig_free(rig);
}

static void undeclared_members_open_by_their_purpose(void)
{
	static const struct build_view views[] = {
		{.name = "closed", .required = ONE, .opened = ONE},
		{.name = "open", .required = ONE, .opened = ONE | TWO},
		{.name = NULL},
	};
	static const struct build_field with[] = {{.path = "k"}, {.path = NULL}};
	struct build build = {
		.fields = with,
		.key = "k",
		.consent_otherwise = ONE,
		.undeclared_purpose = 2,
		.undeclared = POLICY_UNDECLARED_SEAL,
		.views = views,
	};
	static const char event[] = "{\"k\":\"a\", \"x\" : \"marker\"}";
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	char *line;

	turn_rig_run_text(rig, event);
	line = turn_rig_line(&rig->turn.out.view[0], 0);
	CHECK(strstr(line, "marker") == NULL && strstr(line, "\"x\" : \"A") != NULL);
	free(line);
	line = turn_rig_line(&rig->turn.out.view[1], 0);
	CHECK(strncmp(line, event, strlen(event) - 1) == 0);
	free(line);
	turn_rig_free(rig);

	build.undeclared = POLICY_UNDECLARED_DROP;
	rig = turn_rig_new(&build, NULL);
	turn_rig_run_text(rig, event);
	line = turn_rig_line(&rig->turn.out.view[1], 0);
	CHECK(strncmp(line, "{\"k\":\"a\",\"strmMeta\":", 20) == 0);
	free(line);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"views open what their rule allows", views_open_what_their_rule_allows},
	{"unreadable cells follow their field", unreadable_cells_follow_their_field},
	{"masks apply last", masks_apply_last},
	{"undeclared members open by their purpose", undeclared_members_open_by_their_purpose},
};

CHECK_MAIN("derive")
