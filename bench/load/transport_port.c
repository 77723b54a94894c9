#include "bench/load/frame_make.h"
#include "bench/load/port.h"
#include "bench/load/receiver.h"
#include "bench/load/transport.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>

// Whole frames by a DPDK port: af_packet on an interface of the kernel, or memif to another process. Every event of the stock
// lies in an mbuf of its own, ready to go; both kinds of port copy it while they send, so that it can be stamped again
// right after.

enum {
	WAIT_S = 10,                       // for the other side of a memif
	KERNEL_FRAME_MAX = PORT_FRAME - 48 // bytes: a slot of af_packet's ring has a head
};

struct ported {
	struct port port;
	struct receiver receiver; // pid 0 = none
	struct rte_mbuf **mbuf;   // [event_count] owned
	struct framed *framed;    // [event_count] owned
	uint32_t event_count;
	uint64_t stamped; // number of the last shot that is written into its frame
	uint16_t queue;   // of the next burst
	bool has_taken;   // the last one
};

static uint32_t largest_frame(const struct frame_maker *maker, const struct stock *stock)
{
	size_t largest = 0;

	for (uint32_t i = 0; i < stock->count; i++) {
		size_t size = framed_size(maker, &stock->events[i]);

		largest = size > largest ? size : largest;
	}
	return (uint32_t)largest;
}

static enum sl_status make_frames(
	struct ported *p,
	const struct frame_maker *maker,
	uint32_t frame_size,
	const struct stock *stock,
	struct problem *ret_problem
)
{
	struct rte_mempool *pool = port_pool("out", stock->count, frame_size);

	p->mbuf = calloc(stock->count, sizeof(struct rte_mbuf *));
	p->framed = calloc(stock->count, sizeof(*p->framed));
	if (pool == NULL || p->mbuf == NULL || p->framed == NULL
	    || rte_pktmbuf_alloc_bulk(pool, p->mbuf, stock->count) != 0)
		return port_no_memory(ret_problem);
	p->event_count = stock->count;
	for (uint32_t i = 0; i < stock->count; i++) {
		struct stock_event *event = &stock->events[i];
		const size_t size = framed_size(maker, event);

		framed_make(
			maker,
			i,
			event,
			(uint8_t *)rte_pktmbuf_append(p->mbuf[i], (uint16_t)size),
			&p->framed[i]
		);
	}
	return SL_OK;
}

static void close_port(struct transport *t)
{
	struct ported *p = t->self;

	if (p->port.pool != NULL)
		port_close(&p->port);
	receiver_stop(&p->receiver);
	free(p->framed);
	free(p->mbuf);
	free(p);
	t->self = NULL;
}

static enum sl_status open_port(
	struct transport *t,
	const struct transport_options *o,
	const char *device,
	uint32_t frame_max,
	struct problem *ret_problem
)
{
	struct ported *p = t->self;
	struct port_setup setup = {.queues = o->queues, .memory_mib = o->memory_mib, .core = -1};
	struct frame_maker maker;
	uint32_t frame_size;

	SL_TRY(frame_maker_init(&maker, o, ret_problem));
	frame_size = largest_frame(&maker, o->stock);
	if (frame_size > frame_max)
		return problem_set(
			ret_problem,
			SL_E_INVALID,
			"an event makes a frame of %u bytes; %u is what %s takes",
			frame_size,
			frame_max,
			t->kind->name
		);
	snprintf(setup.device, sizeof(setup.device), "%s", device);
	SL_TRY(port_open(&setup, &p->port, ret_problem));
	if (!port_wait(&p->port, WAIT_S)) {
		(void
		)!problem_set(ret_problem, SL_E_IO, "nobody is at the other end of %s", o->target);
		problem_remedy(ret_problem, "start the appliance first");
		return SL_E_IO;
	}
	if (p->receiver.pid != 0)
		receiver_connected(&p->receiver);
	return make_frames(p, &maker, frame_size, o->stock, ret_problem);
}

