#include "dataplane/runtime/tally.h"
#include "dataplane/runtime/worker_inner.h"
#include "io/base/attr.h"
#include "io/base/clock.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <string.h>

// From the port and the kernel's sockets to the round's datagrams, in lists by stream.

enum {
	DRIVER_BURST = 32 // frames: the most that some drivers give at once
};

/** Add the arrival at the end to its stream's list. */
static void link_arrival(struct worker *w, uint16_t stream)
{
	uint8_t n = (uint8_t)w->arrival_count++;

	w->arrival[n].next = ARRIVAL_NONE;
	if ((w->touched >> stream & 1) == 0) {
		w->touched |= (uint64_t)1 << stream;
		w->first[stream] = n;
	} else {
		w->arrival[w->last[stream]].next = n;
	}
	w->last[stream] = n;
}

/** Did the device verify the checksums of every frame of a burst? */
static bool is_checked(const struct worker *w, struct rte_mbuf *const frames[], uint32_t count)
{
	const uint64_t good = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	const uint64_t mask = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (!w->shift->port->has_checksums)
		return false;
	for (uint32_t n = 0; n < count; n++)
		if ((frames[n]->ol_flags & mask) != good)
			return false;
	return true;
}

/** A frame that our parser may see: in one piece, with readable bytes behind it. */
static struct view frame_view(const struct rte_mbuf *m)
{
	if (m->nb_segs != 1 || rte_pktmbuf_tailroom(m) < BATCH_FRAME_PADDING)
		return (struct view){0};
	return view_of(rte_pktmbuf_mtod(m, const void *), rte_pktmbuf_data_len(m));
}

/** Take up to max frames from the port; drivers that give only so many at once are asked again. */
static uint32_t poll_port(const struct worker *w, struct rte_mbuf *ret_frames[], uint32_t max)
{
	uint32_t count = 0;
	uint32_t got;

	if (w->is_closed)
		return 0;
	do {
		got = rte_eth_rx_burst(
			w->shift->port->id,
			(uint16_t)w->index,
			ret_frames + count,
			(uint16_t)(max - count)
		);
		count += got;
	} while (got >= DRIVER_BURST && count < max);
	return count;
}

/**
 * The frames of this round. When there are more than it takes, those of the next round are received as well: while this
 * one is worked at, what the device has written comes near.
 */
static uint32_t next_frames(struct worker *w, struct rte_mbuf *ret_frames[])
{
	uint32_t count = w->ahead_count;

	memcpy(ret_frames, w->ahead, count * sizeof(ret_frames[0]));
	w->intake.arrived_ns = count != 0 ? w->ahead_ns : w->intake.now_ns;
	w->ahead_ns = w->intake.now_ns;
	w->ahead_count = 0;
	if (count < PORT_BURST)
		count += poll_port(w, ret_frames + count, PORT_BURST - count);
	if (count == PORT_BURST)
		w->ahead_count = poll_port(w, w->ahead, PORT_BURST);
	for (uint32_t n = 0; n < w->ahead_count; n++) {
		rte_prefetch1(w->ahead[n]);
		rte_prefetch1((const uint8_t *)w->ahead[n] + RTE_CACHE_LINE_SIZE);
	}
	return count;
}

/** Let this round's turn fetch the next one's frames. Their heads have come by now. */
static void announce_ahead(struct worker *w)
{
	struct batch *b = w->bench->batch;

	for (uint32_t n = 0; n < w->ahead_count; n++)
		w->ahead_text[n] = frame_view(w->ahead[n]);
	b->ahead = w->ahead_text;
	b->ahead_count = w->ahead_count;
}

/** Sort the frames: arrivals stay in the burst, the kernel's go into a list of their own, bad ones are counted. */
static uint32_t sort_frames(
	struct worker *w,
	struct rte_mbuf *const frames[],
	uint32_t count,
	struct rte_mbuf *ret_kernel[],
	struct rte_mbuf *ret_ours[],
	uint32_t *ret_our_count
)
{
	UNINITIALIZED struct view frame[PORT_BURST];
	UNINITIALIZED struct view payload[PORT_BURST];
	struct epoch *e = w->epoch;
	uint32_t kernel_count = 0;

	*ret_our_count = 0;
	for (uint32_t n = 0; n < count; n++) {
		frame[n] = frame_view(frames[n]);
		rte_prefetch0(frame[n].bytes);
	}
	frame_parse_burst(
		is_checked(w, frames, count) ? &e->rules_checked : &e->rules,
		frame,
		count,
		w->flow,
		payload
	);
	for (uint32_t n = 0; n < count; n++) {
		const struct flow *flow = &w->flow[n];

		if (flow->fate == FRAME_KERNEL || frame[n].bytes == NULL) {
			ret_kernel[kernel_count++] = frames[n];
			continue;
		}
		ret_ours[(*ret_our_count)++] = frames[n];
		if (flow->fate == FRAME_DROPPED) {
			tally(&w->rest->frame_drop[flow->reason], 1);
			continue;
		}
		w->arrival[w->arrival_count] =
			(struct arrival){.payload = payload[n], .flow = flow};
		link_arrival(w, e->stream_of_port[flow->port_index]);
	}
	return kernel_count;
}

