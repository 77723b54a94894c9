#include "tests/support/datagram_hand.h"

#include "tests/support/plane_builder.h"

#include <stdlib.h>

void hand_init(
	struct hand *hand,
	struct datagram_server *server,
	struct engine *engine,
	const char *name,
	uint8_t salt
)
{
	*hand = (struct hand
	){.server = server, .engine = engine, .now_ms = 1000000, .stream = "edits"};
	hand->session = WIRE_SESSION_NONE;
	build_client_id(name, hand->names.client_id);
	build_client_key(name, salt, hand->client_key);
	wire_hello_key(engine, hand->client_key, hand->names.client_id, hand->hello_key);
	engine_random(engine, hand->names.client_nonce, WIRE_NONCE_SIZE);
}

enum datagram_verdict hand_give(struct hand *hand, const void *bytes, size_t size)
{
	struct room room = {.bytes = hand->room, .capacity = sizeof(hand->room)};
	uint8_t stream_id[16];

	build_stream_id(hand->stream, stream_id);
	hand->in = (struct datagram_in){.payload = view_of(bytes, size), .stream_id = stream_id};
	datagram_open_burst(hand->server, hand->engine, &hand->in, 1, hand->now_ms, &room);
	if (hand->in.answer_size > size || hand->in.answer_size > DATAGRAM_ANSWER_MAX)
		abort();
	if (hand->in.ticket.session != DATAGRAM_SESSION_NONE)
		datagram_set_flow(hand->server, hand->in.ticket.session, 0, "flow", 4);
	return hand->in.verdict;
}

int hand_hello(struct hand *hand, const char *stream)
{
	struct wire_hello hello = {.head = wire_head_of(WIRE_HELLO)};
	struct wire_welcome welcome;
	const struct datagram_in *in = &hand->in;

	memcpy(hello.client_id, hand->names.client_id, WIRE_ID_SIZE);
	memcpy(hello.client_nonce, hand->names.client_nonce, WIRE_NONCE_SIZE);
	wire_put32(hello.stream_size, (uint32_t)strlen(stream));
	memcpy(hello.stream, stream, strlen(stream));
	wire_mac_put(hand->engine, hand->hello_key, &hello, sizeof(hello));
	(void)hand_give(hand, &hello, sizeof(hello));
	if (in->answer_size == 0)
		return -1;
	if (in->answer_size != sizeof(welcome)
	    || wire_kind_of(in->answer, in->answer_size) != WIRE_WELCOME
	    || !wire_mac_fits(hand->engine, hand->hello_key, in->answer, in->answer_size))
		abort();
	memcpy(&welcome, in->answer, sizeof(welcome));
	if (memcmp(welcome.client_nonce, hand->names.client_nonce, WIRE_NONCE_SIZE) != 0)
		abort();
	if (wire_get32(welcome.status) == WIRE_WELCOME_OK) {
		memcpy(hand->names.server_nonce, welcome.server_nonce, WIRE_NONCE_SIZE);
		wire_session_keys(hand->engine, hand->client_key, &hand->names, &hand->keys);
	}
	return (int)wire_get32(welcome.status);
}

static size_t put_ping(struct hand *hand, bool opens, uint8_t *ret_bytes)
{
	struct wire_ping ping = {.head = wire_head_of(WIRE_PING)};

	wire_put32(ping.session, hand->session);
	wire_put32(ping.generation, hand->generation);
	wire_put32(ping.flags, opens ? WIRE_PING_OPENS : 0);
	memcpy(ping.client_id, hand->names.client_id, WIRE_ID_SIZE);
	memcpy(ping.client_nonce, hand->names.client_nonce, WIRE_NONCE_SIZE);
	memcpy(ping.server_nonce, hand->names.server_nonce, WIRE_NONCE_SIZE);
	wire_put64(ping.number, ++hand->ping_number);
	wire_mac_put(hand->engine, hand->keys.control, &ping, sizeof(ping));
	memcpy(ret_bytes, &ping, sizeof(ping));
	return sizeof(ping);
}

