#include "tests/support/check.h"
#include "tests/support/plane_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Datagrams with more events than a turn takes, while egress holds parcels back.

enum {
	LONG_ROWS = 900, // of two bytes each
	LONG_SIZE = LONG_ROWS * 2,
	MANY = 300 // more than all parcels take
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

static const struct check_test tests[] = {
	{"a long datagram goes", test_a_long_one_goes},
	{"a long datagram blocks nobody", test_a_long_one_blocks_nobody},
	{"a long datagram of several parcels", test_a_long_one_of_several_parcels},
};

int main(void)
{
	int code;

	rig = plane_rig_new();
	code = check_run("intake", tests, sizeof(tests) / sizeof(tests[0]));
	plane_rig_free(rig);
	return code;
}
