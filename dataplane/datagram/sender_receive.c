#include "crypto/secret.h"
#include "dataplane/datagram/sender_inner.h"

enum {
	REFUSED_WAIT_US = 1000000 // until a refused client asks again
};

static void take_welcome(struct sender *s, struct view datagram, uint64_t now_us)
{
	struct wire_welcome welcome;

	if (s->state != SENDER_HELLO || datagram.size != sizeof(welcome))
		return;
	memcpy(&welcome, datagram.bytes, sizeof(welcome));
	if (memcmp(welcome.client_nonce, s->names.client_nonce, WIRE_NONCE_SIZE) != 0
	    || !wire_mac_fits(s->engine, s->secrets->hello_key, &welcome, sizeof(welcome)))
		return;
	switch (wire_get32(welcome.status)) {
	case WIRE_WELCOME_OK:
		break;
	case WIRE_WELCOME_STREAM:
		s->refusal = SENDER_OTHER_STREAM;
		s->ask_us = now_us + REFUSED_WAIT_US;
		return;
	default:
		s->refusal = SENDER_REFUSED;
		s->ask_us = now_us + REFUSED_WAIT_US;
		return;
	}
	memcpy(s->names.server_nonce, welcome.server_nonce, WIRE_NONCE_SIZE);
	wire_session_keys(s->engine, s->secrets->client_key, &s->names, &s->secrets->keys);
	s->state = SENDER_OPENING;
	s->ask_us = now_us;
	s->ask_tries = 0;
}

static void take_reset(struct sender *s, struct view datagram, uint64_t now_us)
{
	struct wire_reset reset;
	uint64_t number;

	if (s->state == SENDER_HELLO || datagram.size != sizeof(reset))
		return;
	memcpy(&reset, datagram.bytes, sizeof(reset));
	number = wire_get64(reset.number);
	// In a session, one for a PING from before it began says nothing: it was made while there was no room, and is late.
	if (number <= s->ping_begun || number > s->ping_number
	    || memcmp(reset.client_nonce, s->names.client_nonce, WIRE_NONCE_SIZE) != 0
	    || memcmp(reset.server_nonce, s->names.server_nonce, WIRE_NONCE_SIZE) != 0
	    || !wire_mac_fits(s->engine, s->secrets->keys.control, &reset, sizeof(reset)))
		return;
	if (wire_get32(reset.reason) == WIRE_RESET_FULL) {
		s->refusal = SENDER_FULL_SERVER;
		sender_restart(s, now_us + REFUSED_WAIT_US);
		return;
	}
	sender_restart(s, now_us);
}

/** Which datagrams an acknowledgement takes away. */
struct landing {
	uint32_t count;
	uint64_t oldest_us; // sending time of the oldest that was sent once; 0 = none
};

static void land(struct sender *s, uint64_t sequence, struct landing *landing)
{
	const uint16_t index = s->flight[sequence % WIRE_WINDOW];
	const struct slot *slot = &s->slots[index];

	if (sequence < s->base || sequence >= s->next || index == SLOT_NONE)
		return;
	if (slot->tries == 1 && (landing->oldest_us == 0 || slot->sent_us < landing->oldest_us))
		landing->oldest_us = slot->sent_us;
	landing->count++;
	sender_land(s, sequence);
}

static void land_bitmap(
	struct sender *s,
	uint64_t first,
	const uint8_t *bitmap,
	size_t size,
	struct landing *landing
)
{
	for (size_t i = 0; i < size; i++)
		for (unsigned bits = bitmap[i]; bits != 0; bits &= bits - 1)
			land(s, first + i * 8 + (unsigned)__builtin_ctz(bits), landing);
}

/** The first ACK of a session: it has begun. */
static void begin(struct sender *s, const struct wire_ack *ack)
{
	s->session = wire_get32(ack->session);
	s->generation = wire_get32(ack->generation);
	s->ping_begun = s->ping_number;
	s->state = SENDER_READY;
	s->refusal = SENDER_NOT_REFUSED;
	s->stats.sessions++;
	engine_run_begin(s->engine, s->secrets->keys.data);
}

static void take_ack(struct sender *s, struct view datagram, uint64_t now_us)
{
	struct landing landing = {0};
	struct wire_ack ack;
	uint64_t next;
	uint64_t first;

	if (s->state == SENDER_HELLO || datagram.size < WIRE_ACK_SIZE_MIN
	    || datagram.size > WIRE_ANSWER_MAX
	    || !wire_mac_fits(s->engine, s->secrets->keys.control, datagram.bytes, datagram.size))
		return;
	memcpy(&ack, datagram.bytes, sizeof(ack));
	next = wire_get64(ack.next);
	first = wire_get64(ack.first);
	if (s->state == SENDER_OPENING)
		begin(s, &ack);
	if (next > s->next || first < next || first - next > WIRE_WINDOW)
		return;
	// What is stored stays stored, but an old credit is of no worth.
	if (wire_get64(ack.stamp) > s->stamp) {
		s->stamp = wire_get64(ack.stamp);
		s->credit = wire_get32(ack.credit);
		s->alive_us = now_us;
		s->is_silent = false;
		s->ask_tries = 0;
	}
	for (uint64_t sequence = s->base; sequence < next; sequence++)
		land(s, sequence, &landing);
	land_bitmap(
		s, first, datagram.bytes + sizeof(ack), datagram.size - WIRE_ACK_SIZE_MIN, &landing
	);
	while (s->base < s->next && s->flight[s->base % WIRE_WINDOW] == SLOT_NONE)
		s->base++;
	if (landing.count == 0)
		return;
	pace_acked(s, landing.oldest_us, landing.count, now_us);
	pace_find_lost(s, now_us);
}

void sender_receive(struct sender *s, struct view datagram, uint64_t now_us)
{
	// Under zeros anybody may have made it.
	if (sender_is_forked(s))
		return;
	switch (wire_kind_of(datagram.bytes, datagram.size)) {
	case WIRE_WELCOME:
		take_welcome(s, datagram, now_us);
		break;
	case WIRE_RESET:
		take_reset(s, datagram, now_us);
		break;
	case WIRE_ACK:
		take_ack(s, datagram, now_us);
		break;
	default:
		break;
	}
}
