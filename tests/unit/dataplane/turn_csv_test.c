#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/rewrite.h"
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
	{.path = "name", .flags = PERSONAL | NULLABLE, .purpose = 1},
	{.path = "city",
	 .flags = PERSONAL | NULLABLE,
	 .purpose = 2,
	 .unreadable = POLICY_UNREADABLE_VALUE,
	 .unreadable_value = "not \"you\""},
	{.path = "at", .flags = NULLABLE},
	{.path = "kind", .flags = NULLABLE},
	{.path = NULL},
};

static const struct build_mask masks[] = {
	{"name", POLICY_MASK_MURMUR3, "", 0},
	{"kind", POLICY_MASK_MURMUR3, "hi-there", 8},
	{.path = NULL},
};

static const struct build_view views[] = {
	{.name = "open", .kind = POLICY_CUMULATIVE, .level = 1, .opened = 2 | 4},
	{.name = "masked", .required = 2, .opened = 2, .masks = masks},
	{.name = NULL},
};

static const struct build build = {
	.fields = fields,
	.key = "name",
	.time = "at",
	.time_form = POLICY_TIME_EPOCH_S,
	.format = POLICY_CSV,
	.consent_otherwise = 2 | 4,
	.views = views,
	.undeclared_purpose = 2,
};

static const char header[] = "\xef\xbb\xbfname,city,at,\"x \"\"y\"\"\",kind";

#define META ",\"test/event/1.0.0\",\"0\",\"5000\",\"*\",,\"[1,2]\""

/** A row, its sealed cells opened, and its two views. */
static const struct csv_case {
	const char *row;
	const char *sealed;
	const char *open;
	const char *masked;
} csv_cases[] = {
	{"strm_demo_user,Ulm,5,a,unique-5",
	 "\"strm_demo_user\",\"Ulm\",\"5\",\"a\",\"unique-5\"" META,
	 "\"strm_demo_user\",\"Ulm\",\"5\",\"a\",\"unique-5\"" META,
	 "\"788d082a29fd07f61e1df95bbe98ef9f\",\"not \"\"you\"\"\",\"5\",\"a\","
	 "\"1083e8169d7138e990cc30095578452\"" META},
	{"strm_demo_user,,\"5\",,",
	 "\"strm_demo_user\",,\"5\",," META,
	 "\"strm_demo_user\",,\"5\",," META,
	 "\"788d082a29fd07f61e1df95bbe98ef9f\",,\"5\",," META},
	{"\"strm_demo_user\",\"a,\"\"b\"\"\",5,\"c,\"\"d\"\"\",\"unique-5\"",
	 "\"strm_demo_user\",\"a,\\\"b\\\"\",\"5\",\"c,\"\"d\"\"\",\"unique-5\"" META,
	 "\"strm_demo_user\",\"a,\"\"b\"\"\",\"5\",\"c,\"\"d\"\"\",\"unique-5\"" META,
	 "\"788d082a29fd07f61e1df95bbe98ef9f\",\"not \"\"you\"\"\",\"5\",\"c,\"\"d\"\"\","
	 "\"1083e8169d7138e990cc30095578452\"" META},
	{",Ulm,5,\"\",\"\"",
	 ",\"Ulm\",\"5\",\"\",\"\"" META,
	 ",\"Ulm\",\"5\",\"\",\"\"" META,
	 ",\"not \"\"you\"\"\",\"5\",\"\",\"6b0639357233a154742da8c27f36202b\"" META},
};

/** Put a star in place of the key link; the line must end in CRLF. */
static char *tidy(struct turn_rig *rig, const struct room *room, bool is_opened)
{
	char *line = turn_rig_line(room, 0);
	char *opened = is_opened ? turn_rig_open(rig, 0, line, NULL) : strdup(line);
	char *link = strstr(opened, "\"5000\",\"") + 8;

	CHECK(room->size > 2 && memcmp(room->bytes + room->size - 2, "\r\n", 2) == 0);
	memmove(link + 1, link + 36, strlen(link + 36) + 1);
	*link = '*';
	free(line);
	return opened;
}

static void check_line(
	struct turn_rig *rig,
	const struct room *room,
	bool is_opened,
	const char *expected
)
{
	char *line = tidy(rig, room, is_opened);

	if (strcmp(line, expected) != 0)
		printf("%s\n%s\n", line, expected);
	CHECK(strcmp(line, expected) == 0);
	free(line);
}

static void rows_have_the_reference_form(void)
{
	struct turn_rig *rig = turn_rig_new(&build, header);

	for (size_t n = 0; n < sizeof(csv_cases) / sizeof(csv_cases[0]); n++) {
		turn_rig_run_text(rig, csv_cases[n].row);
		CHECK_FATAL(rig->batch->live_count == 1);
		CHECK(memmem(rig->turn.out.sealed.bytes, rig->turn.out.sealed.size, "strm_demo", 9)
		      == NULL);
		check_line(rig, &rig->turn.out.sealed, true, csv_cases[n].sealed);
		check_line(rig, &rig->turn.out.view[0], false, csv_cases[n].open);
		check_line(rig, &rig->turn.out.view[1], false, csv_cases[n].masked);
	}
	turn_rig_free(rig);
}

