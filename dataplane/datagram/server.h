#pragma once

#include "control/api/plane.h"
#include "crypto/engine.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The receiving side of sealed datagrams (docs/formats/datagram.md): sessions of clients, what each has sent, what of it is
// stored. No sockets, no DPDK: bytes in, bytes out. Sessions are shared by all workers and the egress thread; each has a
// lock of its own, held for tens of nanoseconds and only ever wanted by two when a flow moves between cores.

enum {
	DATAGRAM_SIZE_MAX = 9000,  // bytes, of a UDP payload
	DATAGRAM_ANSWER_MAX = 128, // bytes of an answer, and never more than of what it answers
	DATAGRAM_WINDOW =
		4096, // datagrams that may be on their way and not yet acknowledged, a session
	// Sessions at once: all of them with all of their windows fit into one checkpoint.
	DATAGRAM_SESSIONS_MAX = 24576,
	DATAGRAM_CLIENT_SESSIONS_MAX = 64, // of one client
	DATAGRAM_IDLE_MS_MIN = 60000,      // least session_idle_ms
	DATAGRAM_WORKERS_MAX = 128,
	DATAGRAM_BURST_MAX = 64
};

#define DATAGRAM_SESSION_NONE UINT32_MAX // index of no session

struct datagram_server;

struct datagram_server_options {
	uint32_t session_count_max; // 1..DATAGRAM_SESSIONS_MAX; more may come out of a snapshot
	// A session unheard of for so long is forgotten: what its client does not know to be stored, it sends again.
	uint64_t session_idle_ms; // DATAGRAM_IDLE_MS_MIN at least; a day is a good value
	uint32_t credit_max; // datagrams that a client may have on their way, 1..DATAGRAM_WINDOW
};

/** Outcomes  SL_OK; SL_E_INVALID (an option); SL_E_NOMEM, SL_E_UNSUPPORTED (no cipher) */
enum sl_status datagram_server_new(
	const struct datagram_server_options *options,
	struct datagram_server **ret_server
);
void datagram_server_free(struct datagram_server *server);

/**
 * Work by the clients of an image from now on; sessions of clients that are gone, have another key or may no longer send
 * to the stream end. Nothing of the image is kept. Not a worker; not at the same time as datagram_restore.
 *
 * Outcomes  SL_OK; SL_E_NOMEM: all is as before
 */
enum sl_status datagram_server_clients(
	struct datagram_server *server,
	const struct plane_image *image
);

enum datagram_verdict {
	DATAGRAM_EVENTS,    // text holds events: NDJSON lines
	DATAGRAM_DUPLICATE, // was taken before
	DATAGRAM_CONTROL,   // hello, ping: nothing to store
	DATAGRAM_STRANGER,  // unknown client, not authentic, or not for this stream: no answer
	DATAGRAM_UNKNOWN, // session not known: no answer; the client's next ping is answered by a reset
	DATAGRAM_BROKEN // authentic, contents break the format
};

/** A stored-to-be datagram: what egress reports back. */
struct datagram_ticket {
	uint32_t session;    // index
	uint32_t generation; // of the index
	uint64_t sequence;
};

struct datagram_in {
	struct view payload;           // in
	const uint8_t *stream_id;      // in: [16] of the stream it came for (plane_stream.id)
	enum datagram_verdict verdict; // out
	struct view text;              // out: EVENTS: in the caller's room
	// out: EVENTS; and where the datagram is fresh and of a session (ticket.session is not DATAGRAM_SESSION_NONE), its
	// flow is where acknowledgements go from now on: datagram_set_flow.
	struct datagram_ticket ticket;
	uint32_t answer_size;                // out: bytes of answer, 0 = none
	uint8_t answer[DATAGRAM_ANSWER_MAX]; // out
};

/**
 * Open a burst.
 *
 * @param count  0..DATAGRAM_BURST_MAX
 * @param now_ms of any clock that does not go back; the same for all calls that take it
 * @param room   where opened text goes: must have the payloads' sizes plus 64 bytes each
 *
 * Context  worker; its own engine; no allocation, log or system call
 * Cost     an AES-256-GCM a datagram, a key set-up a run of datagrams of one session; bench/datagram_bench.c
 */
void datagram_open_burst(
	struct datagram_server *server,
	struct engine *engine,
	struct datagram_in in[],
	size_t count,
	int64_t now_ms,
	struct room *room
);

/** The datagram's events could not be taken now (no room): as if it had not come. Worker. */
void datagram_refuse(struct datagram_server *server, const struct datagram_ticket *ticket);

/** Its events are durable. Egress thread. A ticket of a session that is gone is fine. */
void datagram_stored(struct datagram_server *server, const struct datagram_ticket *ticket);

/**
 * How many datagrams the sessions of a stream may have on their way from now on, 0..credit_max. Nothing when the clients'
 * image has no such stream. Not a worker.
 */
void datagram_server_credit(
	struct datagram_server *server,
	const uint8_t stream_id[static 16],
	uint32_t credit
);

/**
 * Acknowledgements that are due (new stored datagrams, at most one a session and millisecond).
 *
 * @param worker  sessions whose flow this worker has set; 0..DATAGRAM_WORKERS_MAX - 1
 * @return bytes of ret_answer; 0 = none is due (any more)
 * Context  any worker, polled about once a millisecond
 */
uint32_t datagram_next_ack(
	struct datagram_server *server,
	struct engine *engine,
	uint32_t worker,
	int64_t now_ms,
	uint32_t *ret_session,
	uint8_t ret_answer[static DATAGRAM_ANSWER_MAX]
);

/** The flow (opaque bytes, a struct flow or a socket address) by which a session was last heard of, for its acknowledgements. */
enum {
	DATAGRAM_FLOW_MAX = 96
};

void datagram_set_flow(
	struct datagram_server *server,
	uint32_t session,
	uint32_t worker,
	const void *flow,
	size_t size
);
size_t datagram_get_flow(
	struct datagram_server *server,
	uint32_t session,
	void *ret_flow,
	size_t capacity
);

/**
 * Everything that must outlive the process: sessions with what of each is stored. Called by the egress thread right after
 * the datagram_stored calls of a commit and before acknowledgements for them may go out: a stored datagram is acknowledged
 * only after datagram_committed.
 *
 * @return bytes; capacity datagram_snapshot_max
 */
size_t datagram_snapshot_max(const struct datagram_server *server);
size_t datagram_snapshot(struct datagram_server *server, uint8_t *ret_bytes);
void datagram_committed(struct datagram_server *server);

/** Go on with a snapshot: before the first burst. SL_OK; SL_E_CORRUPT: no session is there. An empty one is fine. */
enum sl_status datagram_restore(struct datagram_server *server, struct view snapshot);
