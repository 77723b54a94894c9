#include "dataplane/pipeline/record_parse.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/turn.h"
#include "tests/support/check.h"
#include "tests/support/turn_rig.h"

#include <stdio.h>
#include <string.h>

enum {
	PERSONAL = POLICY_FIELD_PERSONAL,
	NULLABLE = POLICY_FIELD_NULLABLE
};

static const struct build_field fields[] = {
	{.path = "user", .flags = PERSONAL, .type = POLICY_STRING, .purpose = 1},
	{.path = "note", .flags = PERSONAL | NULLABLE, .purpose = 2, .iv = POLICY_IV_RANDOM},
	{.path = "age", .flags = PERSONAL | NULLABLE, .purpose = 2},
	{.path = "tags/*", .flags = PERSONAL | NULLABLE, .purpose = 1},
	{.path = "home/city", .flags = PERSONAL | NULLABLE, .purpose = 5},
	{.path = "pets/*/name", .flags = PERSONAL | NULLABLE, .purpose = 1},
	{.path = "a~1b~0c", .flags = PERSONAL | NULLABLE, .purpose = 1},
	{.path = "topic", .flags = NULLABLE},
	{.path = NULL},
};

static const struct build build = {.fields = fields, .key = "user", .consent_otherwise = 0x16};

/** An event, and what it becomes by sealing and opening again; NULL = itself. */
static const struct round_trip {
	const char *event;
	const char *opened;
} round_trips[] = {
	{"{\"user\":\"Ann-\"}", NULL},
	{"{\"user\":\"\"}", NULL},
	{"{\"user\":\"Ann-\",\"note\":\"hi\",\"age\":44}", NULL},
	{" {\t\"user\" : \"Ann-\" , \"age\" :\t-0.5e+10\t}  ", NULL},
	{"{\"note\":true,\"user\":\"Ann-\",\"age\":false,\"topic\":\"open\"}", NULL},
	{"{\"user\":\"Ann-\",\"note\":null,\"age\":null,\"home\":{\"city\":null}}", NULL},
	{"{\"user\":\"Ann-\",\"note\":[1, {\"user\":\"x\"} ,[]],\"age\":{ \"a\" : 1 }}", NULL},
	{"{\"user\":\"Ann-\",\"tags\":[\"a\",\"\",3,null,true,[\"n\"],{\"k\":1}]}", NULL},
	{"{\"user\":\"Ann-\",\"tags\":{\"x\":\"a\",\"y\":2}}", NULL},
	{"{\"user\":\"Ann-\",\"tags\":[],\"pets\":[],\"home\":{}}", NULL},
	{"{\"user\":\"Ann-\",\"home\":{\"zip\":\"1\",\"city\":\"Ulm\",\"more\":[{\"city\":5}]}}",
	 NULL},
	{"{\"user\":\"Ann-\",\"pets\":[{\"name\":\"Rex\"},{\"kind\":\"cat\"},{\"name\":7}]}", NULL},
	{"{\"user\":\"Ann-\",\"a/b~c\":\"x\"}", NULL},
	{"{\"user\":\"\\\" \\\\ \\b\\f\\n\\r\\t \\u0001 \xc3\xa4 \xf0\x9f\x98\x80\"}", NULL},
	{"{\"user\":\"\\u0041nn-\\/\\ud83d\\ude00\"}", "{\"user\":\"Ann-/\xf0\x9f\x98\x80\"}"},
	{"{\"\\u0075ser\":\"Ann-\",\"n\\u006fte\":\"hi\"}", NULL},
	{"{\"user\":\"Ann-\",\"other\":\"stays \\u0041\",\"deep\":{\"user\":\"stays\"}}", NULL},
};

static void sealed_cells_open_to_the_input(void)
{
	struct turn_rig *rig = turn_rig_new(&build, NULL);

	for (size_t n = 0; n < sizeof(round_trips) / sizeof(round_trips[0]); n++) {
		const struct round_trip *trip = &round_trips[n];
		char *line;
		char *opened;

		turn_rig_run_text(rig, trip->event);
		CHECK_EQUAL(rig->batch->live_count, 1);
		line = turn_rig_line(&rig->turn.out.sealed, 0);
		opened = turn_rig_open(rig, 0, line, NULL);
		CHECK(strcmp(opened, trip->opened == NULL ? trip->event : trip->opened) == 0);
		// Neither base64 nor a key link can have these by chance.
		CHECK(strstr(line, "Ann-") == NULL);
		free(opened);
		free(line);
	}
	CHECK_EQUAL(rig->turn.counts.rows_in, sizeof(round_trips) / sizeof(round_trips[0]));
	CHECK_EQUAL(rig->turn.counts.rows_sealed, rig->turn.counts.rows_in);
	CHECK_EQUAL(rig->turn.out.dead.size, 0);
	turn_rig_free(rig);
}

