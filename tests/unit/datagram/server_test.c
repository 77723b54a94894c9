#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/guarded.h"
#include "tests/support/plane_builder.h"
#include "tests/support/scratch.h"

#include <stdlib.h>

static const struct build_stream streams[] = {{"edits", 5000}, {"orders", 5001}, {0}};
static const struct build_client clients[] = {{"alice", 3, 1}, {"bob", 2, 2}, {0}};
static struct engine *engine;
static struct plane_image *image;

/** A server that knows alice (both streams) and bob (orders only). */
static struct datagram_server *new_server(uint32_t session_count_max, uint32_t credit_max)
{
	const struct datagram_server_options options = {
		.session_count_max = session_count_max,
		.session_idle_ms = 3600000,
		.credit_max = credit_max,
	};
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct datagram_server *server;
	struct problem problem;

	if (engine == NULL && engine_new(&engine_options, &engine, &problem) != SL_OK)
		abort();
	if (image == NULL)
		image = build_plane(streams, clients);
	if (datagram_server_new(&options, &server) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	return server;
}

static void options_have_bounds(void)
{
	static const struct datagram_server_options bad[] = {
		{0, 3600000, 100},
		{DATAGRAM_SESSIONS_MAX + 1, 3600000, 100},
		{10, 59999, 100},
		{10, UINT64_MAX, 100},
		{10, 3600000, 0},
		{10, 3600000, DATAGRAM_WINDOW + 1},
	};
	struct datagram_server *server;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(datagram_server_new(&bad[i], &server) == SL_E_INVALID);
	datagram_server_free(NULL);
}

static void a_session_takes_events_once(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand hand;
	struct hand_ack ack;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_EVENTS);
	CHECK(view_equal(hand.in.text, view_of_text("{}\n")));
	CHECK(hand.in.ticket.session == hand.session && hand.in.ticket.sequence == 0);
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_DUPLICATE);
	CHECK(hand.in.text.size == 0);
	CHECK(!hand_next_ack(&hand, &ack));
	hand.in.ticket = (struct datagram_ticket){hand.session, hand.generation, 0};
	datagram_stored(server, &hand.in.ticket);
	CHECK(!hand_next_ack(&hand, &ack)); // not committed
	CHECK(hand_ping(&hand, false) == 'a');
	CHECK(hand_read_ack(&hand, hand.in.answer, hand.in.answer_size, &ack) && ack.next == 0);
	hand.in.ticket = (struct datagram_ticket){hand.session, hand.generation, 0};
	hand_commit(&hand, NULL, 0);
	CHECK(hand_next_ack(&hand, &ack));
	CHECK(ack.next == 1 && ack.word_count == 0 && ack.credit == 100);
	CHECK(!hand_next_ack(&hand, &ack));
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_DUPLICATE);
	CHECK(!hand_next_ack(&hand, &ack)); // one a millisecond
	hand.now_ms++;
	CHECK(hand_next_ack(&hand, &ack));
	datagram_server_free(server);
}

static void a_refused_datagram_may_come_again(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct datagram_ticket ticket;
	struct hand hand;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	CHECK(hand_data(&hand, 3, "{}\n") == DATAGRAM_EVENTS);
	ticket = hand.in.ticket;
	datagram_refuse(server, &ticket);
	datagram_stored(server, &ticket); // nothing: it was given back
	CHECK(hand_data(&hand, 3, "{}\n") == DATAGRAM_EVENTS);
	hand_commit(&hand, NULL, 0);
	datagram_refuse(server, &ticket); // nothing: it is stored
	CHECK(hand_data(&hand, 3, "{}\n") == DATAGRAM_DUPLICATE);
	ticket.generation++;
	datagram_refuse(server, &ticket);
	datagram_stored(server, &ticket);
	CHECK(hand_data(&hand, 3, "{}\n") == DATAGRAM_DUPLICATE);
	datagram_server_free(server);
}

