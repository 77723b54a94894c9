#include "crypto/secret.h"
#include "dataplane/datagram/server_inner.h"

// From stored to acknowledged: datagram_stored marks what is durable in its sink, a snapshot takes it along, and
// datagram_committed lets acknowledgements say it. All three are the egress thread's; workers write the acknowledgements.

void datagram_refuse(struct datagram_server *server, const struct datagram_ticket *ticket)
{
	struct session *s = &server->sessions[ticket->session];

	assert(ticket->session < DATAGRAM_SESSIONS_MAX);
	lock_take(&s->lock);
	if (s->is_live && s->generation == ticket->generation)
		window_give_back(&s->window, ticket->sequence);
	lock_release(&s->lock);
}

void datagram_stored(struct datagram_server *server, const struct datagram_ticket *ticket)
{
	struct session *s = &server->sessions[ticket->session];
	bool is_new;

	assert(ticket->session < DATAGRAM_SESSIONS_MAX);
	lock_take(&s->lock);
	is_new = s->is_live && s->generation == ticket->generation
		&& window_store(&s->window, ticket->sequence) && !s->is_dirty;
	if (is_new)
		s->is_dirty = true;
	lock_release(&s->lock);
	if (is_new)
		server->dirty[server->dirty_count++] = ticket->session;
}

void datagram_committed(struct datagram_server *server)
{
	for (uint32_t i = 0; i < server->dirty_count; i++) {
		struct session *s = &server->sessions[server->dirty[i]];

		lock_take(&s->lock);
		s->is_dirty = false;
		if (s->is_live) {
			window_commit(&s->window);
			s->ack_from = 0;
			session_want_ack(server, server->dirty[i]);
		}
		lock_release(&s->lock);
	}
	server->dirty_count = 0;
}

uint32_t session_put_ack(
	struct datagram_server *server,
	uint32_t index,
	uint64_t number,
	uint8_t *ret_bytes
)
{
	struct session *s = &server->sessions[index];
	const struct window *w = &s->window;
	const uint64_t least = w->next + 1;
	const uint64_t first = s->ack_from > least ? s->ack_from : least;
	const uint64_t end = window_end(w, w->committed, first);
	struct wire_ack ack = {.head = wire_head_of(WIRE_ACK)};
	uint32_t size = sizeof(ack);

	wire_put32(ack.session, index);
	wire_put32(ack.generation, s->generation);
	wire_put32(ack.credit, s->credit);
	wire_put64(ack.stamp, ++s->stamp);
	wire_put64(ack.number, number);
	wire_put64(ack.next, w->next);
	wire_put64(ack.first, first);
	memcpy(ret_bytes, &ack, sizeof(ack));
	for (uint64_t at = first; at < end && at < first + WIRE_ACK_BITMAP_MAX * 8; at += 64) {
		const uint64_t bits = window_bits(w, w->committed, at);

		memcpy(ret_bytes + size, &bits, sizeof(bits));
		size += sizeof(bits);
	}
	// What one bitmap does not reach, the next one tells.
	s->ack_from = end > first + WIRE_ACK_BITMAP_MAX * 8 ? first + WIRE_ACK_BITMAP_MAX * 8 : 0;
	s->told_credit = s->credit;
	s->is_ack_wanted = false;
	if (s->ack_from != 0)
		session_want_ack(server, index);
	return size + WIRE_MAC_SIZE;
}

/** Whether the client works by a credit that is much different from what it may have now. */
static bool is_credit_news(uint32_t told, uint32_t credit)
{
	return (told == 0) != (credit == 0) || credit / 2 > told || credit < told / 2;
}

/** Write the acknowledgement of a session if it is the worker's and one is due. */
static uint32_t next_of(
	struct datagram_server *server,
	uint32_t index,
	uint32_t worker,
	int64_t now_ms,
	uint8_t *ret_bytes,
	uint8_t ret_key[static WIRE_KEY_SIZE]
)
{
	struct session *s = &server->sessions[index];
	uint32_t size = 0;
	bool is_due;

	lock_take(&s->lock);
	is_due = s->is_live && s->has_keys
		&& (s->is_ack_wanted || is_credit_news(s->told_credit, s->credit));
	if (!is_due) {
		atomic_fetch_and_explicit(
			&server->due[index / 64],
			~(UINT64_C(1) << (index % 64)),
			memory_order_relaxed
		);
	} else if (s->flow_size != 0 && s->worker == worker && s->acked_ms != now_ms) {
		s->acked_ms = now_ms;
		size = session_put_ack(server, index, 0, ret_bytes);
		memcpy(ret_key, server->keys[index].control, WIRE_KEY_SIZE);
	}
	lock_release(&s->lock);
	return size;
}

uint32_t datagram_next_ack(
	struct datagram_server *server,
	struct engine *engine,
	uint32_t worker,
	int64_t now_ms,
	uint32_t *ret_session,
	uint8_t ret_answer[static DATAGRAM_ANSWER_MAX]
)
{
	const uint32_t high = atomic_load_explicit(&server->high, memory_order_acquire);
	uint32_t *at = &server->cursor[worker];
	uint8_t key[WIRE_KEY_SIZE];

	assert(worker < DATAGRAM_WORKERS_MAX);
	while (*at < high) {
		const uint32_t first = *at;
		const uint64_t bits =
			atomic_load_explicit(&server->due[first / 64], memory_order_relaxed)
			>> (first % 64);
		const uint32_t index = bits == 0 ? high : first + (uint32_t)__builtin_ctzll(bits);
		uint32_t size;

		if (bits == 0) {
			*at = (first | 63) + 1;
			continue;
		}
		*at = index + 1;
		if (index >= high)
			break;
		size = next_of(server, index, worker, now_ms, ret_answer, key);
		if (size == 0)
			continue;
		wire_mac_put(engine, key, ret_answer, size);
		bytes_wipe(key, sizeof(key));
		*ret_session = index;
		return size;
	}
	*at = 0;
	return 0;
}
