#include "dataplane/pipeline/turn.h"
#include "tests/support/check.h"
#include "tests/support/turn_rig.h"

#include <stdio.h>
#include <string.h>

static const struct build_field fields[] = {
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .type = POLICY_STRING, .purpose = 1},
	{.path = "a~1b", .flags = POLICY_FIELD_REQUIRED},
	{.path = NULL},
};

static const struct build build = {.fields = fields, .key = "user"};

/** The head of a dead letter without its key link. */
static void check_head(const char *line, const char *expected)
{
	char head[500];
	const char *link = strstr(line, "\"keyLink\":\"");

	CHECK_FATAL(link != NULL);
	snprintf(head, sizeof(head), "%.*s", (int)(link - line), line);
	CHECK(strcmp(head, expected) == 0);
	CHECK(strncmp(link + 11 + 36, "\"},\"event\":\"A", 13) == 0);
	CHECK(strcmp(line + strlen(line) - 2, "\"}") == 0);
}

static void dropped_rows_open_again(void)
{
	struct view rows[] = {
		view_of_text("{\"user\":\"marker\",\"a/b\":1}"),
		view_of_text("{\"user\":\"marker\"}"),
		view_of("\0 marker \xff", 10),
		view_of_text(""),
	};
	static const char *const heads[] = {
		"{\"deadLetter\":{\"reason\":\"required\",\"row\":2,\"offset\":25,\"part\":1,"
		"\"last\":true,\"field\":\"a~1b\",\"contract\":\"test/event/1.0.0\",",
		"{\"deadLetter\":{\"reason\":\"utf8\",\"row\":3,\"offset\":42,\"part\":1,"
		"\"last\":true,\"field\":null,\"contract\":\"test/event/1.0.0\",",
		"{\"deadLetter\":{\"reason\":\"syntax\",\"row\":4,\"offset\":52,\"part\":1,"
		"\"last\":true,\"field\":null,\"contract\":\"test/event/1.0.0\",",
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	const struct turn *t = &rig->turn;

	turn_rig_run(rig, rows, 4);
	CHECK_EQUAL(t->counts.rows_in, 4);
	CHECK_EQUAL(t->counts.rows_sealed, 1);
	CHECK(memmem(t->out.dead.bytes, t->out.dead.size, "marker", 6) == NULL);
	for (uint32_t n = 0; n < 3; n++) {
		char *line = turn_rig_line(&t->out.dead, n);
		size_t size = 0;
		char *event = turn_rig_open_dead(rig, line, &size);

		CHECK_FATAL(event != NULL);
		CHECK(view_equal(view_of(event, size), rows[n + 1]));
		check_head(line, heads[n]);
		free(event);
		free(line);
	}
	CHECK_EQUAL(t->first_drop.reason, DROP_REQUIRED);
	CHECK_EQUAL(t->first_drop.field, 1);
	CHECK_EQUAL(t->first_drop.number, 2);
	CHECK_EQUAL(t->first_drop.offset, 25);
	turn_rig_free(rig);
}

static void long_events_go_in_parts(void)
{
	enum {
		LAST_SIZE = 1000
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	struct room *dead = &rig->turn.out.dead;
	size_t capacity = turn_out_max(rig->policy, EVENT_SIZE_MAX, 1) * 2;
	uint8_t *event = malloc(EVENT_SIZE_MAX + LAST_SIZE);
	size_t size;

	CHECK_FATAL(event != NULL);
	memset(event, 'x', EVENT_SIZE_MAX + LAST_SIZE);
	*dead = (struct room){.bytes = malloc(capacity), .capacity = capacity};
	turn_seal_oversize(&rig->turn, view_of(event, EVENT_SIZE_MAX), 9, 100, 1, false);
	CHECK_EQUAL(rig->turn.counts.rows_in, 0);
	turn_seal_oversize(&rig->turn, view_of(event + EVENT_SIZE_MAX, LAST_SIZE), 9, 100, 2, true);
	CHECK_EQUAL(rig->turn.counts.rows_in, 1);
	CHECK_EQUAL(rig->turn.counts.rows_dropped[DROP_SIZE], 1);
	CHECK_EQUAL(rig->turn.first_drop.number, 9);
	for (uint32_t n = 0; n < 2; n++) {
		char *line = turn_rig_line(dead, n);
		char *text = turn_rig_open_dead(rig, line, &size);

		check_head(
			line,
			n == 0 ? "{\"deadLetter\":{\"reason\":\"size\",\"row\":9,\"offset\":100,"
				 "\"part\":1,"
				 "\"last\":false,\"field\":null,\"contract\":\"test/event/1.0.0\","
			       : "{\"deadLetter\":{\"reason\":\"size\",\"row\":9,\"offset\":100,"
				 "\"part\":2,"
				 "\"last\":true,\"field\":null,\"contract\":\"test/event/1.0.0\","
		);
		CHECK_FATAL(text != NULL);
		CHECK_EQUAL(size, n == 0 ? EVENT_SIZE_MAX : LAST_SIZE);
		free(text);
		free(line);
	}
	free(dead->bytes);
	free(event);
	turn_rig_free(rig);
}

static void equal_events_are_sealed_differently(void)
{
	struct view rows[] = {view_of_text("{"), view_of_text("{")};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	char *first;
	char *second;

	turn_rig_run(rig, rows, 2);
	first = turn_rig_line(&rig->turn.out.dead, 0);
	second = turn_rig_line(&rig->turn.out.dead, 1);
	CHECK(strcmp(strstr(first, "event\":"), strstr(second, "event\":")) != 0);
	free(first);
	free(second);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"dropped rows open again", dropped_rows_open_again},
	{"long events go in parts", long_events_go_in_parts},
	{"equal events are sealed differently", equal_events_are_sealed_differently},
};

CHECK_MAIN("dead_letter")