static void streams_are_kept_apart(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand alice;
	struct hand bob;

	hand_init(&alice, server, engine, "alice", 1);
	hand_init(&bob, server, engine, "bob", 2);
	CHECK(hand_hello(&bob, "") == WIRE_WELCOME_REFUSED);
	CHECK(hand_hello(&bob, "edits") == WIRE_WELCOME_REFUSED);
	CHECK(hand_hello(&alice, "orders") == WIRE_WELCOME_STREAM);
	CHECK(hand_hello(&alice, "edit") == WIRE_WELCOME_STREAM);
	CHECK(hand_hello(&alice, "edits") == WIRE_WELCOME_OK);
	alice.stream = "orders"; // led to another port, with edits' nonce
	CHECK(hand_ping(&alice, true) == 'u');
	alice.stream = "edits";
	CHECK(hand_ping(&alice, true) == 'a');
	alice.stream = "orders";
	CHECK(hand_data(&alice, 0, "{}\n") == DATAGRAM_STRANGER);
	CHECK(hand_ping(&alice, false) == '-');
	alice.stream = "none"; // there is none
	CHECK(hand_data(&alice, 0, "{}\n") == DATAGRAM_STRANGER);
	CHECK(hand_ping(&alice, false) == '-');
	CHECK(hand_hello(&alice, "") == -1);
	alice.stream = "edits";
	CHECK(hand_data(&alice, 0, "{}\n") == DATAGRAM_EVENTS);
	datagram_server_free(server);
}

static void who_is_unknown_hears_nothing(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand hand;

	hand_init(&hand, server, engine, "mallory", 1);
	CHECK(hand_hello(&hand, "") == -1 && hand.in.verdict == DATAGRAM_STRANGER);
	wire_session_keys(engine, hand.client_key, &hand.names, &hand.keys);
	CHECK(hand_ping(&hand, true) == '-' && hand.in.verdict == DATAGRAM_STRANGER);
	hand_init(&hand, server, engine, "alice", 9); // another key
	CHECK(hand_hello(&hand, "") == -1 && hand.in.verdict == DATAGRAM_STRANGER);
	wire_session_keys(engine, hand.client_key, &hand.names, &hand.keys);
	CHECK(hand_ping(&hand, true) == '-' && hand.in.verdict == DATAGRAM_STRANGER);
	hand.session = 0;
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_UNKNOWN && hand.in.answer_size == 0);
	hand.session = UINT32_MAX;
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_UNKNOWN);
	datagram_server_free(server);
}

static void nonces_are_the_servers_and_fresh(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand hand;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_hello(&hand, "") == WIRE_WELCOME_OK);
	hand.now_ms += WIRE_WELCOME_MS_MAX + 1000;
	CHECK(hand_ping(&hand, true) == 'u');
	hand.now_ms -= 2000;
	CHECK(hand_ping(&hand, false) == 'u'); // it does not ask for a session
	CHECK(hand_ping(&hand, true) == 'a');
	for (size_t bit = 0; bit < WIRE_NONCE_SIZE * 8; bit++) {
		struct hand other = hand;

		other.names.server_nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
		other.session = WIRE_SESSION_NONE;
		wire_session_keys(engine, other.client_key, &other.names, &other.keys);
		CHECK(hand_ping(&other, true) == 'u');
	}
	engine_random(engine, hand.names.client_nonce, WIRE_NONCE_SIZE);
	wire_session_keys(engine, hand.client_key, &hand.names, &hand.keys);
	CHECK(hand_ping(&hand, true) == 'u'); // the nonce was made for another
	datagram_server_free(server);
}

