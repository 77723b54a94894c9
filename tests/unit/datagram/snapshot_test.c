#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/guarded.h"
#include "tests/support/plane_builder.h"
#include "tests/support/scratch.h"

#include <stdlib.h>

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {"bob", 1, 2}, {0}};
static struct engine *engine;
static struct plane_image *image;

enum {
	HEAD_SIZE = 16,
	RECORD_SIZE = 104,
	NAMES_AT = HEAD_SIZE + 8,
	NEXT_AT = HEAD_SIZE + 72,
	WORDS_AT = HEAD_SIZE + 96
};

static struct datagram_server *new_server(void)
{
	const struct datagram_server_options options = {
		.session_count_max = 100,
		.session_idle_ms = 3600000,
		.credit_max = 100,
	};
	struct datagram_server *server;

	if (datagram_server_new(&options, &server) != SL_OK)
		abort();
	return server;
}

static struct datagram_server *new_server_with_clients(void)
{
	struct datagram_server *server = new_server();

	if (datagram_server_clients(server, image) != SL_OK)
		abort();
	return server;
}

static struct guarded snapshot_of(struct datagram_server *server)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(server));
	struct guarded g;

	if (bytes == NULL)
		abort();
	g = guarded_new(datagram_snapshot(server, bytes));
	memcpy(g.bytes, bytes, g.size);
	free(bytes);
	return g;
}

/** A session with 0, 1 and 70 stored, and 5 only received. */
static struct guarded make_snapshot(struct hand *ret_hand)
{
	static const uint64_t stored[] = {0, 1, 70};
	struct datagram_server *server = new_server_with_clients();
	struct guarded g;

	hand_init(ret_hand, server, engine, "alice", 1);
	if (!hand_open(ret_hand))
		abort();
	for (size_t i = 0; i < 3; i++) {
		(void)hand_data(ret_hand, stored[i], "{}\n");
		datagram_stored(server, &ret_hand->in.ticket);
	}
	(void)hand_data(ret_hand, 5, "{}\n");
	g = snapshot_of(server);
	datagram_server_free(server);
	return g;
}

static void check_goes_on(struct datagram_server *server, struct hand hand)
{
	struct hand_ack ack;

	hand.server = server;
	CHECK(hand_ping(&hand, false) == 'a');
	CHECK(hand_read_ack(&hand, hand.in.answer, hand.in.answer_size, &ack));
	CHECK(ack.next == 2 && ack.first == 3 && ack.word_count == 2);
	CHECK(ack.words[0] == 0 && ack.words[1] == UINT64_C(1) << (70 - 3 - 64));
	CHECK(ack.stamp > 1 << 30);
	CHECK(hand_data(&hand, 1, "{}\n") == DATAGRAM_DUPLICATE);
	CHECK(hand_data(&hand, 70, "{}\n") == DATAGRAM_DUPLICATE);
	CHECK(hand_data(&hand, 5, "{}\n") == DATAGRAM_EVENTS); // had come, was not stored
	CHECK(hand_data(&hand, 2, "{}\n") == DATAGRAM_EVENTS);
}

static void sessions_go_on(void)
{
	struct hand hand;
	struct guarded g = make_snapshot(&hand);
	struct datagram_server *server = new_server();

	CHECK(g.size == HEAD_SIZE + RECORD_SIZE + 2 * 8);
	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	hand.server = server;
	CHECK(hand_ping(&hand, false) == '-'); // clients are not known yet
	CHECK(hand_data(&hand, 5, "{}\n") == DATAGRAM_UNKNOWN);
	CHECK(datagram_server_clients(server, image) == SL_OK);
	check_goes_on(server, hand);
	datagram_server_free(server);
	server = new_server_with_clients(); // or the other way round
	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	check_goes_on(server, hand);
	datagram_server_free(server);
	guarded_free(&g);
}

static void a_second_snapshot_is_the_first(void)
{
	struct hand hand;
	struct guarded g = make_snapshot(&hand);
	struct datagram_server *server = new_server_with_clients();
	struct guarded again;
	uint64_t stamp;

	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	again = snapshot_of(server);
	CHECK_FATAL(again.size == g.size);
	memcpy(&stamp, g.bytes + NEXT_AT + 8, 8);
	stamp += 1 << 30;
	memcpy(g.bytes + NEXT_AT + 8, &stamp, 8);
	CHECK(memcmp(again.bytes, g.bytes, g.size) == 0);
	guarded_free(&again);
	guarded_free(&g);
	datagram_server_free(server);
}

static void nothing_is_a_snapshot(void)
{
	struct datagram_server *server = new_server_with_clients();
	struct guarded g = snapshot_of(server);

	CHECK(g.size == HEAD_SIZE);
	CHECK(datagram_restore(server, view_of(NULL, 0)) == SL_OK);
	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	guarded_free(&g);
	datagram_server_free(server);
}

static enum sl_status restore_into_new(struct view snapshot)
{
	struct datagram_server *server = new_server();
	const enum sl_status status = datagram_restore(server, snapshot);
	struct guarded g = snapshot_of(server);

	// What was refused has left nothing behind.
	CHECK(status == SL_OK || g.size == HEAD_SIZE);
	guarded_free(&g);
	datagram_server_free(server);
	return status;
}