static void meta_is_the_last_member(void)
{
	static const struct build_field timed[] = {
		{.path = "user", .type = POLICY_STRING},
		{.path = "at"},
		{.path = NULL},
	};
	static const struct build with_time = {
		.fields = timed,
		.key = "user",
		.time = "at",
		.time_form = POLICY_TIME_EPOCH_MS,
		.consent_otherwise = (uint64_t)1 << 63 | 1 << 10 | 1,
	};
	struct turn_rig *rig = turn_rig_new(&with_time, NULL);
	char *line;

	turn_rig_run_text(rig, "{\"user\":\"A\",\"at\":-86400001 } ");
	line = turn_rig_line(&rig->turn.out.sealed, 0);
	memset(strstr(line, "keyLink\":\"") + 10, 'x', 36);
	CHECK(strcmp(line,
		     "{\"user\":\"A\",\"at\":-86400001 ,\"strmMeta\":{\"eventContractRef\":"
		     "\"test/event/1.0.0\",\"nonce\":0,\"timestamp\":-86400001,\"keyLink\":"
		     "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\",\"billingId\":null,"
		     "\"consentLevels\":[0,10,63]}} ")
	      == 0);
	free(line);
	turn_rig_free(rig);
}

static void equal_values_stay_equal_unless_random(void)
{
	static const char event[] = "{\"user\":\"Ann\",\"note\":\"same\",\"age\":5}";
	struct view rows[] = {
		view_of_text(event),
		view_of_text("{\"user\":\"Bob\",\"note\":\"same\",\"age\":5}"),
		view_of_text(event),
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	struct sealed_cell *sealed = rig->batch->sealed;

	turn_rig_run(rig, rows, 3);
	CHECK_EQUAL(rig->batch->cell_count, 9);
	for (uint32_t c = 0; c < 3; c++) {
		// Cells of rows 0 and 2 have the same owner; those of row 1 another.
		bool is_equal = memcmp(sealed[c].text, sealed[6 + c].text, sealed[c].size) == 0;

		CHECK_EQUAL(sealed[c].size, sealed[6 + c].size);
		CHECK_EQUAL(is_equal, c != 1);
		CHECK(memcmp(sealed[c].text, sealed[3 + c].text, sealed[c].size) != 0);
	}
	turn_rig_free(rig);
}

/** What undeclared: drop leaves of an event. */
static const struct cut_case {
	const char *event;
	const char *expected;
} cut_cases[] = {
	{"{\"user\":\"A\"}", "{\"user\":\"A\"}"},
	{"{\"user\":\"A\",\"x\":1}", "{\"user\":\"A\"}"},
	{"{\"x\":1,\"user\":\"A\"}", "{\"user\":\"A\"}"},
	{"{\"x\":1,\"y\":2,\"user\":\"A\",\"z\":3,\"w\":4}", "{\"user\":\"A\"}"},
	{"{ \"x\" : 1 , \"user\" : \"A\" , \"y\" : 2 }", "{ \"user\" : \"A\"  }"},
	{"{\t\t\"user\": \"A\",\r\t\"x\": 1\r}", "{\t\t\"user\": \"A\"\r}"},
	{"{\t\t\"x\": 1,\r\t\"user\": \"A\"\r}", "{\t\t\"user\": \"A\"\r}"},
	{"{\"user\":\"A\",\"home\":{\"x\":1,\"y\":2}}", "{\"user\":\"A\",\"home\":{}}"},
	{"{\"home\":{\"x\":1,\"city\":\"c\",\"y\":2},\"user\":\"A\"}",
	 "{\"home\":{\"city\":\"c\"},\"user\":\"A\"}"},
	{"{\"user\":\"A\",\"home\":{\"x\":\"},\",\"y\":[{\"a\":1}]},\"z\":\",\\\"\"}",
	 "{\"user\":\"A\",\"home\":{}}"},
	{"{\"user\":\"A\",\"x\":1,\"home\":null}", "{\"user\":\"A\",\"home\":null}"},
	{"{\"user\":\"A\",\"list\":[{\"x\":1},{\"id\":2,\"x\":3},{}]}",
	 "{\"user\":\"A\",\"list\":[{},{\"id\":2},{}]}"},
};

static const struct build_field plain_fields[] = {
	{.path = "user"},
	{.path = "home/city"},
	{.path = "list/*/id"},
	{.path = NULL},
};

static void undeclared_members_are_cut(void)
{
	static const struct build dropping = {
		.fields = plain_fields,
		.key = "user",
		.undeclared = POLICY_UNDECLARED_DROP,
	};
	struct turn_rig *rig = turn_rig_new(&dropping, NULL);

	for (size_t n = 0; n < sizeof(cut_cases) / sizeof(cut_cases[0]); n++) {
		char *line;
		char *opened;

		turn_rig_run_text(rig, cut_cases[n].event);
		line = turn_rig_line(&rig->turn.out.sealed, 0);
		opened = turn_rig_open(rig, 0, line, NULL);
		if (strcmp(opened, cut_cases[n].expected) != 0)
			printf("%s: %s (%s)\n",
			       cut_cases[n].event,
			       opened,
			       drop_counter(rig->batch->reason[0]));
		CHECK(strcmp(opened, cut_cases[n].expected) == 0);
		free(opened);
		free(line);
	}
	turn_rig_free(rig);
}

static const char *const undeclared_paths[] = {
	"x",
	"x~json",
	"home/x",
	"home/y~0z~1",
	"list/*/x~json",
	"~",
	"home/",
	NULL,
};

static const char *const undeclared_events[] = {
	"{\"user\":\"A\",\"x\":\"se-cret\"}",
	"{\"x\":{\"se-cret\":[1,2]},\"user\":\"A\"}",
	"{\"user\":\"A\",\"home\":{\"x\":\"se-cret\",\"y~z/\":\"se-cret\\n\"}}",
	"{\"user\":\"A\",\"home\":{\"x\":null,\"\\u0078\":\"se-cret\"}}",
	"{\"user\":\"A\",\"list\":[{\"x\":55.5},{\"id\":2,\"x\":true}]}",
	"{\"\":\"se-cret\",\"user\":\"A\",\"home\":{\"\":\"se-cret\"}}",
};

static void undeclared_members_are_sealed(void)
{
	static const struct build sealing = {
		.fields = plain_fields,
		.key = "user",
		.undeclared = POLICY_UNDECLARED_SEAL,
		.undeclared_purpose = 7,
	};
	struct turn_rig *rig = turn_rig_new(&sealing, NULL);

	for (size_t n = 0; n < sizeof(undeclared_events) / sizeof(undeclared_events[0]); n++) {
		char *line;
		char *opened;

		turn_rig_run_text(rig, undeclared_events[n]);
		line = turn_rig_line(&rig->turn.out.sealed, 0);
		opened = turn_rig_open(rig, 0, line, undeclared_paths);
		if (strcmp(opened, undeclared_events[n]) != 0)
			printf("%s: %s\n", line, opened);
		CHECK(strcmp(opened, undeclared_events[n]) == 0);
		CHECK(strstr(line, "se-cret") == NULL && strstr(line, "55.5") == NULL);
		free(opened);
		free(line);
	}
	turn_rig_free(rig);
}

/** Names that make a path longer than the cipher takes: the path is cut, and says so. */
static void long_undeclared_names_have_cut_paths(void)
{
	static const struct build sealing = {
		.fields = plain_fields,
		.key = "user",
		.undeclared = POLICY_UNDECLARED_SEAL,
		.undeclared_purpose = 7,
	};
	struct turn_rig *rig = turn_rig_new(&sealing, NULL);

	for (int size = PATH_SIZE_MAX - 8; size < PATH_SIZE_MAX + 4; size++) {
		char event[PATH_SIZE_MAX + 200];
		char path[PATH_SIZE_MAX + 100];
		const char *const extra[] = {path, NULL};
		char *line;
		char *opened;

		snprintf(path, sizeof(path), "home/%0*d", size, 0);
		snprintf(event, sizeof(event), "{\"user\":\"A\",\"home\":{\"%s\":7}}", path + 5);
		if (size + 5 <= PATH_SIZE_MAX)
			snprintf(path + size + 5, sizeof(path) - (size_t)size - 5, "~json");
		else
			snprintf(path + 230, sizeof(path) - 230, "~cut~json");
		turn_rig_run_text(rig, event);
		line = turn_rig_line(&rig->turn.out.sealed, 0);
		opened = turn_rig_open(rig, 0, line, extra);
		CHECK(strcmp(opened, event) == 0);
		CHECK(strcmp(line, opened) != 0);
		free(opened);
		free(line);
	}
	turn_rig_free(rig);
}

/** Where the contract has members, another kind of value must not slip through. */
static void values_in_place_of_members_drop_the_event(void)
{
	static const char *const events[] = {
		"{\"user\":\"A\",\"home\":\"marker\"}",
		"{\"user\":\"A\",\"home\":[\"marker\"]}",
		"{\"user\":\"A\",\"list\":[\"marker\"]}",
		"{\"user\":\"A\",\"list\":7}",
	};

	for (size_t n = 0; n < sizeof(events) / sizeof(events[0]); n++)
		for (uint8_t rule = POLICY_UNDECLARED_PASS; rule <= POLICY_UNDECLARED_SEAL;
		     rule++) {
			const struct build with = {
				.fields = plain_fields,
				.key = "user",
				.undeclared = rule,
			};
			struct turn_rig *rig = turn_rig_new(&with, NULL);

			turn_rig_run_text(rig, events[n]);
			CHECK_EQUAL(rig->batch->reason[0], DROP_TYPE);
			turn_rig_free(rig);
		}
}

static void nothing_is_in_clear_without_keys(void)
{
	struct view rows[] = {
		view_of_text("{\"user\":\"marker-1\",\"note\":\"marker-2\"}"),
		view_of_text("{\"user\":\"marker-3\"}"),
		view_of_text("{\"user\":\"marker-1\"}"),
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	size_t size;
	char *line;
	char *event;

	rig->keys->is_refusing = true;
	turn_rig_run(rig, rows, 3);
	CHECK_EQUAL(rig->batch->live_count, 0);
	CHECK_EQUAL(rig->turn.out.sealed.size, 0);
	CHECK_EQUAL(rig->turn.counts.rows_dropped[DROP_KEY_MISSING], 3);
	CHECK_EQUAL(rig->turn.first_drop.reason, DROP_KEY_MISSING);
	CHECK_EQUAL(rig->turn.first_drop.number, 1);
	CHECK(memmem(rig->turn.out.dead.bytes, rig->turn.out.dead.size, "marker", 6) == NULL);
	line = turn_rig_line(&rig->turn.out.dead, 1);
	event = turn_rig_open_dead(rig, line, &size);
	CHECK_FATAL(event != NULL);
	CHECK(strcmp(event, "{\"user\":\"marker-3\"}") == 0);
	free(event);
	free(line);
	turn_rig_free(rig);
}

/** Were a stage left out, its cells would become null. */
static void cells_that_no_stage_sealed_are_null(void)
{
	static const char event[] = "{\"user\":\"marker\",\"age\":5,\"x\":\"marker\"}";
	struct build sealing = build;
	struct turn_rig *rig;
	struct batch *b;
	char *line;

	sealing.undeclared = POLICY_UNDECLARED_SEAL;
	sealing.undeclared_purpose = 1;
	rig = turn_rig_new(&sealing, NULL);
	b = rig->batch;
	turn_rig_run_text(rig, event);
	rig->turn.out.sealed.size = 0;
	memset(b->sealed, 0, sizeof(b->sealed));
	begin(b);
	record_parse(b, rig->policy, rig->turn.json, NULL);
	contract_match(b, rig->policy, 0);
	key_resolve(b, rig->policy, &rig->turn.keys);
	rewrite_sealed(&rig->turn);
	line = turn_rig_line(&rig->turn.out.sealed, 0);
	CHECK(strncmp(line, "{\"user\":null,\"age\":null,\"x\":null,\"strmMeta", 42) == 0);
	free(line);
	turn_rig_free(rig);
}

static void position_is_the_highest(void)
{
	struct view rows[] = {
		view_of_text("{\"user\":\"a\"}"),
		view_of_text("{\"user\":\"b\"}"),
		view_of_text("{\"user\":\"a\"}"),
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);

	turn_rig_run(rig, rows, 3);
	CHECK_EQUAL(rig->turn.position_max, 2);
	turn_rig_run(rig, rows, 1);
	CHECK_EQUAL(rig->turn.position_max, 2);
	CHECK_EQUAL(rig->turn.counts.fields_sealed, 4);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"sealed cells open to the input", sealed_cells_open_to_the_input},
	{"strmMeta is the last member", meta_is_the_last_member},
	{"equal values stay equal unless their IV is random",
	 equal_values_stay_equal_unless_random},
	{"undeclared members are cut", undeclared_members_are_cut},
	{"undeclared members are sealed", undeclared_members_are_sealed},
	{"long undeclared names have cut paths", long_undeclared_names_have_cut_paths},
	{"values in place of members drop the event", values_in_place_of_members_drop_the_event},
	{"nothing is in clear without keys", nothing_is_in_clear_without_keys},
	{"cells that no stage sealed are null", cells_that_no_stage_sealed_are_null},
	{"the journal position is the highest of the rows", position_is_the_highest},
};

CHECK_MAIN("turn")