static void what_breaks_the_format_is_dropped(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct guarded g = guarded_new(200);
	uint8_t good[200];
	struct hand hand;
	size_t size;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	CHECK(hand_data(&hand, 0, "") == DATAGRAM_BROKEN);
	CHECK(hand_data(&hand, DATAGRAM_WINDOW, "{}\n") == DATAGRAM_BROKEN);
	CHECK(hand_data(&hand, WIRE_SEQUENCE_END, "{}\n") == DATAGRAM_BROKEN);
	CHECK(hand_data(&hand, UINT64_MAX, "{}\n") == DATAGRAM_BROKEN);
	CHECK(hand_data(&hand, DATAGRAM_WINDOW - 1, "{}\n") == DATAGRAM_EVENTS);
	size = hand_seal(&hand, 0, view_of_text("{\"a\":1}\n"), good);
	for (size_t cut = 0; cut < size; cut++) {
		uint8_t *at = g.bytes + g.size - cut;

		memcpy(at, good, cut);
		CHECK(hand_give(&hand, at, cut) == DATAGRAM_STRANGER);
	}
	for (size_t bit = 0; bit < size * 8; bit++) {
		enum datagram_verdict verdict;

		good[bit / 8] ^= (uint8_t)(1 << bit % 8);
		verdict = hand_give(&hand, good, size);
		CHECK(verdict == DATAGRAM_STRANGER || verdict == DATAGRAM_UNKNOWN);
		CHECK(hand.in.answer_size == 0);
		good[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(hand_give(&hand, good, size) == DATAGRAM_EVENTS);
	guarded_free(&g);
	datagram_server_free(server);
}

static void note_bits(const struct hand_ack *ack, uint64_t found[DATAGRAM_WINDOW / 64])
{
	CHECK(ack->next == 0 && ack->first >= 1);
	for (uint32_t i = 0; i < ack->word_count * 64; i++)
		if ((ack->words[i / 64] >> (i % 64) & 1) != 0)
			found[(ack->first + i) / 64] |= UINT64_C(1) << (ack->first + i) % 64;
}

static void acknowledgements_reach_the_whole_window(void)
{
	struct datagram_server *server = new_server(10, 100);
	uint64_t found[DATAGRAM_WINDOW / 64] = {0};
	struct hand hand;
	struct hand_ack ack;
	unsigned count = 0;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	for (uint64_t s = 1; s < DATAGRAM_WINDOW; s++) {
		CHECK_FATAL(hand_data(&hand, s, "{}\n") == DATAGRAM_EVENTS);
		datagram_stored(server, &hand.in.ticket);
	}
	hand_commit(&hand, &hand.in.ticket, 0);
	for (int64_t end_ms = hand.now_ms + 20; hand.now_ms < end_ms; hand.now_ms++)
		for (; hand_next_ack(&hand, &ack); count++)
			note_bits(&ack, found);
	CHECK(count == 8);
	CHECK((found[0] | 1) == UINT64_MAX);
	for (size_t i = 1; i < DATAGRAM_WINDOW / 64; i++)
		CHECK(found[i] == UINT64_MAX);
	CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_EVENTS);
	hand_commit(&hand, NULL, 0);
	CHECK(hand_next_ack(&hand, &ack) && ack.next == DATAGRAM_WINDOW && ack.word_count == 0);
	datagram_server_free(server);
}

static void credit_is_told(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand hand;
	struct hand_ack ack;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	hand_credit(server, "edits", 90);
	CHECK(!hand_next_ack(&hand, &ack)); // hardly news
	hand_credit(server, "edits", 0);
	CHECK(hand_next_ack(&hand, &ack) && ack.credit == 0);
	hand.now_ms++;
	CHECK(!hand_next_ack(&hand, &ack));
	hand_credit(server, "edits", 5000);
	CHECK(hand_next_ack(&hand, &ack) && ack.credit == 100);
	datagram_server_free(server);
}

/** A stream whose sinks do not keep up holds back nobody else's clients. */
static void credit_is_a_streams_own(void)
{
	struct datagram_server *server = new_server(10, 100);
	struct hand edits;
	struct hand orders;
	struct hand_ack ack;

	hand_init(&edits, server, engine, "alice", 1);
	hand_init(&orders, server, engine, "alice", 1);
	orders.stream = "orders";
	CHECK(hand_open(&edits) && hand_open(&orders));
	hand_credit(server, "edits", 0);
	CHECK(hand_next_ack(&edits, &ack) && ack.credit == 0);
	CHECK(!hand_next_ack(&orders, &ack));
	CHECK(hand_ping(&orders, false) == 'a');
	CHECK(hand_read_ack(&orders, orders.in.answer, orders.in.answer_size, &ack));
	CHECK(ack.credit == 100);
	// New sessions have what the stream has, and it stays so when clients change.
	CHECK(datagram_server_clients(server, image) == SL_OK);
	hand_init(&edits, server, engine, "alice", 1);
	CHECK(hand_open(&edits));
	CHECK(hand_read_ack(&edits, edits.in.answer, edits.in.answer_size, &ack));
	CHECK(ack.credit == 0);
	hand_credit(server, "nothing", 50);
	hand_credit(server, "edits", 50);
	CHECK(hand_ping(&edits, false) == 'a');
	CHECK(hand_read_ack(&edits, edits.in.answer, edits.in.answer_size, &ack));
	CHECK(ack.credit == 50);
	datagram_server_free(server);
}

static void clients_have_bounded_sessions(void)
{
	struct datagram_server *server = new_server(200, 100);
	struct hand first;
	struct hand hand;

	hand_init(&first, server, engine, "alice", 1);
	CHECK(hand_open(&first));
	for (unsigned i = 1; i < DATAGRAM_CLIENT_SESSIONS_MAX; i++) {
		hand_init(&hand, server, engine, "alice", 1);
		CHECK(hand_open(&hand));
	}
	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_hello(&hand, "") == WIRE_WELCOME_OK);
	CHECK(hand_ping(&hand, true) == 'f');
	CHECK(hand_ping(&first, false) == 'a');
	// A minute later the one unheard of longest goes.
	hand.now_ms += DATAGRAM_IDLE_MS_MIN + 1;
	first.now_ms = hand.now_ms - 10;
	CHECK(hand_ping(&first, false) == 'a');
	CHECK(hand_open(&hand));
	CHECK(hand_ping(&first, false) == 'a');
	CHECK(hand_data(&first, 0, "{}\n") == DATAGRAM_EVENTS);
	hand_init(&hand, server, engine, "bob", 2);
	hand.stream = "orders";
	CHECK(hand_open(&hand)); // others have their own
	datagram_server_free(server);
}

