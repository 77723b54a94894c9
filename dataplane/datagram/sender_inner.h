#pragma once

#include "dataplane/datagram/sender.h"
#include "dataplane/datagram/wire_keys.h"

// The inside of the sender: sender.c (making it, events into datagrams), sender_next.c (what goes out, and when),
// sender_receive.c (what answers mean), sender_pace.c (round trip, resends, how much at once).

enum {
	SLOT_NONE = UINT16_MAX,
	FIRST_RTO_US = 250000, // before anything is known of the round trip
	ASK_US = 50000,        // first repetition of HELLO and PING; doubles
	ASK_US_MAX = 1000000,  //
	OPENING_TRIES_MAX = 6, // PINGs for a WELCOME; then another HELLO
	BURST_MIN = 16,        // datagrams that may always be on their way, credit permitting
	BURST_FIRST = 64
};

/** Events that go together. Text is kept, not sealed bytes: after a reset it is sealed under other keys. */
struct slot {
	uint32_t size;  // bytes of text
	uint32_t count; // events
	uint64_t first_event;
	uint64_t sequence;
	uint64_t sent_us; // last time
	uint32_t tries;   // times sent in this session
	bool is_lost;     // to be sent again
};

struct pace {
	uint32_t srtt_us; // 0 = not known
	uint32_t rttvar_us;
	uint32_t rto_us;
	uint32_t burst;       // datagrams that may be on their way and not taken for lost
	bool is_careful;      // burst was cut: it grows slowly
	uint64_t round_us;    // when the round began
	uint32_t round_acked; // datagrams
	uint32_t round_lost;
	uint64_t newest_us; // sending time of the last sent among those acknowledged
};

struct sender {
	struct sender_options options;
	struct engine *engine;
	uint8_t stream[WIRE_STREAM_MAX];
	uint32_t stream_size;
	uint32_t text_max;  // bytes of a slot's text
	struct slot *slots; // [window]
	uint8_t *texts;     // [window][text_max]
	uint16_t *free;     // [free_count] slots
	uint32_t free_count;
	uint16_t *queue; // ring of [window] slots, to be sent for the first time in this session
	uint32_t queue_head;
	uint32_t queue_count;
	uint16_t building; // slot or SLOT_NONE
	uint64_t building_us;

	struct secrets {
		uint8_t client_key[WIRE_KEY_SIZE];
		uint8_t hello_key[WIRE_KEY_SIZE];
		struct wire_session_keys keys;
		bool is_here; // reads as zero in a forked child, as the keys do
	} * secrets;
	enum sender_state state;
	enum sender_refusal refusal;
	struct wire_names names;
	uint32_t session;
	uint32_t generation;
	uint64_t ping_number; // of the last PING
	uint64_t ping_begun;  // those up to here were sent before the session began
	uint64_t stamp;       // of the newest ACK
	uint32_t credit;
	uint64_t ask_us; // next HELLO or PING may go
	uint32_t ask_tries;

	uint16_t flight[WIRE_WINDOW]; // slot of sequence % WIRE_WINDOW; SLOT_NONE = acknowledged
	uint64_t base;                // lowest sequence that is not acknowledged
	uint64_t next;                // sequence that is sent next
	uint32_t flight_count;
	uint32_t lost_count;
	uint64_t lost_from; // no sequence below is lost
	uint64_t check_us;  // nothing is overdue before
	uint64_t alive_us;  // the server was heard of, or the first datagram set off
	bool is_silent;     // it is not heard of: PINGs alone go out
	struct pace pace;

	uint64_t next_event;
	uint64_t given_up; // events
	struct sender_stats stats;
};

/** Begin with a HELLO; what was on its way goes back to the queue. */
void sender_restart(struct sender *s, uint64_t ask_us);

/** Take a slot out of the flight: it is acknowledged. */
void sender_land(struct sender *s, uint64_t sequence);

uint8_t *sender_text(const struct sender *s, uint32_t slot);

/** When a datagram that was sent so often is overdue. */
uint64_t pace_overdue_us(const struct sender *s, const struct slot *slot);
/** After an acknowledgement: sent_us of the oldest datagram in it that was sent once, 0 = none; landed datagrams. */
void pace_acked(struct sender *s, uint64_t sent_us, uint32_t count, uint64_t now_us);
void pace_lost(struct sender *s, uint32_t count, uint64_t now_us);
/** Mark what is overdue, or was overtaken, as lost. */
void pace_find_lost(struct sender *s, uint64_t now_us);
/** Whether nothing has come back for so long that sending more is of no use. */
bool pace_is_silent(const struct sender *s, uint64_t now_us);
uint64_t pace_silent_us(const struct sender *s);
