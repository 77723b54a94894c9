#pragma once

#include "dataplane/datagram/server.h"
#include "dataplane/datagram/window.h"
#include "dataplane/datagram/wire_keys.h"

#include <stdatomic.h>

// The inside of the receiving side: server.c (making it, clients), server_open.c (bursts), server_door.c (HELLO, PING:
// how sessions begin), server_ack.c (what is stored, acknowledgements), server_snapshot.c (what outlives the process).
//
// Locks, in this order: the door's, which guards clients and which sessions there are; one a session, which guards all in
// it. Opening DATA takes only the session's, twice, and does its cryptography outside.

enum {
	SESSION_WORDS = DATAGRAM_SESSIONS_MAX / 64,
	STREAM_ID_SIZE = sizeof(((struct plane_stream *)NULL)->id)
};

static_assert(DATAGRAM_SESSIONS_MAX % 64 == 0, "whole words");
static_assert((int)DATAGRAM_SIZE_MAX == (int)WIRE_DATAGRAM_MAX, "one limit");
static_assert((int)DATAGRAM_ANSWER_MAX == (int)WIRE_ANSWER_MAX, "one limit");
static_assert((int)DATAGRAM_WINDOW == (int)WIRE_WINDOW, "one limit");
static_assert((int)PLANE_NAME_MAX == (int)WIRE_STREAM_MAX, "one limit");
static_assert((int)PLANE_CLIENT_ID_SIZE == (int)WIRE_ID_SIZE, "one limit");

struct lock {
	atomic_bool is_taken;
};

/** Wait for it; yields the core to a holder that has lost his. */
void lock_take(struct lock *lock);

/** Wait some microseconds at most: for workers at the door, where a client asks again. */
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);

/** A client of the image. Secret. Ascending by id. */
struct door_client {
	uint8_t id[WIRE_ID_SIZE];
	uint8_t key[WIRE_KEY_SIZE];
	uint8_t hello_key[WIRE_KEY_SIZE];
	uint64_t streams;       // bit n = may send to row n
	uint32_t first_session; // chained by session.next; DATAGRAM_SESSION_NONE = none
	uint32_t session_count;
};

/** A stream of the image. */
struct door_stream {
	uint8_t id[STREAM_ID_SIZE];
	uint8_t name[PLANE_NAME_MAX];
	uint32_t name_size;
	uint32_t credit; // of its sessions
};

struct door {
	struct lock lock;
	struct door_client *clients; // [client_count] secret memory
	uint32_t client_count;
	struct door_stream streams[PLANE_STREAMS_MAX];
	uint32_t stream_count;
	uint8_t *secret; // [WIRE_KEY_SIZE] of server nonces
	bool has_image;  // clients and streams are known
};

struct session {
	_Alignas(64) struct lock lock;
	uint32_t generation; // of the index; never 0 in a session
	bool is_live;
	bool has_keys;    // false: restored, and its client is not known yet
	bool is_restored; // unheard of since the restore
	bool is_dirty;    // egress: in the dirty list
	bool is_ack_wanted;
	uint32_t next;   // of the same client
	uint32_t credit; // its stream's
	uint32_t told_credit;
	uint32_t worker;
	uint32_t flow_size; // 0 = none
	int64_t heard_ms;
	int64_t acked_ms;
	uint64_t ack_from;    // where the bitmap of the next acknowledgement begins
	uint64_t stamp;       // of the last acknowledgement
	uint64_t ping_number; // highest seen
	struct wire_names names;
	uint8_t stream_id[STREAM_ID_SIZE]; // the only one that it sends to
	uint8_t flow[DATAGRAM_FLOW_MAX];
	struct window window;
};

struct datagram_server {
	struct datagram_server_options options;
	struct engine *engine; // of clients and restore: one thread at a time
	struct door door;
	struct session *sessions;       // [DATAGRAM_SESSIONS_MAX] touched from the lowest on
	struct wire_session_keys *keys; // [DATAGRAM_SESSIONS_MAX] secret
	uint64_t live[SESSION_WORDS];   // guarded by the door's lock
	atomic_uint high;               // sessions from here on were never live
	uint32_t live_count;            // guarded by the door's lock
	uint32_t first_generation;      // random, so that old datagrams meet no session by chance
	_Atomic uint64_t due[SESSION_WORDS]; // may want an acknowledgement
	_Atomic int64_t now_ms;              // latest
	uint32_t *dirty; // [DATAGRAM_SESSIONS_MAX] egress: stored something since the last commit
	uint32_t dirty_count;
	uint32_t
		cursor[DATAGRAM_WORKERS_MAX]; // of each worker through due: session to look at next
};

/** datagram_next_ack is to look whether one is due. Under the session's lock, as is what it looks at. */
static inline void session_look_at(struct datagram_server *server, uint32_t index)
{
	atomic_fetch_or_explicit(
		&server->due[index / 64], UINT64_C(1) << (index % 64), memory_order_relaxed
	);
}

/** Under the session's lock. */
static inline void session_want_ack(struct datagram_server *server, uint32_t index)
{
	server->sessions[index].is_ack_wanted = true;
	session_look_at(server, index);
}

/** Write an acknowledgement under the session's lock, without its MAC; returns its size. ret_bytes has WIRE_ANSWER_MAX. */
uint32_t session_put_ack(
	struct datagram_server *server,
	uint32_t index,
	uint64_t number,
	uint8_t *ret_bytes
);

/** The client of an id; NULL = none. Under the door's lock. */
struct door_client *door_find(const struct door *door, const uint8_t id[static WIRE_ID_SIZE]);

/** The stream of an id, and whether a client may send to it; NULL = none. Under the door's lock. */
const struct door_stream *door_find_stream(
	const struct door *door,
	const uint8_t id[static STREAM_ID_SIZE],
	const struct door_client *client,
	bool *ret_may_send
);

/** End a session. Under the door's lock; takes the session's. */
void session_end(struct datagram_server *server, uint32_t index);

/** The time of a restored session that was not heard of yet begins now, in the process that knows of it. Under its lock. */
static inline void session_start_time(struct session *s, int64_t now_ms)
{
	if (!s->is_restored)
		return;
	s->is_restored = false;
	s->heard_ms = now_ms;
}

/** End all sessions unheard of for longer than the options say. Under the door's lock. */
void sessions_end_idle(struct datagram_server *server);

/** Mark an index as live, under both locks. */
void session_begin(struct datagram_server *server, uint32_t index);

/** Make a live session its client's, with keys unless it has them. Under both locks. */
void session_bind(
	struct datagram_server *server,
	struct engine *engine,
	uint32_t index,
	struct door_client *client
);

/** Make restored sessions their clients', if clients are known already. */
void sessions_greet(struct datagram_server *server);

/** Sessions that begin: HELLO and PING. */
void door_hello(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in *in,
	int64_t now_ms
);
void door_ping(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in *in,
	int64_t now_ms
);
