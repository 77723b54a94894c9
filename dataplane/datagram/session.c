#include "crypto/secret.h"
#include "dataplane/datagram/server_inner.h"

void session_begin(struct datagram_server *server, uint32_t index)
{
	struct session *s = &server->sessions[index];
	const uint32_t high = atomic_load_explicit(&server->high, memory_order_relaxed);

	s->is_live = true;
	s->next = DATAGRAM_SESSION_NONE;
	s->acked_ms = INT64_MIN;
	server->live[index / 64] |= UINT64_C(1) << (index % 64);
	server->live_count++;
	// Pairs with the acquires of those who go over all sessions.
	if (index >= high)
		atomic_store_explicit(&server->high, index + 1, memory_order_release);
}

void session_bind(
	struct datagram_server *server,
	struct engine *engine,
	uint32_t index,
	struct door_client *client
)
{
	struct session *s = &server->sessions[index];

	if (!s->has_keys)
		wire_session_keys(engine, client->key, &s->names, &server->keys[index]);
	s->has_keys = true;
	s->next = client->first_session;
	client->first_session = index;
	client->session_count++;
}

/** Take a session out of its client's chain. */
static void unchain(struct datagram_server *server, uint32_t index)
{
	struct door_client *client =
		door_find(&server->door, server->sessions[index].names.client_id);
	uint32_t *link;

	if (client == NULL)
		return;
	link = &client->first_session;
	while (*link != DATAGRAM_SESSION_NONE && *link != index)
		link = &server->sessions[*link].next;
	if (*link != index)
		return;
	*link = server->sessions[index].next;
	client->session_count--;
}

void session_end(struct datagram_server *server, uint32_t index)
{
	struct session *s = &server->sessions[index];

	unchain(server, index);
	server->live[index / 64] &= ~(UINT64_C(1) << (index % 64));
	server->live_count--;
	lock_take(&s->lock);
	s->is_live = false;
	s->has_keys = false;
	s->is_restored = false;
	s->is_ack_wanted = false;
	s->flow_size = 0;
	s->told_credit = 0;
	s->ack_from = 0;
	s->stamp = 0;
	s->ping_number = 0;
	memset(&s->window, 0, sizeof(s->window));
	bytes_wipe(&server->keys[index], sizeof(server->keys[index]));
	lock_release(&s->lock);
}

void sessions_end_idle(struct datagram_server *server)
{
	const int64_t now_ms = atomic_load_explicit(&server->now_ms, memory_order_relaxed);
	const uint32_t high = atomic_load_explicit(&server->high, memory_order_relaxed);

	for (uint32_t i = 0; i < high; i++) {
		struct session *s = &server->sessions[i];
		bool is_idle;

		if ((server->live[i / 64] >> (i % 64) & 1) == 0)
			continue;
		lock_take(&s->lock);
		if (now_ms != 0)
			session_start_time(s, now_ms);
		is_idle = !s->is_restored
			&& now_ms - s->heard_ms > (int64_t)server->options.session_idle_ms;
		lock_release(&s->lock);
		if (is_idle)
			session_end(server, i);
	}
}
