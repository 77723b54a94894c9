#include "crypto/secret.h"
#include "dataplane/datagram/server_inner.h"

enum {
	TEXT_PADDING = 64 // readable bytes behind each text
};

/** Whose key the engine's run has. */
struct run {
	uint32_t session; // DATAGRAM_SESSION_NONE = nobody's
	uint32_t generation;
};

/** Make the run that of the datagram's session; false: *ret_verdict says why not. */
static bool begin_run(
	struct datagram_server *server,
	struct engine *engine,
	struct run *run,
	const struct datagram_in *in,
	const struct datagram_ticket *ticket,
	enum datagram_verdict *ret_verdict
)
{
	struct session *s = &server->sessions[ticket->session];
	const bool is_same =
		run->session == ticket->session && run->generation == ticket->generation;
	uint8_t key[WIRE_KEY_SIZE];
	bool is_known;
	bool is_ours;

	lock_take(&s->lock);
	is_known = s->is_live && s->has_keys && s->generation == ticket->generation;
	is_ours = is_known && memcmp(s->stream_id, in->stream_id, STREAM_ID_SIZE) == 0;
	if (is_ours && !is_same)
		memcpy(key, server->keys[ticket->session].data, sizeof(key));
	lock_release(&s->lock);
	*ret_verdict = is_known ? DATAGRAM_STRANGER : DATAGRAM_UNKNOWN;
	if (!is_ours || is_same)
		return is_ours;
	engine_run_begin(engine, key);
	bytes_wipe(key, sizeof(key));
	run->session = ticket->session;
	run->generation = ticket->generation;
	return true;
}

/** Note an authentic datagram in its session. */
static enum datagram_verdict take(
	struct datagram_server *server,
	const struct datagram_ticket *ticket,
	size_t text_size,
	int64_t now_ms,
	bool *ret_has_flow
)
{
	struct session *s = &server->sessions[ticket->session];
	enum datagram_verdict verdict = DATAGRAM_BROKEN;

	lock_take(&s->lock);
	if (!s->is_live || s->generation != ticket->generation) {
		lock_release(&s->lock);
		return DATAGRAM_UNKNOWN;
	}
	*ret_has_flow = s->flow_size != 0;
	if (text_size != 0 && ticket->sequence < WIRE_SEQUENCE_END) {
		switch (window_take(&s->window, ticket->sequence)) {
		case WINDOW_NEW:
			// Only what is new is a sign of life: all else anybody may repeat.
			s->is_restored = false;
			s->heard_ms = now_ms;
			verdict = DATAGRAM_EVENTS;
			break;
		case WINDOW_COMMITTED:
			// Its acknowledgement was lost, or is on its way.
			s->ack_from = 0;
			session_want_ack(server, ticket->session);
			verdict = DATAGRAM_DUPLICATE;
			break;
		case WINDOW_UNDER_WAY:
			verdict = DATAGRAM_DUPLICATE;
			break;
		case WINDOW_BEYOND:
			break;
		}
	}
	lock_release(&s->lock);
	return verdict;
}

static void open_data(
	struct datagram_server *server,
	struct engine *engine,
	struct run *run,
	struct datagram_in *in,
	int64_t now_ms,
	struct room *room
)
{
	struct wire_data head;
	struct datagram_ticket ticket;
	struct view sealed;
	uint8_t iv[WIRE_IV_SIZE];
	uint8_t *text = room->bytes + room->size;
	size_t text_size;
	bool has_flow = false;

	if (in->payload.size < WIRE_DATA_OVERHEAD || in->payload.size > WIRE_DATAGRAM_MAX)
		return;
	memcpy(&head, in->payload.bytes, sizeof(head));
	ticket.session = wire_get32(head.session);
	ticket.generation = wire_get32(head.generation);
	ticket.sequence = wire_get64(head.sequence);
	in->verdict = DATAGRAM_UNKNOWN;
	if (ticket.session >= atomic_load_explicit(&server->high, memory_order_acquire)
	    || !begin_run(server, engine, run, in, &ticket, &in->verdict))
		return;
	sealed = view_of(in->payload.bytes + sizeof(head), in->payload.size - sizeof(head));
	text_size = sealed.size - WIRE_TAG_SIZE;
	assert(room_left(room) >= text_size + TEXT_PADDING);
	wire_iv(ticket.sequence, iv);
	if (engine_run_open(engine, iv, view_of(&head, sizeof(head)), sealed, text) != SL_OK) {
		in->verdict = DATAGRAM_STRANGER;
		return;
	}
	in->verdict = take(server, &ticket, text_size, now_ms, &has_flow);
	if (in->verdict == DATAGRAM_EVENTS) {
		in->text = view_of(text, text_size);
		room->size += text_size + TEXT_PADDING;
	}
	// One that is repeated by somebody else must not lead acknowledgements astray.
	if (in->verdict == DATAGRAM_EVENTS || (in->verdict == DATAGRAM_DUPLICATE && !has_flow))
		in->ticket = ticket;
}

void datagram_open_burst(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in in[],
	size_t count,
	int64_t now_ms,
	struct room *room
)
{
	struct run run = {.session = DATAGRAM_SESSION_NONE};

	assert(count <= DATAGRAM_BURST_MAX);
	atomic_store_explicit(&server->now_ms, now_ms, memory_order_relaxed);
	for (size_t i = 0; i < count; i++) {
		in[i].verdict = DATAGRAM_STRANGER;
		in[i].text = view_of(NULL, 0);
		in[i].ticket = (struct datagram_ticket){.session = DATAGRAM_SESSION_NONE};
		in[i].answer_size = 0;
		switch (wire_kind_of(in[i].payload.bytes, in[i].payload.size)) {
		case WIRE_DATA:
			open_data(server, engine, &run, &in[i], now_ms, room);
			break;
		case WIRE_HELLO:
			door_hello(server, engine, &in[i], now_ms);
			break;
		case WIRE_PING:
			door_ping(server, engine, &in[i], now_ms);
			break;
		default:
			break;
		}
	}
	if (run.session != DATAGRAM_SESSION_NONE)
		engine_run_end(engine);
}
