#pragma once

#include "bench/load/counted.h"
#include "bench/load/draw.h"
#include "bench/load/transport.h"

#include <signal.h>

// One trial: events at a rate for a time, then waiting until what is on its way has come through, then what was lost.

struct load {
	struct transport *transport;
	const struct counted *counted;
	struct stock *stock;
	struct draw *draw;
	uint64_t number; // of the last event
	uint32_t event;  // of the stock: the next one
	bool is_poisson;
	uint64_t seed;
	const volatile sig_atomic_t *is_stopped;
};

enum {
	TRIAL_DROPS_MAX = COUNTERS_FRAMES_MAX
};

struct trial {
	double rate;                    // asked for, events/s
	double seconds;                 // that it took to send
	uint64_t due;                   // events that the rate asks for in that time
	uint64_t offered;               // events sent
	uint64_t bytes;                 // of them
	uint64_t no_room_ns;            // events were due, and the other side took none
	bool is_counted;                // what follows is known
	uint64_t taken;                 // events that came through
	uint64_t delivered;             // rows that sinks have got
	uint64_t dropped;               // datagrams
	uint64_t drop[TRIAL_DROPS_MAX]; // by enum frame_reason
	struct histogram late;          // sending: behind the time that an event was due at
	struct histogram latency;       // from the time due; count is 0 where nobody tells
	struct histogram inside;        // from arrival to the sink, by the dataplane's counters
};

/**
 * @param rate events/s
 * @param ret_trial out; far too large for a stack
 * Outcomes  SL_OK; SL_E_IO (the transport has failed), SL_E_INTERRUPTED
 */
enum sl_status trial_run(
	struct load *load,
	double rate,
	uint64_t duration_ns,
	struct trial *ret_trial,
	struct problem *ret_problem
);

/** Events that were due and did not come through. */
uint64_t trial_lost(const struct trial *trial);

/** No more were lost than the share; events that could not be sent in time are lost too. */
bool trial_is_good(const struct trial *trial, double tolerance);
