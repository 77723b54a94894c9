#pragma once

#include "dataplane/runtime/worker.h"

#include <pthread.h>

// Inside of a worker: worker.c is the loop, worker_rx.c what comes in, worker_run.c what becomes of it.

/** A datagram of the burst at hand. */
struct arrival {
	struct view payload;
	const struct flow *flow;      // of a frame of the port
	const struct kernel_row *row; // or: of the kernel's
	uint8_t next;                 // of the same stream; ARRIVAL_NONE = the last one
};

enum {
	ARRIVAL_NONE = 0xff
};

struct worker {
	struct shift *shift;
	uint32_t index;
	pthread_t thread;
	const struct bench *bench;
	struct epoch *epoch; // pinned
	struct intake intake;
	struct wire wire;
	struct counters_row *rest; // of frames that are no stream's

	struct rte_mbuf *ahead[PORT_BURST]; // received, for the next round
	uint32_t ahead_count;
	uint64_t ahead_ns; // when they came, monotonic
	struct view ahead_text[PORT_BURST];

	struct flow flow[PORT_BURST]; // of the round's frames
	struct arrival arrival[PORT_BURST];
	uint32_t arrival_count;
	uint8_t first[PLANE_STREAMS_MAX]; // arrival of each stream, ARRIVAL_NONE = none
	uint8_t last[PLANE_STREAMS_MAX];
	uint64_t touched; // bit s = stream s has arrivals

	struct datagram_in in[DATAGRAM_BURST_MAX];
	struct room opened; // owned: texts of sealed datagrams

	uint64_t ack_ns; // of the next look at acknowledgements
	uint32_t idle;   // rounds without work
	bool is_closed;  // nothing more is taken from the port
	bool is_drained;
	uint64_t drain_ns; // when draining began
	uint64_t sent;     // of wire, as counted
};

/** Take a burst from the port and from the kernel's sockets, run it to the end. @return whether there was any */
bool worker_receive(struct worker *w);

/** Run the round's arrivals to the end, stream by stream. */
void worker_run_arrivals(struct worker *w);
