#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/turn.h"
#include "tests/support/check.h"
#include "tests/support/turn_rig.h"

#include <stdio.h>
#include <string.h>

// Events made at random, with every personal value marked. Rooms end at an unmapped page and are as big
// as turn_out_max says, so that a byte too many ends the test.

enum {
	EVENT_ROOM = 1 << 16,
	TURNS = 60
};

static const char marker[] = "m-rK"; // no base64 can hold it by chance

static uint64_t random_state = 42;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % limit;
}

static void put(struct room *out, const char *text)
{
	room_put(out, text, strlen(text));
}

/** The marker as a JSON string, its characters as they are or escaped, and more behind it. */
static void put_marked(struct room *out)
{
	char escape[8];

	put(out, "\"");
	for (const char *at = marker; *at != 0; at++) {
		if (random_below(4) != 0) {
			room_put_byte(out, (uint8_t)*at);
			continue;
		}
		snprintf(escape, sizeof(escape), random_below(2) ? "\\u%04x" : "\\u%04X", *at);
		put(out, escape);
	}
	for (uint64_t n = random_below(40); n > 0; n--)
		put(out, random_below(9) == 0 ? "\\\"" : "x");
	put(out, "\"");
}

static void put_personal(struct room *out)
{
	switch (random_below(5)) {
	case 0:
		put(out, "null");
		break;
	case 1:
		put(out, "[1,{\"k\":");
		put_marked(out);
		put(out, "} ]");
		break;
	default:
		put_marked(out);
		break;
	}
}

static void put_member(struct room *out)
{
	static const char *const plain[] = {"\"open\":1.5e3", "\"topic\":\"t\"", "\"home\":{}"};

	put(out, random_below(2) ? " ," : ",");
	switch (random_below(4)) {
	case 0:
		put(out, plain[random_below(3)]);
		break;
	case 1:
		put(out, "\"list\":[");
		for (uint64_t n = random_below(30); n > 0; n--) {
			put_personal(out);
			put(out, n > 1 ? "," : "");
		}
		put(out, "]");
		break;
	default:
		put(out, random_below(2) ? "\"note\": " : "\"n\\u006fte\":");
		put_personal(out);
		break;
	}
}

static struct view make_event(uint8_t *bytes)
{
	struct room out = {.bytes = bytes, .capacity = EVENT_ROOM};

	put(&out, "{\"user\":");
	put_marked(&out);
	for (uint64_t n = random_below(6); n > 0; n--)
		put_member(&out);
	put(&out, random_below(20) == 0 ? "" : "}"); // now and then it is broken
	return view_of(bytes, out.size);
}

/** Is the marker in a text, in any spelling that JSON allows? */
static bool has_marker(const struct room *room)
{
	uint8_t *plain = malloc(room->size + 1);
	size_t size;
	bool has;

	if (plain == NULL)
		abort();
	size = json_unescape(view_of(room->bytes, room->size), plain);
	has = memmem(plain, size, marker, sizeof(marker) - 1) != NULL;
	free(plain);
	return has;
}

static const struct build_field fields[] = {
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "note",
	 .flags = POLICY_FIELD_PERSONAL,
	 .purpose = 2,
	 .iv = POLICY_IV_RANDOM,
	 .unreadable = POLICY_UNREADABLE_VALUE,
	 .unreadable_value =
		 "\"a value that is a good deal longer than what a sealed byte takes, by far\""},
	{.path = "list/*", .flags = POLICY_FIELD_PERSONAL, .purpose = 3},
	{.path = "open"},
	{.path = NULL},
};

static const struct build_mask masks[] = {
	{"user", POLICY_MASK_MURMUR3, "seed", 4},
	{"list/*", POLICY_MASK_MURMUR3, "seed", 4},
	{.path = NULL},
};

static const struct build_view views[] = {
	{.name = "none open", .kind = POLICY_CUMULATIVE, .level = 1},
	{.name = "masked", .kind = POLICY_GRANULAR, .required = 2, .opened = 2 | 8, .masks = masks},
	{.name = NULL},
};

static const struct build build = {
	.fields = fields,
	.key = "user",
	.duplicates = POLICY_DUPLICATES_SEAL,
	.consent_otherwise = 2,
	.views = views,
};