char hand_ping(struct hand *hand, bool opens)
{
	uint8_t ping[sizeof(struct wire_ping)];
	struct wire_reset reset;
	struct hand_ack ack;
	const struct datagram_in *in = &hand->in;

	(void)hand_give(hand, ping, put_ping(hand, opens, ping));
	if (in->answer_size == 0)
		return '-';
	if (!wire_mac_fits(hand->engine, hand->keys.control, in->answer, in->answer_size))
		abort();
	if (wire_kind_of(in->answer, in->answer_size) == WIRE_RESET) {
		memcpy(&reset, in->answer, sizeof(reset));
		if (in->answer_size != sizeof(reset)
		    || wire_get64(reset.number) != hand->ping_number
		    || memcmp(reset.client_nonce, hand->names.client_nonce, 32) != 0)
			abort();
		return wire_get32(reset.reason) == WIRE_RESET_FULL ? 'f' : 'u';
	}
	memcpy(&ack, in->answer, sizeof(struct wire_ack));
	hand->session = wire_get32(ack.ack.session);
	hand->generation = wire_get32(ack.ack.generation);
	if (!hand_read_ack(hand, in->answer, in->answer_size, &ack)
	    || wire_get64(ack.ack.number) != hand->ping_number)
		abort();
	return 'a';
}

bool hand_open(struct hand *hand)
{
	return hand_hello(hand, "") == WIRE_WELCOME_OK && hand_ping(hand, true) == 'a';
}

size_t hand_seal(struct hand *hand, uint64_t sequence, struct view text, uint8_t *bytes)
{
	struct wire_data head = {.head = wire_head_of(WIRE_DATA)};
	uint8_t iv[WIRE_IV_SIZE];

	wire_put32(head.session, hand->session);
	wire_put32(head.generation, hand->generation);
	wire_put64(head.sequence, sequence);
	memcpy(bytes, &head, sizeof(head));
	wire_iv(sequence, iv);
	engine_run_begin(hand->engine, hand->keys.data);
	engine_run_seal(hand->engine, iv, view_of(&head, sizeof(head)), text, bytes + sizeof(head));
	return WIRE_DATA_OVERHEAD + text.size;
}

enum datagram_verdict hand_data(struct hand *hand, uint64_t sequence, const char *text)
{
	uint8_t bytes[DATAGRAM_SIZE_MAX];

	return hand_give(hand, bytes, hand_seal(hand, sequence, view_of_text(text), bytes));
}

bool hand_read_ack(struct hand *hand, const uint8_t *bytes, size_t size, struct hand_ack *ret_ack)
{
	struct hand_ack *a = ret_ack;

	if (size < WIRE_ACK_SIZE_MIN || size > WIRE_ANSWER_MAX || size % 8 != 0
	    || wire_kind_of(bytes, size) != WIRE_ACK
	    || !wire_mac_fits(hand->engine, hand->keys.control, bytes, size))
		return false;
	*a = (struct hand_ack){0};
	memcpy(&a->ack, bytes, sizeof(a->ack));
	a->next = wire_get64(a->ack.next);
	a->first = wire_get64(a->ack.first);
	a->credit = wire_get32(a->ack.credit);
	a->stamp = wire_get64(a->ack.stamp);
	a->word_count = (uint32_t)((size - WIRE_ACK_SIZE_MIN) / 8);
	memcpy(a->words, bytes + sizeof(a->ack), (size_t)a->word_count * 8);
	return wire_get32(a->ack.session) == hand->session
		&& wire_get32(a->ack.generation) == hand->generation;
}

bool hand_next_ack(struct hand *hand, struct hand_ack *ret_ack)
{
	uint8_t bytes[DATAGRAM_ANSWER_MAX];
	uint32_t session;
	const uint32_t size =
		datagram_next_ack(hand->server, hand->engine, 0, hand->now_ms, &session, bytes);

	return size != 0 && session == hand->session && hand_read_ack(hand, bytes, size, ret_ack);
}

void hand_credit(struct datagram_server *server, const char *stream, uint32_t credit)
{
	uint8_t stream_id[16];

	build_stream_id(stream, stream_id);
	datagram_server_credit(server, stream_id, credit);
}

void hand_commit(struct hand *hand, const struct datagram_ticket *tickets, size_t count)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(hand->server));

	if (bytes == NULL)
		abort();
	if (tickets == NULL)
		datagram_stored(hand->server, &hand->in.ticket);
	for (size_t i = 0; i < count; i++)
		datagram_stored(hand->server, &tickets[i]);
	if (datagram_snapshot(hand->server, bytes) > datagram_snapshot_max(hand->server))
		abort();
	datagram_committed(hand->server);
	free(bytes);
}
