#pragma once

#include "bench/load/histogram.h"
#include "bench/load/transport.h"
#include "control/api/counters.h"
#include "io/base/problem.h"

// What came of the events that were offered: by the transport's own acknowledgements, or by the appliance's counters.

/** Totals since whenever; what is of interest is their growth. */
struct counted_figures {
	uint64_t taken;                     // events that entered a turn, or were acknowledged
	uint64_t dropped;                   // datagrams that were dropped, whatever the reason
	uint64_t delivered;                 // rows that sinks have
	uint64_t drop[COUNTERS_FRAMES_MAX]; // by enum frame_reason
	uint64_t latency_ns[COUNTERS_LATENCY_BUCKETS];
};

enum counted_source {
	COUNTED_NOT,        // nobody tells
	COUNTED_TRANSPORT,  // acknowledgements
	COUNTED_BY_COUNTERS // the dataplane's counters
};

struct counted {
	enum counted_source source;
	const struct transport *transport;
	const struct counters *counters; // mapped
	size_t size;                     // bytes of it
};

/**
 * @param from a file that holds the dataplane's counters, or the number of its process; NULL: the transport says, when it
 *             can
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND, SL_E_CORRUPT, SL_E_IO
 */
enum sl_status counted_open(
	struct counted *counted,
	const char *from,
	const struct transport *transport,
	struct problem *ret_problem
);
void counted_close(struct counted *counted);

void counted_read(const struct counted *counted, struct counted_figures *ret_figures);

/** Latencies between two readings of counters. */
void counted_latency(
	const struct counted_figures *before,
	const struct counted_figures *after,
	struct histogram *ret_latency
);