static void a_full_server_makes_room_when_sessions_are_idle(void)
{
	struct datagram_server *server = new_server(3, 100);
	struct hand hands[4];

	for (unsigned i = 0; i < 4; i++) {
		hand_init(&hands[i], server, engine, "alice", 1);
		CHECK(hand_hello(&hands[i], "") == WIRE_WELCOME_OK);
		CHECK(hand_ping(&hands[i], true) == (i < 3 ? 'a' : 'f'));
	}
	hands[3].now_ms += 3600001;
	CHECK(hand_open(&hands[3]));
	CHECK(hand_ping(&hands[0], false) == 'u');
	CHECK(hand_data(&hands[3], 0, "{}\n") == DATAGRAM_EVENTS);
	datagram_server_free(server);
}

static void sessions_end_with_their_clients(void)
{
	static const struct build_stream other_streams[] = {
		{"new", 1}, {"edits", 2}, {"orders", 3}, {0}};
	static const struct build_client same[] = {{"alice", 6, 1}, {"bob", 4, 2}, {0}};
	static const struct build_client other_key[] = {{"alice", 6, 7}, {"bob", 4, 2}, {0}};
	static const struct build_client no_stream[] = {{"alice", 4, 1}, {"bob", 4, 2}, {0}};
	static const struct build_client gone[] = {{"bob", 4, 2}, {0}};

	static const struct {
		const struct build_client *clients;
		char answer; // to the next PING
	} cases[] = {{same, 'a'}, {other_key, '-'}, {no_stream, 'u'}, {gone, '-'}};

	for (size_t i = 0; i < 4; i++) {
		struct datagram_server *server = new_server(10, 100);
		struct plane_image *next = build_plane(other_streams, cases[i].clients);
		struct hand hand;

		hand_init(&hand, server, engine, "alice", 1);
		CHECK(hand_open(&hand));
		CHECK(hand_data(&hand, 0, "{}\n") == DATAGRAM_EVENTS);
		CHECK(datagram_server_clients(server, next) == SL_OK);
		CHECK((hand_data(&hand, 1, "{}\n") == DATAGRAM_EVENTS) == (cases[i].answer == 'a'));
		CHECK(hand_ping(&hand, false) == cases[i].answer);
		// A repetition of the PING that opened it must not begin it again, for its DATA was stored.
		CHECK(datagram_server_clients(server, image) == SL_OK);
		CHECK(hand_ping(&hand, true) == (cases[i].answer == 'a' ? 'a' : 'u'));
		free(next);
		datagram_server_free(server);
	}
}

