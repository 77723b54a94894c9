#include "dataplane/datagram/sender_inner.h"

/** The time until the next HELLO or PING doubles with each that stays unanswered. */
static void asked(struct sender *s, uint64_t now_us)
{
	const uint64_t wait_us = (uint64_t)ASK_US << (s->ask_tries < 5 ? s->ask_tries : 5);

	s->ask_us = now_us + (wait_us < ASK_US_MAX ? wait_us : ASK_US_MAX);
	s->ask_tries++;
}

static size_t put_hello(struct sender *s, uint8_t *ret_bytes)
{
	struct wire_hello hello = {.head = wire_head_of(WIRE_HELLO)};

	memcpy(hello.client_id, s->names.client_id, sizeof(hello.client_id));
	memcpy(hello.client_nonce, s->names.client_nonce, sizeof(hello.client_nonce));
	wire_put32(hello.stream_size, s->stream_size);
	memcpy(hello.stream, s->stream, s->stream_size);
	wire_mac_put(s->engine, s->secrets->hello_key, &hello, sizeof(hello));
	memcpy(ret_bytes, &hello, sizeof(hello));
	return sizeof(hello);
}

static size_t put_ping(struct sender *s, uint8_t *ret_bytes)
{
	struct wire_ping ping = {.head = wire_head_of(WIRE_PING)};
	const bool opens = s->state == SENDER_OPENING;

	wire_put32(ping.session, opens ? WIRE_SESSION_NONE : s->session);
	wire_put32(ping.generation, opens ? 0 : s->generation);
	wire_put32(ping.flags, opens ? WIRE_PING_OPENS : 0);
	memcpy(ping.client_id, s->names.client_id, sizeof(ping.client_id));
	memcpy(ping.client_nonce, s->names.client_nonce, sizeof(ping.client_nonce));
	memcpy(ping.server_nonce, s->names.server_nonce, sizeof(ping.server_nonce));
	wire_put64(ping.number, ++s->ping_number);
	wire_mac_put(s->engine, s->secrets->keys.control, &ping, sizeof(ping));
	memcpy(ret_bytes, &ping, sizeof(ping));
	return sizeof(ping);
}

/** Seal a slot's text. The same slot in the same session gives the same bytes. */
static size_t put_data(struct sender *s, uint16_t index, uint64_t now_us, uint8_t *ret_bytes)
{
	struct slot *slot = &s->slots[index];
	struct wire_data head = {.head = wire_head_of(WIRE_DATA)};
	uint8_t iv[WIRE_IV_SIZE];
	uint64_t overdue_us;

	wire_put32(head.session, s->session);
	wire_put32(head.generation, s->generation);
	wire_put64(head.sequence, slot->sequence);
	memcpy(ret_bytes, &head, sizeof(head));
	wire_iv(slot->sequence, iv);
	engine_run_seal(
		s->engine,
		iv,
		view_of(ret_bytes, sizeof(head)),
		view_of(sender_text(s, index), slot->size),
		ret_bytes + sizeof(head)
	);
	s->stats.datagrams_sent++;
	s->stats.datagrams_resent += slot->tries != 0;
	slot->tries++;
	slot->sent_us = now_us;
	overdue_us = pace_overdue_us(s, slot);
	s->check_us = overdue_us < s->check_us ? overdue_us : s->check_us;
	return WIRE_DATA_OVERHEAD + slot->size;
}

static size_t resend(struct sender *s, uint64_t now_us, uint8_t *ret_bytes)
{
	if (s->lost_from < s->base)
		s->lost_from = s->base;
	while (s->lost_from < s->next) {
		const uint16_t index = s->flight[s->lost_from++ % WIRE_WINDOW];

		if (index == SLOT_NONE || !s->slots[index].is_lost)
			continue;
		s->slots[index].is_lost = false;
		s->lost_count--;
		return put_data(s, index, now_us, ret_bytes);
	}
	return 0;
}

static bool may_send_more(const struct sender *s)
{
	return s->queue_count != 0 && s->flight_count < s->credit && s->next - s->base < WIRE_WINDOW
		&& s->next < s->options.sequence_end;
}

static size_t send_first(struct sender *s, uint64_t now_us, uint8_t *ret_bytes)
{
	const uint16_t index = s->queue[s->queue_head];

	s->queue_head = (s->queue_head + 1) % s->options.window;
	s->queue_count--;
	if (s->flight_count++ == 0)
		s->alive_us = now_us;
	s->slots[index].sequence = s->next;
	s->flight[s->next % WIRE_WINDOW] = index;
	s->next++;
	return put_data(s, index, now_us, ret_bytes);
}

/** Whether events wait that only an acknowledgement can set free. */
static bool is_stuck(const struct sender *s)
{
	return s->flight_count == 0 && s->queue_count != 0 && s->credit == 0;
}

static size_t next_of_session(struct sender *s, uint64_t now_us, uint8_t *ret_bytes)
{
	if (s->next >= s->options.sequence_end && s->flight_count == 0 && s->queue_count != 0) {
		sender_restart(s, now_us);
		asked(s, now_us);
		return put_hello(s, ret_bytes);
	}
	s->is_silent = pace_is_silent(s, now_us);
	if (s->is_silent || is_stuck(s)) {
		if (now_us < s->ask_us)
			return 0;
		asked(s, now_us);
		return put_ping(s, ret_bytes);
	}
	if (now_us >= s->check_us)
		pace_find_lost(s, now_us);
	if (s->flight_count - s->lost_count >= s->pace.burst)
		return 0;
	if (s->lost_count != 0)
		return resend(s, now_us, ret_bytes);
	return may_send_more(s) ? send_first(s, now_us, ret_bytes) : 0;
}

size_t sender_next(struct sender *s, uint64_t now_us, uint8_t *ret_bytes)
{
	// Zeros are no keys: whoever knows that would read what they seal.
	if (sender_is_forked(s))
		return 0;
	if (s->building != SLOT_NONE && s->queue_count == 0
	    && now_us >= s->building_us + s->options.linger_us)
		sender_push(s);
	if (s->state == SENDER_READY)
		return next_of_session(s, now_us, ret_bytes);
	if (now_us < s->ask_us)
		return 0;
	if (s->state == SENDER_OPENING && s->ask_tries >= OPENING_TRIES_MAX)
		sender_restart(s, now_us);
	asked(s, now_us);
	return s->state == SENDER_OPENING ? put_ping(s, ret_bytes) : put_hello(s, ret_bytes);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t sender_wake_us(const struct sender *s)
{
	uint64_t wake_us = UINT64_MAX;

	if (s->building != SLOT_NONE && s->queue_count == 0)
		wake_us = s->building_us + s->options.linger_us;
	if (s->state != SENDER_READY)
		return sooner(wake_us, s->ask_us);
	// Into silence nothing goes but PINGs: what is lost, overdue or might be sent must not wake anybody.
	if (s->is_silent || is_stuck(s))
		return sooner(wake_us, s->ask_us);
	if (s->flight_count != 0) {
		const uint64_t silent_us = pace_silent_us(s) + 1;

		wake_us = sooner(wake_us, silent_us > s->ask_us ? silent_us : s->ask_us);
	}
	if (s->flight_count - s->lost_count < s->pace.burst
	    && (s->lost_count != 0 || may_send_more(s)))
		return 0;
	return sooner(wake_us, s->check_us);
}
