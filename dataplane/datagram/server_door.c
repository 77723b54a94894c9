#include "crypto/secret.h"
#include "dataplane/datagram/server_inner.h"

// How sessions begin. A HELLO leaves nothing behind here: the server's nonce is made from a secret, the client's nonce
// and the time, and is made again to check the PING that opens the session. So a HELLO that is repeated by somebody else
// costs one answer that is shorter than itself, and a session begins only with a PING under keys that hang on that nonce.

/** Client and secret as they were while the door was ours. */
struct visit {
	struct door_client client;
	uint8_t secret[WIRE_KEY_SIZE];
	uint8_t stream_id[STREAM_ID_SIZE];
	bool may_send;
	bool is_named; // the stream is the one that the client named
};

/** Look the client up; false: none such, or the door is busy. With true, leave_door is due. */
static bool visit_door(
	struct datagram_server *server,
	const uint8_t id[static WIRE_ID_SIZE],
	const uint8_t stream_id[static STREAM_ID_SIZE],
	struct view name,
	struct visit *ret_visit
)
{
	struct door *door = &server->door;
	const struct door_client *client;
	const struct door_stream *s = NULL;

	if (!lock_try(&door->lock))
		return false;
	client = door_find(door, id);
	if (client != NULL)
		s = door_find_stream(door, stream_id, client, &ret_visit->may_send);
	if (s != NULL) {
		ret_visit->client = *client;
		memcpy(ret_visit->secret, door->secret, sizeof(ret_visit->secret));
		memcpy(ret_visit->stream_id, s->id, sizeof(ret_visit->stream_id));
		ret_visit->is_named =
			name.size == 0 || view_equal(name, view_of(s->name, s->name_size));
	}
	lock_release(&door->lock);
	return s != NULL;
}

/** Time (4, seconds) | CMAC(secret, client id | client nonce | stream id | time), cut. */
static void make_nonce(
	struct engine *engine,
	const struct visit *visit,
	const uint8_t client_nonce[static WIRE_NONCE_SIZE],
	uint32_t now_s,
	uint8_t ret_nonce[static WIRE_NONCE_SIZE]
)
{
	uint8_t text[WIRE_ID_SIZE + WIRE_NONCE_SIZE + STREAM_ID_SIZE + 4];
	uint8_t mac[16];

	memcpy(text, visit->client.id, WIRE_ID_SIZE);
	memcpy(text + 16, client_nonce, WIRE_NONCE_SIZE);
	memcpy(text + 32, visit->stream_id, STREAM_ID_SIZE);
	wire_put32(text + 48, now_s);
	engine_cmac(engine, visit->secret, view_of(text, sizeof(text)), mac);
	memcpy(ret_nonce, text + 48, 4);
	memcpy(ret_nonce + 4, mac, WIRE_NONCE_SIZE - 4);
}

static bool is_own_nonce(
	struct engine *engine,
	const struct visit *visit,
	const struct wire_names *names,
	int64_t now_ms
)
{
	const uint32_t made_s = wire_get32(names->server_nonce);
	uint8_t nonce[WIRE_NONCE_SIZE];

	// A worker's time is that of its burst's beginning: the one that welcomed may be a little ahead.
	if ((uint32_t)(now_ms / 1000) - made_s + 1 > WIRE_WELCOME_MS_MAX / 1000 + 1)
		return false;
	make_nonce(engine, visit, names->client_nonce, made_s, nonce);
	return bytes_equal_ct(nonce, names->server_nonce, sizeof(nonce));
}

static void answer_hello(
	struct engine *engine,
	const struct visit *visit,
	const struct wire_hello *hello,
	struct datagram_in *in,
	int64_t now_ms
)
{
	struct wire_welcome welcome = {.head = wire_head_of(WIRE_WELCOME)};
	enum wire_welcome_status status = WIRE_WELCOME_OK;

	if (!visit->is_named)
		status = WIRE_WELCOME_STREAM;
	else if (!visit->may_send)
		status = WIRE_WELCOME_REFUSED;
	wire_put32(welcome.status, status);
	memcpy(welcome.client_nonce, hello->client_nonce, sizeof(welcome.client_nonce));
	if (status == WIRE_WELCOME_OK)
		make_nonce(
			engine,
			visit,
			hello->client_nonce,
			(uint32_t)(now_ms / 1000),
			welcome.server_nonce
		);
	wire_mac_put(engine, visit->client.hello_key, &welcome, sizeof(welcome));
	memcpy(in->answer, &welcome, sizeof(welcome));
	in->answer_size = sizeof(welcome);
}

