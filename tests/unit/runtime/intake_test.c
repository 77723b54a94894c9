#include "tests/support/check.h"
#include "tests/support/plane_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Datagrams with more events than a turn takes, while egress holds parcels back; and a stream of new keys only, while
// none becomes durable.

enum {
	LONG_ROWS = 900, // of two bytes each
	LONG_SIZE = LONG_ROWS * 2,
	MANY = 300, // more than all parcels take
	NEW_KEYS = 3000,
	JOURNAL_LEFT = 2048, // records, fewer than the new keys need
	NEW_BURST = 50       // new keys of a datagram
};

static struct plane_rig *rig;

static const char other_contract[] = "contract: acme/others/1.0.0\n"
				     "key: user\n"
				     "undeclared: pass\n"
				     "fields:\n"
				     "  user: {type: string, personal: 0, required: true}\n";

static const struct rig_stream two_streams[] = {
	{"edits", NULL, "{port: 7001, mode: plain}", "{null: true}"},
	{"others", other_contract, "{port: 7002, mode: plain}", "{null: true}"},
	{0},
};

static bool has_delivered(struct plane_rig *r, uint64_t rows)
{
	return plane_rig_delivered(r) >= rows;
}

static void send_text(uint16_t port, const char *text)
{
	plane_rig_send_text(rig, port, text, strlen(text));
}

static void send_long(void)
{
	static char text[LONG_SIZE];

	for (size_t i = 0; i < LONG_ROWS; i++)
		memcpy(text + i * 2, "1\n", 2);
	plane_rig_send_text(rig, 7001, text, sizeof(text));
}

static void start(uint32_t parcels)
{
	struct problem problem = {0};

	(void)plane_rig_stop(rig);
	rig->settings.parcels = parcels;
	rig->settings.parcel_bytes = 1 << 16;
	plane_rig_restart(rig);
	CHECK_FATAL(plane_rig_apply(rig, two_streams, &problem) == SL_OK);
}

/** Nothing stalls: it goes, however small the pool. */
static void test_a_long_one_goes(void)
{
	start(2);
	send_long();
	CHECK(plane_rig_wait(has_delivered, rig, LONG_ROWS));
	CHECK(plane_rig_count(rig, COUNTER_EVENTS_DEAD) == LONG_ROWS);
	CHECK(plane_rig_frame_drops(rig, FRAME_DROP_BUSY) == 0);
}

/** Egress holds parcels back: what can not be taken as a whole is refused at once, and others go on. */
static void check_blocks_nobody(uint32_t parcels)
{
	char text[100];
	uint64_t busy;

	start(parcels);
	send_text(7002, "{\"user\":\"a\"}");
	CHECK(plane_rig_wait(has_delivered, rig, 1));
	atomic_store(&rig->is_held, true);
	snprintf(
		text, sizeof(text), "{\"user\":\"new-%u\",\"at\":\"2026-11-21T10:00:00Z\"}", parcels
	);
	send_text(7001, text);
	usleep(20000); // its parcel is with egress, and stays there
	for (uint32_t n = 0; n < MANY; n++)
		send_long();
	send_text(7002, "{\"user\":\"a\"}");
	CHECK(plane_rig_wait(has_delivered, rig, 2));
	CHECK(plane_rig_delivered(rig) == 2);
	busy = plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
	CHECK(busy > 0 && busy < MANY);
	atomic_store(&rig->is_held, false);
	// Nothing of those that were refused, and all of the others.
	CHECK(plane_rig_wait(has_delivered, rig, 3 + LONG_ROWS * (MANY - busy)));
	usleep(20000);
	CHECK(plane_rig_delivered(rig) == 3 + LONG_ROWS * (MANY - busy));
	CHECK(plane_rig_count(rig, COUNTER_EVENTS_DEAD) == LONG_ROWS * (MANY - busy));
}

static void test_a_long_one_blocks_nobody(void)
{
	check_blocks_nobody(2);
}

/** Parcels so small that each of them goes through several. */
static void test_a_long_one_of_several_parcels(void)
{
	check_blocks_nobody(256);
}

/** So many rows were taken, or refused: of those that are, each was in a datagram of NEW_BURST. */
static bool are_through(struct plane_rig *r, uint64_t rows)
{
	return plane_rig_count(r, COUNTER_EVENTS_IN)
		+ plane_rig_frame_drops(r, FRAME_DROP_BUSY) * NEW_BURST
		>= rows;
}

/** Fill the journal but for JOURNAL_LEFT records. */
static void fill_journal(void)
{
	static const struct key_record record = {.flags = KEY_RECORD_HOLE};

	while (key_ring_room(rig->ring) > JOURNAL_LEFT)
		CHECK_FATAL(key_ring_put(rig->ring, &record) != 0);
}

static void send_new_keys(void)
{
	for (uint32_t n = 0; n < NEW_KEYS; n += NEW_BURST) {
		char text[NEW_BURST * 32];
		size_t size = 0;

		for (uint32_t i = n; i < n + NEW_BURST; i++)
			size += (size_t
			)snprintf(text + size, sizeof(text) - size, "{\"user\":\"%u\"}\n", i);
		plane_rig_send_text(rig, 7002, text, size);
	}
}

/** A stranger sends ever new key values to a stream while the vault takes none: the other stream goes on. */
static void test_new_keys_leave_room_for_others(void)
{
	static const char known[] = "{\"user\":\"known\",\"at\":\"2026-11-21T10:00:00Z\"}";
	static const char fresh[] = "{\"user\":\"fresh\",\"at\":\"2026-11-21T10:00:00Z\"}";
	uint64_t busy;

	start(64);
	send_text(7001, known);
	CHECK(plane_rig_wait(has_delivered, rig, 1));
	atomic_store(&rig->is_held, true);
	fill_journal();
	send_new_keys();
	CHECK(plane_rig_wait(are_through, rig, 1 + NEW_KEYS));
	busy = plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
	CHECK(busy > 0 && busy < NEW_KEYS / NEW_BURST);
	CHECK(key_ring_room(rig->ring) >= JOURNAL_LEFT / 2);
	send_text(7001, known);
	CHECK(plane_rig_wait(has_delivered, rig, 2));
	send_text(7001, fresh);
	send_text(7001, known);
	CHECK(plane_rig_wait(are_through, rig, 4 + NEW_KEYS));
	CHECK_EQUAL(plane_rig_frame_drops(rig, FRAME_DROP_BUSY), busy);
	CHECK_EQUAL(plane_rig_event_drops(rig, DROP_KEY_MISSING), 0);
	atomic_store(&rig->is_held, false);
	CHECK(plane_rig_wait(has_delivered, rig, 4 + NEW_KEYS - busy * NEW_BURST));
	// And there is room again for whoever was refused.
	send_text(7002, "{\"user\":\"late\"}");
	CHECK(plane_rig_wait(has_delivered, rig, 5 + NEW_KEYS - busy * NEW_BURST));
	CHECK_EQUAL(plane_rig_frame_drops(rig, FRAME_DROP_BUSY), busy);
}

static const struct check_test tests[] = {
	{"a long datagram goes", test_a_long_one_goes},
	{"a long datagram blocks nobody", test_a_long_one_blocks_nobody},
	{"a long datagram of several parcels", test_a_long_one_of_several_parcels},
	{"new keys leave room for others", test_new_keys_leave_room_for_others},
};

int main(void)
{
	int code;

	rig = plane_rig_new();
	code = check_run("intake", tests, sizeof(tests) / sizeof(tests[0]));
	plane_rig_free(rig);
	return code;
}