/** Make room for the transport, then open; close again what was opened when it fails. */
static enum sl_status open_with(
	struct transport *t,
	const struct transport_options *o,
	const char *device,
	uint32_t frame_max,
	struct receiver receiver,
	struct problem *ret_problem
)
{
	struct ported *p = calloc(1, sizeof(*p));
	enum sl_status status;

	if (p == NULL) {
		receiver_stop(&receiver);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the port");
	}
	p->receiver = receiver;
	p->has_taken = true;
	t->self = p;
	t->is_counted = receiver.pid != 0;
	status = open_port(t, o, device, frame_max, ret_problem);
	if (status != SL_OK)
		close_port(t);
	return status;
}

static enum sl_status open_af_packet(
	struct transport *t,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	char device[PORT_TEXT_MAX];

	if (if_nametoindex(o->target) == 0)
		return problem_set(
			ret_problem, SL_E_NOT_FOUND, "there is no interface \"%s\"", o->target
		);
	snprintf(
		device,
		sizeof(device),
		"net_af_packet0,iface=%s,qpairs=%u,framesz=%d,blocksz=%d,framecnt=%d",
		o->target,
		o->queues,
		PORT_FRAME,
		2 * PORT_FRAME,
		PORT_DESCRIPTORS
	);
	return open_with(t, o, device, KERNEL_FRAME_MAX, (struct receiver){0}, ret_problem);
}

static enum sl_status open_memif(
	struct transport *t,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	struct receiver receiver = {0};
	char device[PORT_TEXT_MAX];

	if (o->is_self_test)
		SL_TRY(receiver_start(&receiver, o->queues, o->memory_mib, ret_problem));
	// 1,024 places: more would wander out of the caches before the other side reads what is in them.
	snprintf(
		device,
		sizeof(device),
		"net_memif0,role=client,id=0,socket-abstract=no,rsize=10,socket=%s",
		o->is_self_test ? receiver.path : o->target
	);
	return open_with(t, o, device, STOCK_EVENT_MAX, receiver, ret_problem);
}

static size_t send_frames(struct transport *t, const struct shot shots[], size_t count)
{
	struct ported *p = t->self;
	struct rte_mbuf *burst[SHOTS_MAX];
	uint16_t sent;

	for (size_t i = 0; i < count; i++) {
		const uint32_t n = shots[i].event;

		// Those that found no room last time are as they were.
		if (shots[i].number > p->stamped) {
			framed_stamp(&p->framed[n], shots[i].subject, shots[i].number);
			p->stamped = shots[i].number;
		}
		burst[i] = p->mbuf[n];
		rte_mbuf_refcnt_set(burst[i], 2); // the port's and ours
	}
	sent = rte_eth_tx_burst(p->port.id, p->queue, burst, (uint16_t)count);
	// Both ports have copied what they took and hold nothing, sent or not.
	for (size_t i = 0; i < count; i++)
		rte_mbuf_refcnt_set(burst[i], 1);
	p->queue = (uint16_t)(p->queue + 1 == p->port.queues ? 0 : p->queue + 1);
	p->has_taken = sent != 0;
	return sent;
}

static void poll_port(struct transport *t)
{
	struct ported *p = t->self;

	port_drain(&p->port); // acknowledgements of nobody, the kernel's talk
	if (p->receiver.pid != 0)
		t->delivered =
			atomic_load_explicit(&p->receiver.received->frames, memory_order_relaxed);
	if (!p->has_taken && !port_is_up(&p->port))
		transport_fail(t, "the other side has closed the link");
	p->has_taken = true;
}

const struct transport_kind transport_af_packet = {
	.name = "af_packet",
	.help = "frames on an interface of the kernel; TARGET is its name",
	.has_frames = true,
	.open = open_af_packet,
	.send = send_frames,
	.poll = poll_port,
	.close = close_port,
};

const struct transport_kind transport_memif = {
	.name = "memif",
	.help = "frames through memory shared with the appliance; TARGET is the path of its socket",
	.has_frames = true,
	.has_self_test = true,
	.open = open_memif,
	.send = send_frames,
	.poll = poll_port,
	.close = close_port,
};