void door_hello(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in *in,
	int64_t now_ms
)
{
	struct wire_hello hello;
	struct visit visit;
	uint32_t stream_size;

	if (in->payload.size != sizeof(hello))
		return;
	memcpy(&hello, in->payload.bytes, sizeof(hello));
	stream_size = wire_get32(hello.stream_size);
	if (stream_size > WIRE_STREAM_MAX)
		return;
	if (!visit_door(
		    server,
		    hello.client_id,
		    in->stream_id,
		    view_of(hello.stream, stream_size),
		    &visit
	    ))
		return;
	if (wire_mac_fits(engine, visit.client.hello_key, &hello, sizeof(hello))) {
		in->verdict = DATAGRAM_CONTROL;
		answer_hello(engine, &visit, &hello, in, now_ms);
	}
	bytes_wipe(&visit, sizeof(visit));
}

/** The client's session of these nonces. Under the door's lock. */
static uint32_t find_session(
	const struct datagram_server *server,
	const struct door_client *client,
	const struct wire_names *names
)
{
	uint32_t index = client->first_session;

	while (index != DATAGRAM_SESSION_NONE
	       && memcmp(&server->sessions[index].names, names, sizeof(*names)) != 0)
		index = server->sessions[index].next;
	return index;
}

/** The session that was unheard of longest among those looked at, and for long enough to give way. */
struct eldest {
	uint32_t index; // DATAGRAM_SESSION_NONE = none
	int64_t heard_ms;
};

static void look_at(
	struct datagram_server *server,
	uint32_t index,
	int64_t now_ms,
	struct eldest *eldest
)
{
	struct session *s = &server->sessions[index];

	lock_take(&s->lock);
	session_start_time(s, now_ms);
	if (s->heard_ms < eldest->heard_ms)
		*eldest = (struct eldest){index, s->heard_ms};
	lock_release(&s->lock);
}

static bool end_eldest(struct datagram_server *server, const struct eldest *eldest)
{
	if (eldest->index != DATAGRAM_SESSION_NONE)
		session_end(server, eldest->index);
	return eldest->index != DATAGRAM_SESSION_NONE;
}

/** End one of the client's sessions. Under the door's lock. */
static bool make_room(struct datagram_server *server, struct door_client *client, int64_t now_ms)
{
	struct eldest eldest = {DATAGRAM_SESSION_NONE, now_ms - DATAGRAM_IDLE_MS_MIN};

	for (uint32_t i = client->first_session; i != DATAGRAM_SESSION_NONE;
	     i = server->sessions[i].next)
		look_at(server, i, now_ms, &eldest);
	return end_eldest(server, &eldest);
}

/** End one of anybody's. Under the door's lock. */
static bool make_room_at_all(struct datagram_server *server, int64_t now_ms)
{
	struct eldest eldest = {DATAGRAM_SESSION_NONE, now_ms - DATAGRAM_IDLE_MS_MIN};

	for (uint32_t word = 0; word < SESSION_WORDS; word++)
		for (uint64_t bits = server->live[word]; bits != 0; bits &= bits - 1)
			look_at(server, word * 64 + (uint32_t)__builtin_ctzll(bits), now_ms, &eldest
			);
	return end_eldest(server, &eldest);
}

/** The lowest index that is free. Under the door's lock. */
static uint32_t free_index(struct datagram_server *server, int64_t now_ms)
{
	if (server->live_count >= server->options.session_count_max
	    && !make_room_at_all(server, now_ms))
		return DATAGRAM_SESSION_NONE;
	for (uint32_t word = 0; word < SESSION_WORDS; word++)
		if (server->live[word] != UINT64_MAX)
			return word * 64 + (uint32_t)__builtin_ctzll(~server->live[word]);
	return DATAGRAM_SESSION_NONE;
}

/** Under the door's lock. */
static uint32_t open_session(
	struct datagram_server *server,
	struct engine *engine,
	struct door_client *client,
	const struct visit *visit,
	const struct wire_names *names
)
{
	const int64_t now_ms = atomic_load_explicit(&server->now_ms, memory_order_relaxed);
	struct session *s;
	uint32_t index;
	bool may_send;

	if (client->session_count >= DATAGRAM_CLIENT_SESSIONS_MAX
	    && !make_room(server, client, now_ms))
		return DATAGRAM_SESSION_NONE;
	index = free_index(server, now_ms);
	if (index == DATAGRAM_SESSION_NONE)
		return index;
	s = &server->sessions[index];
	lock_take(&s->lock);
	s->generation = s->generation == 0 ? server->first_generation : s->generation + 1;
	s->generation += s->generation == 0;
	s->names = *names;
	s->heard_ms = now_ms;
	s->credit = door_find_stream(&server->door, visit->stream_id, client, &may_send)->credit;
	memcpy(s->stream_id, visit->stream_id, sizeof(s->stream_id));
	session_begin(server, index);
	session_bind(server, engine, index, client);
	lock_release(&s->lock);
	return index;
}

