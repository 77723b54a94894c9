#include "crypto/secret.h"
#include "dataplane/datagram/sender_inner.h"

#include <stdlib.h>

static void use_defaults(struct sender_options *o)
{
	o->datagram_bytes_max =
		o->datagram_bytes_max != 0 ? o->datagram_bytes_max : SENDER_DATAGRAM;
	o->window = o->window != 0 ? o->window : SENDER_WINDOW;
	o->linger_us = o->linger_us != 0 ? o->linger_us : SENDER_LINGER_US;
	o->sequence_end = o->sequence_end != 0 ? o->sequence_end : WIRE_SEQUENCE_END;
}

static bool is_fine(const struct sender_options *o)
{
	return o->datagram_bytes_max >= SENDER_DATAGRAM_MIN
		&& o->datagram_bytes_max <= WIRE_DATAGRAM_MAX && o->window >= 1
		&& o->window <= WIRE_WINDOW && o->stream.size <= WIRE_STREAM_MAX
		&& o->sequence_end <= WIRE_SEQUENCE_END;
}

static enum sl_status allocate(struct sender *s)
{
	const size_t window = s->options.window;

	s->slots = calloc(window, sizeof(*s->slots));
	s->texts = calloc(window, s->text_max);
	s->free = calloc(window, sizeof(*s->free));
	s->queue = calloc(window, sizeof(*s->queue));
	s->secrets = secret_new(sizeof(*s->secrets));
	if (s->slots == NULL || s->texts == NULL || s->free == NULL || s->queue == NULL
	    || s->secrets == NULL)
		return SL_E_NOMEM;
	return SL_OK;
}

enum sl_status sender_new(
	const struct sender_options *options,
	struct engine *engine,
	struct sender **ret_sender
)
{
	struct sender *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return SL_E_NOMEM;
	s->options = *options;
	s->engine = engine;
	use_defaults(&s->options);
	s->text_max = s->options.datagram_bytes_max - WIRE_DATA_OVERHEAD;
	if (!is_fine(&s->options) || allocate(s) != SL_OK) {
		enum sl_status status = is_fine(&s->options) ? SL_E_NOMEM : SL_E_INVALID;

		sender_free(s);
		return status;
	}
	s->stream_size = (uint32_t)s->options.stream.size;
	if (s->stream_size != 0)
		memcpy(s->stream, s->options.stream.bytes, s->stream_size);
	for (uint32_t i = 0; i < s->options.window; i++)
		s->free[s->free_count++] = (uint16_t)(s->options.window - 1 - i);
	s->building = SLOT_NONE;
	s->pace.burst = BURST_FIRST;
	s->pace.rto_us = s->options.resend_us != 0 ? s->options.resend_us : FIRST_RTO_US;
	s->secrets->is_here = true;
	memcpy(s->secrets->client_key, options->client_key, WIRE_KEY_SIZE);
	bytes_wipe(s->options.client_key, sizeof(s->options.client_key));
	wire_hello_key(engine, options->client_key, options->client_id, s->secrets->hello_key);
	sender_restart(s, 0);
	*ret_sender = s;
	return SL_OK;
}

void sender_free(struct sender *s)
{
	if (s == NULL)
		return;
	secret_free(s->secrets, sizeof(*s->secrets));
	free(s->queue);
	free(s->free);
	if (s->texts != NULL)
		bytes_wipe(s->texts, (size_t)s->options.window * s->text_max);
	free(s->texts);
	free(s->slots);
	bytes_wipe(s->options.client_key, sizeof(s->options.client_key));
	free(s);
}

uint8_t *sender_text(const struct sender *s, uint32_t slot)
{
	return s->texts + (size_t)slot * s->text_max;
}

static void enqueue(struct sender *s, uint16_t slot)
{
	s->queue[(s->queue_head + s->queue_count++) % s->options.window] = slot;
}

/** The slot in the making goes into the queue. */
static void close_building(struct sender *s)
{
	enqueue(s, s->building);
	s->building = SLOT_NONE;
}