static void give_to_kernel(struct worker *w, struct rte_mbuf *frames[], uint32_t count)
{
	uint32_t taken = exception_put(w->shift->exception, (uint16_t)w->index, frames, count);

	tally(&w->rest->value[COUNTER_FRAMES_KERNEL], taken);
	tally(&w->rest->frame_drop[FRAME_DROP_KERNEL_BUSY], count - taken);
}

/**
 * A capture file waits for us, as a wire would not: it is read when there is a policy, and room for what this burst and
 * the one ahead bring, each frame a turn. So nothing of it is dropped, however fast it is read.
 */
static bool may_read_capture(const struct worker *w)
{
	const uint32_t turns = 2 * PORT_BURST;

	if (w->epoch == NULL)
		return false;
	for (uint32_t s = 0; s < w->epoch->stream_count; s++) {
		const struct lane *lane = &w->epoch->lane[w->index][s];

		if (lane->pool->free_count == 0 || !key_claim_has_room(lane->claim, turns))
			return false;
	}
	return true;
}

/** Frames of a capture file went to another card: those to one host are to us. */
static void readdress(const struct worker *w, struct rte_mbuf *const frames[], uint32_t count)
{
	for (uint32_t n = 0; n < count; n++) {
		uint8_t *target = rte_pktmbuf_mtod(frames[n], uint8_t *);

		if (rte_pktmbuf_data_len(frames[n]) >= sizeof(w->shift->port->mac)
		    && (target[0] & 1) == 0)
			memcpy(target, w->shift->port->mac, sizeof(w->shift->port->mac));
	}
}

/** Without a policy there are no events: all is the kernel's. */
static uint32_t receive_frames(struct worker *w)
{
	UNINITIALIZED struct rte_mbuf *frames[PORT_BURST];
	UNINITIALIZED struct rte_mbuf *kernel[PORT_BURST];
	UNINITIALIZED struct rte_mbuf *ours[PORT_BURST];
	uint32_t count = next_frames(w, frames);
	uint32_t kernel_count = count;
	uint32_t our_count = 0;

	probe_mark(&w->intake.clock, PROBE_POLL);
	if (count == 0)
		return 0;
	if (w->shift->settings->port_kind == SETTINGS_PORT_PCAP)
		readdress(w, frames, count);
	tally(&w->rest->value[COUNTER_FRAMES_IN], count);
	if (w->epoch != NULL)
		kernel_count = sort_frames(w, frames, count, kernel, ours, &our_count);
	else
		memcpy(kernel, frames, count * sizeof(struct rte_mbuf *));
	if (kernel_count != 0)
		give_to_kernel(w, kernel, kernel_count);
	announce_ahead(w);
	probe_mark(&w->intake.clock, PROBE_PARSE);
	if (w->arrival_count != 0)
		worker_run_arrivals(w);
	probe_mark(&w->intake.clock, PROBE_TAKE);
	rte_pktmbuf_free_bulk(ours, our_count);
	probe_mark(&w->intake.clock, PROBE_FREE);
	return count;
}

static int find_stream(const struct epoch *e, uint16_t port)
{
	for (uint32_t n = 0; e != NULL && n < e->rules.port_count; n++)
		if (e->rules.port[n] == port)
			return e->stream_of_port[n];
	return -1;
}

/** Datagrams that the kernel put together. */
static uint32_t receive_rows(struct worker *w)
{
	struct kernel_row *rows[PORT_BURST];
	uint32_t count = kernel_rows_take(w->shift->kernel_rows, rows, PORT_BURST);

	w->intake.arrived_ns = w->intake.now_ns;
	for (uint32_t n = 0; n < count; n++) {
		int stream = find_stream(w->epoch, rows[n]->port);

		tally(&w->rest->value[COUNTER_ROWS_KERNEL], 1);
		if (rows[n]->size == 0) {
			tally(&w->rest->frame_drop[FRAME_DROP_EMPTY], 1);
			continue;
		}
		if (stream < 0) {
			tally(&w->rest->frame_drop[FRAME_DROP_NO_POLICY], 1);
			continue;
		}
		w->arrival[w->arrival_count] = (struct arrival
		){.payload = view_of(rows[n]->bytes, rows[n]->size), .row = rows[n]};
		link_arrival(w, (uint16_t)stream);
	}
	if (w->arrival_count != 0)
		worker_run_arrivals(w);
	kernel_rows_put(w->shift->kernel_rows, rows, count);
	return count;
}

bool worker_receive(struct worker *w)
{
	uint32_t count;

	w->intake.now_ns = clock_monotonic_ns();
	if (w->shift->settings->port_kind == SETTINGS_PORT_PCAP && !may_read_capture(w))
		return false;
	count = receive_frames(w);
	if (w->shift->kernel_rows != NULL && w->index == 0)
		count += receive_rows(w);
	return count != 0;
}