/** Answer from a session that is there; false: the PING is not newer than those seen, or not of its stream. */
static bool answer_ping(
	struct datagram_server *server,
	struct datagram_in *in,
	uint32_t index,
	uint64_t number,
	int64_t now_ms
)
{
	struct session *s = &server->sessions[index];
	bool is_fresh;

	lock_take(&s->lock);
	is_fresh =
		number > s->ping_number && memcmp(s->stream_id, in->stream_id, STREAM_ID_SIZE) == 0;
	if (is_fresh) {
		s->ping_number = number;
		s->is_restored = false;
		s->heard_ms = now_ms;
		s->ack_from = 0;
		in->ticket.session = index;
		in->ticket.generation = s->generation;
		in->answer_size = session_put_ack(server, index, number, in->answer);
	}
	lock_release(&s->lock);
	return is_fresh;
}

static void answer_reset(
	struct datagram_in *in,
	const struct wire_ping *ping,
	enum wire_reset_reason reason
)
{
	struct wire_reset reset = {.head = wire_head_of(WIRE_RESET)};

	wire_put32(reset.reason, reason);
	memcpy(reset.client_nonce, ping->client_nonce, sizeof(reset.client_nonce));
	memcpy(reset.server_nonce, ping->server_nonce, sizeof(reset.server_nonce));
	memcpy(reset.number, ping->number, sizeof(reset.number));
	memcpy(in->answer, &reset, sizeof(reset));
	in->answer_size = sizeof(reset);
}

/** Whether client and stream are still those of the visit. Under the door's lock. */
static bool is_unchanged(
	const struct door *door,
	const struct door_client *client,
	const struct visit *visit
)
{
	bool may_send = false;

	return client != NULL && bytes_equal_ct(client->key, visit->client.key, WIRE_KEY_SIZE)
		&& bytes_equal_ct(door->secret, visit->secret, WIRE_KEY_SIZE)
		&& door_find_stream(door, visit->stream_id, client, &may_send) != NULL && may_send;
}

/** The PING is its client's. */
static void take_ping(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in *in,
	const struct visit *visit,
	const struct wire_ping *ping,
	const struct wire_names *names,
	int64_t now_ms
)
{
	const bool may_open = (wire_get32(ping->flags) & WIRE_PING_OPENS) != 0
		&& is_own_nonce(engine, visit, names, now_ms);
	enum wire_reset_reason reason = WIRE_RESET_UNKNOWN;
	struct door_client *client;
	uint32_t index = DATAGRAM_SESSION_NONE;

	if (!lock_try(&server->door.lock))
		return;
	client = door_find(&server->door, names->client_id);
	if (client != NULL)
		index = find_session(server, client, names);
	// Between the two visits, clients may have changed.
	if (index == DATAGRAM_SESSION_NONE && may_open
	    && is_unchanged(&server->door, client, visit)) {
		index = open_session(server, engine, client, visit, names);
		reason = WIRE_RESET_FULL;
	}
	if (index != DATAGRAM_SESSION_NONE)
		(void)answer_ping(server, in, index, wire_get64(ping->number), now_ms);
	else
		answer_reset(in, ping, reason);
	lock_release(&server->door.lock);
}

void door_ping(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in *in,
	int64_t now_ms
)
{
	struct wire_names names;
	struct wire_ping ping;
	struct visit visit;
	uint8_t key[WIRE_KEY_SIZE];

	if (in->payload.size != sizeof(ping))
		return;
	memcpy(&ping, in->payload.bytes, sizeof(ping));
	memcpy(names.client_id, ping.client_id, sizeof(names.client_id));
	memcpy(names.client_nonce, ping.client_nonce, sizeof(names.client_nonce));
	memcpy(names.server_nonce, ping.server_nonce, sizeof(names.server_nonce));
	if (!visit_door(server, names.client_id, in->stream_id, view_of(NULL, 0), &visit))
		return;
	wire_control_key(engine, visit.client.key, &names, key);
	if (wire_mac_fits(engine, key, &ping, sizeof(ping))) {
		in->verdict = DATAGRAM_CONTROL;
		take_ping(server, engine, in, &visit, &ping, &names, now_ms);
		if (in->answer_size != 0)
			wire_mac_put(engine, key, in->answer, in->answer_size);
	}
	bytes_wipe(&visit, sizeof(visit));
	bytes_wipe(key, sizeof(key));
}
