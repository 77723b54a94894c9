#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <stdlib.h>

// Which sessions are kept, and which give way to others.

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {"bob", 1, 2}, {0}};
static struct engine *engine;
static struct plane_image *image;

static struct datagram_server *new_server(uint32_t session_count_max)
{
	const struct datagram_server_options options = {
		.session_count_max = session_count_max,
		.session_idle_ms = 24 * 3600000,
		.credit_max = 100,
	};
	struct datagram_server *server;

	if (datagram_server_new(&options, &server) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	return server;
}

/** The server of a process that ended and began again. */
static struct datagram_server *restart(struct datagram_server *server)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(server));
	struct datagram_server *next = new_server(200);

	if (bytes == NULL
	    || datagram_restore(next, view_of(bytes, datagram_snapshot(server, bytes))) != SL_OK)
		abort();
	free(bytes);
	datagram_server_free(server);
	return next;
}

static bool open_another(struct datagram_server *server, const char *name, int64_t now_ms)
{
	struct hand hand;

	hand_init(&hand, server, engine, name, name[0] == 'a' ? 1 : 2);
	hand.now_ms = now_ms;
	return hand_open(&hand);
}

static void open_all(struct datagram_server *server, int64_t now_ms)
{
	for (unsigned i = 0; i < DATAGRAM_CLIENT_SESSIONS_MAX; i++)
		CHECK_FATAL(open_another(server, "alice", now_ms));
}

static void restored_sessions_give_way_too(void)
{
	struct datagram_server *server = new_server(200);

	open_all(server, 1000);
	server = restart(server);
	// Their time begins when they stand in somebody's way; nothing else happens in this process.
	CHECK(!open_another(server, "alice", 1000));
	CHECK(!open_another(server, "alice", 1000 + DATAGRAM_IDLE_MS_MIN));
	CHECK(open_another(server, "alice", 1001 + DATAGRAM_IDLE_MS_MIN));
	datagram_server_free(server);
}

static void repetitions_keep_no_session_alive(void)
{
	struct datagram_server *server = new_server(200);
	struct hand first;
	uint8_t data[100];
	size_t size;

	hand_init(&first, server, engine, "alice", 1);
	first.now_ms = 1000;
	CHECK(hand_open(&first));
	size = hand_seal(&first, 0, view_of_text("{}\n"), data);
	CHECK(hand_give(&first, data, size) == DATAGRAM_EVENTS);
	hand_commit(&first, NULL, 0);
	for (unsigned i = 1; i < DATAGRAM_CLIENT_SESSIONS_MAX; i++)
		CHECK(open_another(server, "alice", 1000 + DATAGRAM_IDLE_MS_MIN));
	// Who has overheard it may repeat it for ever.
	first.now_ms = 1000 + DATAGRAM_IDLE_MS_MIN;
	CHECK(hand_give(&first, data, size) == DATAGRAM_DUPLICATE);
	first.now_ms++;
	CHECK(open_another(server, "alice", first.now_ms));
	CHECK(hand_give(&first, data, size) == DATAGRAM_UNKNOWN);
	datagram_server_free(server);
}

static void a_full_server_lets_the_longest_unheard_of_go(void)
{
	struct datagram_server *server = new_server(3);
	struct hand hands[3];

	for (unsigned i = 0; i < 3; i++) {
		hand_init(&hands[i], server, engine, "alice", 1);
		hands[i].now_ms = 1000 + i;
		CHECK(hand_open(&hands[i]));
	}
	CHECK(!open_another(server, "bob", 1000 + DATAGRAM_IDLE_MS_MIN));
	hands[0].now_ms = 1000 + DATAGRAM_IDLE_MS_MIN;
	CHECK(hand_data(&hands[0], 0, "{}\n") == DATAGRAM_EVENTS);
	CHECK(!open_another(server, "bob", 1001 + DATAGRAM_IDLE_MS_MIN));
	CHECK(open_another(server, "bob", 1002 + DATAGRAM_IDLE_MS_MIN));
	CHECK(hand_ping(&hands[1], false) == 'u');
	CHECK(hand_ping(&hands[0], false) == 'a');
	CHECK(hand_ping(&hands[2], false) == 'a');
	datagram_server_free(server);
}

/** The time of a burst is that of its beginning: two workers' are not in step. */
static void a_worker_may_be_behind_the_one_that_welcomed(void)
{
	struct datagram_server *server = new_server(3);
	struct hand hand;

	hand_init(&hand, server, engine, "alice", 1);
	hand.now_ms = 2000;
	CHECK(hand_hello(&hand, "") == WIRE_WELCOME_OK);
	hand.now_ms = 1999;
	CHECK(hand_ping(&hand, true) == 'a');
	hand_init(&hand, server, engine, "alice", 1);
	hand.now_ms = 3000;
	CHECK(hand_hello(&hand, "") == WIRE_WELCOME_OK);
	hand.now_ms = 3000 + WIRE_WELCOME_MS_MAX;
	CHECK(hand_ping(&hand, true) == 'a');
	hand_init(&hand, server, engine, "alice", 1);
	hand.now_ms = 3000;
	CHECK(hand_hello(&hand, "") == WIRE_WELCOME_OK);
	hand.now_ms = 4000 + WIRE_WELCOME_MS_MAX;
	CHECK(hand_ping(&hand, true) == 'u');
	datagram_server_free(server);
}

static const struct check_test tests[] = {
	{"restored sessions give way too", restored_sessions_give_way_too},
	{"repetitions keep no session alive", repetitions_keep_no_session_alive},
	{"a full server lets the longest unheard of go",
	 a_full_server_lets_the_longest_unheard_of_go},
	{"a worker may be behind the one that welcomed",
	 a_worker_may_be_behind_the_one_that_welcomed},
};

int main(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;
	int code;

	if (engine_new(&options, &engine, &problem) != SL_OK)
		return 1;
	image = build_plane(streams, clients);
	code = check_run("datagram session", tests, sizeof(tests) / sizeof(tests[0]));
	engine_free(engine);
	free(image);
	return code;
}
