#pragma once

#include "crypto/engine.h"
#include "dataplane/datagram/wire.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The sending side of sealed datagrams as a machine without socket and clock: events, datagrams and the time go in,
// datagrams come out. client.c gives it a socket. Times are microseconds of any clock that does not go back.
//
//	offer ──> building ──> queue ──> on its way ──> acknowledged
//	                         └───── reset ────┘

enum {
	SENDER_DATAGRAM_MIN = 256, // bytes
	SENDER_DATAGRAM = 1400,    // bytes, when the options say nothing
	SENDER_WINDOW = 1024,      // datagrams, when the options say nothing
	SENDER_LINGER_US = 500,    // when the options say nothing
	SENDER_RESEND_US_MIN = 20000,
	SENDER_RESEND_US_MAX = 2000000 // unless resend_us is longer
};

typedef void sender_acked_fn(void *self, uint64_t first_event, uint32_t count);

/** The session has ended: are these events, which may be stored, to be sent again, or to be given up? */
typedef bool sender_repeat_fn(void *self, uint64_t first_event, uint32_t count);

/** Zeros are the defaults. */
struct sender_options {
	uint8_t client_id[WIRE_ID_SIZE];
	uint8_t client_key[WIRE_KEY_SIZE];
	struct view stream;          // its name; empty = whatever is behind the port; borrowed
	uint32_t datagram_bytes_max; // SENDER_DATAGRAM_MIN..WIRE_DATAGRAM_MAX
	uint32_t window;             // 1..WIRE_WINDOW
	uint32_t resend_us;          // first resend after; 0 = by the round trip
	uint32_t linger_us;
	uint64_t sequence_end; // of a session, for tests; 0 = WIRE_SEQUENCE_END
	sender_acked_fn *acked;
	void *acked_self;
	sender_repeat_fn *repeat; // NULL = all are sent again
	void *repeat_self;
};

enum sender_state {
	SENDER_HELLO,   // wants a WELCOME
	SENDER_OPENING, // has one, wants the first ACK
	SENDER_READY
};

enum sender_refusal {
	SENDER_NOT_REFUSED,
	SENDER_REFUSED,      // the client may not send to the stream
	SENDER_OTHER_STREAM, // behind the port is another stream than the one named
	SENDER_FULL_SERVER   // no room for another session
};

struct sender_stats {
	uint64_t events_offered;
	uint64_t events_acked;
	uint64_t datagrams_sent; // with events; resent ones too
	uint64_t datagrams_resent;
	uint64_t sessions;
	uint32_t round_trip_us;
	uint32_t credit;
};

struct sender;

/**
 * @param engine the sender's alone: it keeps a run under the session's key
 * Outcomes  SL_OK; SL_E_INVALID (an option); SL_E_NOMEM
 */
enum sl_status sender_new(
	const struct sender_options *options,
	struct engine *engine,
	struct sender **ret_sender
);
void sender_free(struct sender *sender);

/**
 * Take an event, which is copied.
 *
 * Outcomes  SL_OK; SL_E_FULL: as many datagrams as the window has are not acknowledged; SL_E_TOO_BIG;
 *           SL_E_INVALID: empty, or with a line end in it
 */
enum sl_status sender_offer(
	struct sender *sender,
	struct view event,
	uint64_t now_us,
	uint64_t *ret_number
);

/** Send what is there although it might wait for more. */
void sender_push(struct sender *sender);

/** The next datagram to send now. ret_bytes has the options' datagram_bytes_max, WIRE_HELLO's size at least. 0 = none. */
size_t sender_next(struct sender *sender, uint64_t now_us, uint8_t *ret_bytes);

/** A datagram has come. What is not authentic, old or broken changes nothing. */
void sender_receive(struct sender *sender, struct view datagram, uint64_t now_us);

/** When sender_next may have something again without anything coming in; UINT64_MAX = never. */
uint64_t sender_wake_us(const struct sender *sender);

enum sender_state sender_state(const struct sender *sender);
enum sender_refusal sender_refusal(const struct sender *sender);
/** This is a forked child's copy: it has no keys, sends nothing and takes nothing in. */
bool sender_is_forked(const struct sender *sender);
bool sender_is_empty(const struct sender *sender
); // all that was offered is acknowledged, or given up
void sender_get_stats(const struct sender *sender, struct sender_stats *ret_stats);