static const char meta_names[] =
	",\"strmMeta.eventContractRef\",\"strmMeta.nonce\",\"strmMeta.timestamp\","
	"\"strmMeta.keyLink\",\"strmMeta.billingId\",\"strmMeta.consentLevels\"\r\n";

static void undeclared_columns_follow_their_rule(void)
{
	static const char *const extra[] = {"x \"y\"", NULL};

	static const struct {
		uint8_t undeclared;
		const char *header;
		const char *row;
	} cases[] = {
		{POLICY_UNDECLARED_PASS,
		 "\"name\",\"city\",\"at\",\"x \"\"y\"\"\",\"kind\"",
		 "\"Ann\",,\"5\",\"marker\"," META},
		{POLICY_UNDECLARED_DROP,
		 "\"name\",\"city\",\"at\",\"kind\"",
		 "\"Ann\",,\"5\"," META},
		{POLICY_UNDECLARED_SEAL,
		 "\"name\",\"city\",\"at\",\"x \"\"y\"\"\",\"kind\"",
		 "\"Ann\",,\"5\",\"marker\"," META},
	};
	struct build with = build;

	for (size_t n = 0; n < sizeof(cases) / sizeof(cases[0]); n++) {
		uint8_t bytes[1000];
		char expected[1000];
		struct room out = {.bytes = bytes, .capacity = sizeof(bytes)};
		struct turn_rig *rig;
		char *line;
		char *opened;

		with.undeclared = cases[n].undeclared;
		rig = turn_rig_new(&with, header);
		csv_write_header(rig->policy, rig->csv, &out);
		snprintf(expected, sizeof(expected), "%s%s", cases[n].header, meta_names);
		CHECK(view_equal(view_of(out.bytes, out.size), view_of_text(expected)));
		turn_rig_run_text(rig, "Ann,,5,marker,");
		line = turn_rig_line(&rig->turn.out.sealed, 0);
		CHECK_EQUAL(
			strstr(line, "marker") != NULL,
			cases[n].undeclared == POLICY_UNDECLARED_PASS
		);
		opened = turn_rig_open(rig, 0, line, extra);
		CHECK(strncmp(opened, cases[n].row, strlen(cases[n].row) - 14) == 0);
		free(opened);
		free(line);
		turn_rig_free(rig);
	}
}

static void first_column_may_be_cut(void)
{
	struct build with = build;
	struct turn_rig *rig;

	with.undeclared = POLICY_UNDECLARED_DROP;
	rig = turn_rig_new(&with, "x,y,kind,name,z,at,city");
	turn_rig_run_text(rig, "1,2,,Ann,3,5,");
	check_line(rig, &rig->turn.out.sealed, true, ",\"Ann\",\"5\"," META);
	turn_rig_free(rig);
}

/** The shortest cells, all quoted on output, in rooms without a byte to spare. */
static void rooms_are_large_enough(void)
{
	struct turn_rig *rig = turn_rig_new(&build, header);
	struct view rows[BATCH_MAX];

	for (uint32_t i = 0; i < BATCH_MAX; i++)
		rows[i] = view_of_text("a,b,5,c,d");
	turn_rig_run(rig, rows, BATCH_MAX);
	CHECK_EQUAL(rig->turn.counts.rows_sealed, BATCH_MAX);
	CHECK_EQUAL(rig->turn.counts.view_rows[1], BATCH_MAX);
	turn_rig_free(rig);
}

static void bad_rows_are_dead_letters(void)
{
	struct view rows[] = {view_of_text("a,b,5,c"), view_of_text("a,\"b,5,c,d")};
	struct turn_rig *rig = turn_rig_new(&build, header);
	size_t size = 0;
	char *line;
	char *event;

	turn_rig_run(rig, rows, 2);
	CHECK_EQUAL(rig->turn.counts.rows_dropped[DROP_COLUMNS], 1);
	CHECK_EQUAL(rig->turn.counts.rows_dropped[DROP_SYNTAX], 1);
	line = turn_rig_line(&rig->turn.out.dead, 1);
	event = turn_rig_open_dead(rig, line, &size);
	CHECK_FATAL(event != NULL);
	CHECK(view_equal(view_of(event, size), rows[1]));
	free(event);
	free(line);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"rows have the reference's form", rows_have_the_reference_form},
	{"undeclared columns follow their rule", undeclared_columns_follow_their_rule},
	{"the first column may be cut", first_column_may_be_cut},
	{"rooms are large enough", rooms_are_large_enough},
	{"bad rows are dead letters", bad_rows_are_dead_letters},
};

CHECK_MAIN("turn_csv")