/** One lie: bytes at an offset. */
static const struct lie {
	const char *what;
	size_t at;
	uint64_t value;
	size_t size;
} lies[] = {
	{"magic", 0, 1, 4},
	{"version", 4, 2, 4},
	{"too few sessions", 8, 0, 4},
	{"too many sessions", 8, 2, 4},
	{"far too many sessions", 8, UINT32_MAX, 4},
	{"reserved of the head", 12, 1, 4},
	{"index", HEAD_SIZE, DATAGRAM_SESSIONS_MAX, 4},
	{"generation", HEAD_SIZE + 4, 0, 4},
	{"next", NEXT_AT, WIRE_SEQUENCE_END + 1, 8},
	{"stamp", NEXT_AT + 8, UINT64_MAX, 8},
	{"words, one too few", WORDS_AT, 1, 4},
	{"words, one too many", WORDS_AT, 3, 4},
	{"words, more than a window", WORDS_AT, 65, 4},
	{"reserved of the session", WORDS_AT + 4, 1, 4},
	{"next is stored", WORDS_AT + 8, 1, 1},
};

static void lies_are_refused(void)
{
	struct hand hand;
	struct guarded g = make_snapshot(&hand);

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		uint8_t kept[8];

		memcpy(kept, g.bytes + lies[i].at, lies[i].size);
		memcpy(g.bytes + lies[i].at, &lies[i].value, lies[i].size);
		if (restore_into_new(view_of(g.bytes, g.size)) != SL_E_CORRUPT) {
			printf("believed: %s\n", lies[i].what);
			CHECK(false);
		}
		memcpy(g.bytes + lies[i].at, kept, lies[i].size);
	}
	for (size_t cut = 1; cut < g.size; cut++)
		CHECK(restore_into_new(view_of(g.bytes + cut, g.size - cut)) == SL_E_CORRUPT);
	for (size_t size = 1; size < g.size; size++) {
		struct guarded shorter = guarded_new(size);

		memcpy(shorter.bytes, g.bytes, size);
		CHECK(restore_into_new(view_of(shorter.bytes, size)) == SL_E_CORRUPT);
		guarded_free(&shorter);
	}
	CHECK(restore_into_new(view_of(g.bytes, g.size)) == SL_OK);
	guarded_free(&g);
}

static void an_index_twice_is_refused(void)
{
	struct datagram_server *server = new_server_with_clients();
	struct hand hand;
	struct guarded g;

	for (unsigned i = 0; i < 2; i++) {
		hand_init(&hand, server, engine, "bob", 2);
		CHECK(hand_open(&hand));
	}
	g = snapshot_of(server);
	CHECK(restore_into_new(view_of(g.bytes, g.size)) == SL_OK);
	memset(g.bytes + HEAD_SIZE + RECORD_SIZE, 0, 4); // the second one's index
	CHECK(restore_into_new(view_of(g.bytes, g.size)) == SL_E_CORRUPT);
	guarded_free(&g);
	datagram_server_free(server);
}

static void sessions_of_strangers_end(void)
{
	struct hand hand;
	struct guarded g = make_snapshot(&hand);
	struct datagram_server *server = new_server();

	memset(g.bytes + NAMES_AT, 7, WIRE_ID_SIZE);
	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	CHECK(datagram_server_clients(server, image) == SL_OK);
	hand.server = server;
	CHECK(hand_data(&hand, 5, "{}\n") == DATAGRAM_UNKNOWN);
	guarded_free(&g);
	g = snapshot_of(server);
	CHECK(g.size == HEAD_SIZE);
	guarded_free(&g);
	datagram_server_free(server);
}

static void idle_sessions_end(void)
{
	struct hand hand;
	struct guarded g = make_snapshot(&hand);
	struct datagram_server *server = new_server_with_clients();

	CHECK(datagram_restore(server, view_of(g.bytes, g.size)) == SL_OK);
	guarded_free(&g);
	hand.server = server;
	// Its time begins at the restart.
	(void)hand_give(&hand, "x", 1);
	g = snapshot_of(server);
	CHECK(g.size != HEAD_SIZE);
	guarded_free(&g);
	hand.now_ms += 3600000;
	(void)hand_give(&hand, "x", 1);
	g = snapshot_of(server);
	CHECK(g.size != HEAD_SIZE);
	guarded_free(&g);
	hand.now_ms += 1;
	(void)hand_give(&hand, "x", 1);
	g = snapshot_of(server);
	CHECK(g.size == HEAD_SIZE);
	guarded_free(&g);
	CHECK(hand_ping(&hand, false) == 'u');
	datagram_server_free(server);
}

static const struct check_test tests[] = {
	{"sessions go on", sessions_go_on},
	{"a second snapshot is the first", a_second_snapshot_is_the_first},
	{"nothing is a snapshot", nothing_is_a_snapshot},
	{"lies are refused", lies_are_refused},
	{"an index twice is refused", an_index_twice_is_refused},
	{"sessions of strangers end", sessions_of_strangers_end},
	{"idle sessions end", idle_sessions_end},
};

int main(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;
	int code;

	if (engine_new(&options, &engine, &problem) != SL_OK)
		return 1;
	image = build_plane(streams, clients);
	code = check_run("datagram snapshot", tests, sizeof(tests) / sizeof(tests[0]));
	engine_free(engine);
	free(image);
	return code;
}
