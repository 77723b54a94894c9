#include "dataplane/datagram/sender_inner.h"

// The round trip is that of durability: from sending to the acknowledgement, which comes with a commit of the sinks. So
// the resend time follows the slowest datagram of each acknowledgement (RFC 6298, Karn), and one that was overtaken by
// those sent well after it counts as lost (RFC 8985's idea).
//
// Loss as such does not slow a sender down: links may lose some datagrams all the time. When more than a quarter of a
// round is lost, something on the way is full, and the burst is halved.

enum {
	RESERVE_US = 5000,      // behind the smoothed round trip at least
	SILENT_US_MIN = 200000, //
	OVERTAKEN_US_MIN = 5000,
	LOST_MIN = 8 // datagrams of a round
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t pace_overdue_us(const struct sender *s, const struct slot *slot)
{
	const uint32_t doublings = slot->tries > 6 ? 5 : slot->tries - 1;
	const uint64_t wait_us = (uint64_t)s->pace.rto_us << doublings;
	// Who asks for a longer time by the options has it.
	const uint64_t max_us = later(SENDER_RESEND_US_MAX, s->pace.rto_us);

	return slot->sent_us + (wait_us < max_us ? wait_us : max_us);
}

static void take_sample(struct sender *s, uint32_t sample_us)
{
	struct pace *p = &s->pace;
	uint64_t rto_us;

	if (p->srtt_us == 0) {
		p->srtt_us = sample_us + 1;
		p->rttvar_us = sample_us / 2;
	} else {
		const uint32_t off =
			sample_us > p->srtt_us ? sample_us - p->srtt_us : p->srtt_us - sample_us;

		p->rttvar_us = (uint32_t)(((uint64_t)p->rttvar_us * 3 + off) / 4);
		p->srtt_us = (uint32_t)(((uint64_t)p->srtt_us * 7 + sample_us) / 8) + 1;
	}
	if (s->options.resend_us != 0)
		return;
	rto_us = p->srtt_us + later(4 * (uint64_t)p->rttvar_us, RESERVE_US);
	rto_us = later(rto_us, SENDER_RESEND_US_MIN);
	p->rto_us = rto_us < SENDER_RESEND_US_MAX ? (uint32_t)rto_us : SENDER_RESEND_US_MAX;
}

static void end_round(struct sender *s, uint64_t now_us)
{
	struct pace *p = &s->pace;

	if (p->round_lost >= LOST_MIN && p->round_lost > p->round_acked / 3) {
		p->burst = p->burst / 2 > BURST_MIN ? p->burst / 2 : BURST_MIN;
		p->is_careful = true;
	}
	p->round_us = now_us;
	p->round_acked = p->round_lost = 0;
}

void pace_acked(struct sender *s, uint64_t sent_us, uint32_t count, uint64_t now_us)
{
	struct pace *p = &s->pace;

	if (sent_us != 0)
		take_sample(
			s, now_us - sent_us < UINT32_MAX ? (uint32_t)(now_us - sent_us) : UINT32_MAX
		);
	p->round_acked += count;
	p->burst += p->is_careful ? (count + 7) / 8 : count;
	if (p->burst > WIRE_WINDOW)
		p->burst = WIRE_WINDOW;
	if (now_us - p->round_us > later(p->srtt_us, 1000))
		end_round(s, now_us);
}

void pace_lost(struct sender *s, uint32_t count, uint64_t now_us)
{
	s->pace.round_lost += count;
	if (now_us - s->pace.round_us > later(s->pace.srtt_us, 1000))
		end_round(s, now_us);
}

void pace_find_lost(struct sender *s, uint64_t now_us)
{
	const uint64_t grace_us = later(s->pace.srtt_us / 2, OVERTAKEN_US_MIN);
	uint64_t check_us = UINT64_MAX;
	uint32_t found = 0;

	for (uint64_t sequence = s->base; sequence < s->next; sequence++) {
		const uint16_t index = s->flight[sequence % WIRE_WINDOW];
		struct slot *slot = &s->slots[index];
		uint64_t overdue_us;

		if (index == SLOT_NONE || slot->is_lost)
			continue;
		overdue_us = pace_overdue_us(s, slot);
		if (now_us < overdue_us
		    && (slot->tries > 1 || slot->sent_us + grace_us >= s->pace.newest_us)) {
			check_us = overdue_us < check_us ? overdue_us : check_us;
			continue;
		}
		slot->is_lost = true;
		s->lost_count++;
		found++;
		if (sequence < s->lost_from)
			s->lost_from = sequence;
	}
	s->check_us = check_us;
	if (found != 0)
		pace_lost(s, found, now_us);
}

uint64_t pace_silent_us(const struct sender *s)
{
	return s->alive_us + later(4 * (uint64_t)s->pace.rto_us, SILENT_US_MIN);
}

bool pace_is_silent(const struct sender *s, uint64_t now_us)
{
	return s->flight_count != 0 && now_us > pace_silent_us(s);
}
