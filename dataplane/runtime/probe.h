#pragma once

#include "dataplane/pipeline/batch.h"
#include "io/base/attr.h"

#include <rte_cycles.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// Where a worker's time goes, round by round, for a bench: cycles of each stage. Without a probe a mark is one test.

enum probe_stage {
	PROBE_POLL,  // look for work: the port's receive call
	PROBE_PARSE, // frames to datagrams
	PROBE_TAKE,  // datagrams to the rows of a turn; parcels handed over
	PROBE_TURN,  // turn_run
	PROBE_FREE,  // frames back to their pool
	PROBE_REST,  // flush, acknowledgements, what goes out, quiescence, counters
	PROBE_STAGES
};

enum {
	PROBE_ROUNDS = 1 << 15
};

struct probe_round {
	uint32_t rows;
	uint32_t cycles[PROBE_STAGES];
};

/** The newest rounds that had rows; the worker writes, others read when it rests. */
struct probe {
	_Atomic uint64_t count; // of all; round[n % PROBE_ROUNDS]
	struct probe_round round[PROBE_ROUNDS];
};

/** The worker's side. */
struct probe_clock {
	struct probe *probe; // NULL = nobody looks
	uint64_t at;
	struct probe_round round; // at hand
};

/** All cycles since the last mark are this stage's. */
static inline void probe_mark(struct probe_clock *clock, enum probe_stage stage)
{
	uint64_t now;

	if (likely(clock->probe == NULL))
		return;
	now = rte_rdtsc();
	clock->round.cycles[stage] += (uint32_t)(now - clock->at);
	clock->at = now;
}

/** A round is over; another begins, seen by this probe. */
static inline void probe_turn_over(struct probe_clock *clock, struct probe *next)
{
	if (likely(clock->probe == NULL && next == NULL))
		return;
	if (clock->probe != NULL && clock->round.rows != 0) {
		uint64_t n = atomic_load_explicit(&clock->probe->count, memory_order_relaxed);

		clock->probe->round[n % PROBE_ROUNDS] = clock->round;
		// Pairs with the acquire of who reads the rounds.
		atomic_store_explicit(&clock->probe->count, n + 1, memory_order_release);
	}
	clock->round = (struct probe_round){0};
	clock->probe = next;
	clock->at = rte_rdtsc();
}