static void random_events_stay_sealed_and_inside(void)
{
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	uint8_t *bytes = malloc((size_t)BATCH_MAX * EVENT_ROOM);
	struct view rows[BATCH_MAX];
	uint64_t rows_in = 0;

	CHECK_FATAL(bytes != NULL);
	for (uint32_t n = 0; n < TURNS; n++) {
		uint32_t count = 1 + (uint32_t)random_below(BATCH_MAX);

		for (uint32_t i = 0; i < count; i++)
			rows[i] = make_event(bytes + (size_t)i * EVENT_ROOM);
		turn_rig_run(rig, rows, count);
		rows_in += count;
		CHECK(!has_marker(&rig->turn.out.sealed));
		CHECK(!has_marker(&rig->turn.out.dead));
		CHECK(!has_marker(&rig->turn.out.view[0]));
		CHECK(!has_marker(&rig->turn.out.view[1]));
	}
	CHECK_EQUAL(rig->turn.counts.rows_in, rows_in);
	for (uint32_t reason = 0; reason < DROP_COUNT; reason++)
		rows_in -= rig->turn.counts.rows_dropped[reason];
	CHECK_EQUAL(rig->turn.counts.rows_sealed, rows_in);
	CHECK(rows_in > 100 && rows_in < rig->turn.counts.rows_in);
	CHECK_EQUAL(rig->turn.counts.view_rows[0], rows_in);
	free(bytes);
	turn_rig_free(rig);
}

/** The marker search must be able to fail. */
static void the_marker_is_found_where_it_is_open(void)
{
	static const struct build_view open[] = {
		{.name = "open", .kind = POLICY_CUMULATIVE, .level = 1, .opened = 2},
		{.name = NULL},
	};
	struct build with = build;
	struct turn_rig *rig;

	with.views = open;
	rig = turn_rig_new(&with, NULL);
	turn_rig_run_text(rig, "{\"user\":\"x\\u006d\\u002drK\"}");
	CHECK(has_marker(&rig->turn.out.view[0]));
	CHECK(!has_marker(&rig->turn.out.sealed));
	turn_rig_free(rig);
}

/** Rows whose cells are all personal and as short as can be, as many as can be. */
static void short_cells_stay_inside(void)
{
	enum {
		SIZE = 2 * EVENT_CELLS_MAX + 64
	};
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	struct view rows[BATCH_MAX];
	char event[SIZE];
	int size = snprintf(event, SIZE, "{\"user\":1,\"list\":[");

	for (uint32_t c = 0; c < EVENT_CELLS_MAX - 1; c++)
		size += snprintf(event + size, SIZE - (size_t)size, c == 0 ? "1" : ",1");
	size += snprintf(event + size, SIZE - (size_t)size, "]}");
	for (uint32_t i = 0; i < BATCH_MAX; i++)
		rows[i] = view_of(event, (size_t)size);
	turn_rig_run(rig, rows, BATCH_MAX);
	CHECK_EQUAL(rig->batch->live_count, BATCH_MAX);
	CHECK_EQUAL(rig->turn.counts.fields_sealed, BATCH_MAX * EVENT_CELLS_MAX);
	CHECK(rig->turn.out.sealed.size > (size_t)BATCH_MAX * EVENT_CELLS_MAX * 48);
	turn_rig_free(rig);
}

/** Two events of the greatest size, all of it personal. */
static void long_cells_stay_inside(void)
{
	struct turn_rig *rig = turn_rig_new(&build, NULL);
	uint8_t *event = malloc(EVENT_SIZE_MAX);
	struct view rows[] = {view_of(event, EVENT_SIZE_MAX), view_of(event, EVENT_SIZE_MAX)};

	CHECK_FATAL(event != NULL);
	memset(event, 'x', EVENT_SIZE_MAX);
	memcpy(event, "{\"user\":1,\"note\":\"\\n", 20);
	memcpy(event + EVENT_SIZE_MAX - 2, "\"}", 2);
	turn_rig_run(rig, rows, 2);
	CHECK_EQUAL(rig->batch->live_count, 2);
	CHECK(rig->turn.out.sealed.size > 2 * (size_t)EVENT_SIZE_MAX / 3 * 4);
	event[EVENT_SIZE_MAX - 1] = 'x';
	turn_rig_run(rig, rows, 2);
	CHECK_EQUAL(rig->batch->live_count, 0);
	CHECK(rig->turn.out.dead.size > 2 * (size_t)EVENT_SIZE_MAX / 3 * 4);
	free(event);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"random events stay sealed and inside their rooms", random_events_stay_sealed_and_inside},
	{"the marker is found where it is open", the_marker_is_found_where_it_is_open},
	{"short cells stay inside their rooms", short_cells_stay_inside},
	{"long cells stay inside their rooms", long_cells_stay_inside},
};

CHECK_MAIN("turn_property")