enum sl_status sender_offer(
	struct sender *s,
	struct view event,
	uint64_t now_us,
	uint64_t *ret_number
)
{
	struct slot *slot;
	uint8_t *to;

	if (event.size == 0 || memchr(event.bytes, '\n', event.size) != NULL)
		return SL_E_INVALID;
	if (event.size >= s->text_max)
		return SL_E_TOO_BIG;
	if (s->building != SLOT_NONE && s->slots[s->building].size + event.size + 1 > s->text_max)
		close_building(s);
	if (s->building == SLOT_NONE) {
		if (s->free_count == 0)
			return SL_E_FULL;
		s->building = s->free[--s->free_count];
		s->building_us = now_us;
		s->slots[s->building] = (struct slot){.first_event = s->next_event};
	}
	slot = &s->slots[s->building];
	to = sender_text(s, s->building) + slot->size;
	memcpy(to, event.bytes, event.size);
	to[event.size] = '\n';
	slot->size += (uint32_t)event.size + 1;
	slot->count++;
	s->stats.events_offered++;
	*ret_number = s->next_event++;
	return SL_OK;
}

void sender_push(struct sender *s)
{
	if (s->building != SLOT_NONE)
		close_building(s);
}

/** Whether a slot that was on its way in a session that has ended goes on its way again. */
static bool is_repeated(struct sender *s, uint16_t slot)
{
	const struct slot *gone = &s->slots[slot];

	if (s->options.repeat == NULL
	    || s->options.repeat(s->options.repeat_self, gone->first_event, gone->count))
		return true;
	s->given_up += gone->count;
	s->free[s->free_count++] = slot;
	return false;
}

void sender_restart(struct sender *s, uint64_t ask_us)
{
	uint32_t back = 0;

	// From the newest on, each before the queue's head: the oldest goes out first again.
	for (uint64_t sequence = s->next; sequence-- > s->base;) {
		const uint16_t slot = s->flight[sequence % WIRE_WINDOW];

		if (slot == SLOT_NONE || !is_repeated(s, slot))
			continue;
		s->slots[slot].tries = 0;
		s->slots[slot].is_lost = false;
		s->queue_head = (s->queue_head + s->options.window - 1) % s->options.window;
		s->queue[s->queue_head] = slot;
		back++;
	}
	s->queue_count += back;
	for (size_t i = 0; i < WIRE_WINDOW; i++)
		s->flight[i] = SLOT_NONE;
	s->base = s->next = s->lost_from = 0;
	s->flight_count = s->lost_count = 0;
	s->check_us = UINT64_MAX;
	s->is_silent = false;
	s->state = SENDER_HELLO;
	s->stamp = s->ping_number = s->ping_begun = 0;
	s->credit = 0;
	s->ask_us = ask_us;
	s->ask_tries = 0;
	memcpy(s->names.client_id, s->options.client_id, sizeof(s->names.client_id));
	engine_random(s->engine, s->names.client_nonce, sizeof(s->names.client_nonce));
	engine_run_end(s->engine);
}

void sender_land(struct sender *s, uint64_t sequence)
{
	const uint16_t index = s->flight[sequence % WIRE_WINDOW];
	struct slot *slot = &s->slots[index];

	s->flight[sequence % WIRE_WINDOW] = SLOT_NONE;
	s->flight_count--;
	s->is_silent = s->is_silent && s->flight_count != 0; // nothing is waited for
	s->lost_count -= slot->is_lost;
	if (slot->sent_us > s->pace.newest_us)
		s->pace.newest_us = slot->sent_us;
	s->stats.events_acked += slot->count;
	s->free[s->free_count++] = index;
	if (s->options.acked != NULL)
		s->options.acked(s->options.acked_self, slot->first_event, slot->count);
}

enum sender_state sender_state(const struct sender *s)
{
	return s->state;
}

enum sender_refusal sender_refusal(const struct sender *s)
{
	return s->refusal;
}

bool sender_is_forked(const struct sender *s)
{
	return !s->secrets->is_here;
}

bool sender_is_empty(const struct sender *s)
{
	return s->stats.events_acked + s->given_up == s->stats.events_offered;
}

void sender_get_stats(const struct sender *s, struct sender_stats *ret_stats)
{
	*ret_stats = s->stats;
	ret_stats->round_trip_us = s->pace.srtt_us;
	ret_stats->credit = s->credit;
}