static void acknowledgements_go_where_fresh_datagrams_come_from(void)
{
	struct datagram_server *server = new_server(10, 100);
	uint8_t bytes[DATAGRAM_ANSWER_MAX];
	uint8_t data[100];
	struct hand hand;
	struct hand_ack ack;
	char flow[8];
	size_t size;

	hand_init(&hand, server, engine, "alice", 1);
	CHECK(hand_open(&hand));
	size = hand_seal(&hand, 0, view_of_text("{}\n"), data);
	CHECK(hand_give(&hand, data, size) == DATAGRAM_EVENTS);
	CHECK(hand.in.ticket.session == hand.session);
	CHECK(datagram_get_flow(server, hand.session, flow, sizeof(flow)) == 4);
	CHECK(memcmp(flow, "flow", 4) == 0);
	CHECK(datagram_get_flow(server, hand.session, flow, 2) == 2);
	CHECK(hand_give(&hand, data, size) == DATAGRAM_DUPLICATE);
	CHECK(hand.in.ticket.session == DATAGRAM_SESSION_NONE);
	hand.in.ticket = (struct datagram_ticket){hand.session, hand.generation, 0};
	hand_commit(&hand, NULL, 0);
	datagram_set_flow(server, hand.session, 5, "there", 5);
	CHECK(!hand_next_ack(&hand, &ack)); // it is worker 5's
	CHECK(datagram_next_ack(server, engine, 5, hand.now_ms, &hand.session, bytes) != 0);
	datagram_server_free(server);
}

static const struct check_test tests[] = {
	{"options have bounds", options_have_bounds},
	{"a session takes events once", a_session_takes_events_once},
	{"a refused datagram may come again", a_refused_datagram_may_come_again},
	{"streams are kept apart", streams_are_kept_apart},
	{"who is unknown hears nothing", who_is_unknown_hears_nothing},
	{"nonces are the server's, and fresh", nonces_are_the_servers_and_fresh},
	{"what breaks the format is dropped", what_breaks_the_format_is_dropped},
	{"acknowledgements reach the whole window", acknowledgements_reach_the_whole_window},
	{"credit is told", credit_is_told},
	{"credit is a stream's own", credit_is_a_streams_own},
	{"clients have bounded sessions", clients_have_bounded_sessions},
	{"a full server makes room when sessions are idle",
	 a_full_server_makes_room_when_sessions_are_idle},
	{"sessions end with their clients", sessions_end_with_their_clients},
	{"acknowledgements go where fresh datagrams come from",
	 acknowledgements_go_where_fresh_datagrams_come_from},
};

int main(void)
{
	const int code = check_run("datagram server", tests, sizeof(tests) / sizeof(tests[0]));

	engine_free(engine);
	free(image);
	return code;
}
