#pragma once

#include "control/api/plane.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

// What the dataplane counts, in memory that control and anyone it trusts may map (memfd). One writer a row, readers sum.

enum {
	COUNTERS_MAGIC = 0x544e4353, // "SCNT" in memory
	COUNTERS_VERSION = 2,
	COUNTERS_DROPS_MAX = 64,  // event drops (dataplane/drops.def)
	COUNTERS_FRAMES_MAX = 64, // frame drops (dataplane/frame_drops.def)
	COUNTERS_WORKERS_MAX = 64,
	// Latency rx -> sink: 64 powers of two of ns, 16 steps each.
	COUNTERS_LATENCY_STEPS = 16,
	COUNTERS_LATENCY_BUCKETS = 64 * COUNTERS_LATENCY_STEPS
};

enum counter {
#define COUNTER(name, key, unit, help) COUNTER_##name,
#include "control/api/counters.def"
#undef COUNTER
	COUNTER_COUNT
};

const char *counter_key(enum counter counter);
const char *counter_unit(enum counter counter);
const char *counter_help(enum counter counter);

typedef _Atomic uint64_t counter_word;

/** One worker and stream; the last stream row is of frames that are no stream's. Written by the worker. */
struct counters_row {
	_Alignas(64) counter_word value[COUNTER_COUNT];
	counter_word event_drop[COUNTERS_DROPS_MAX];
	counter_word frame_drop[COUNTERS_FRAMES_MAX];
};

/** One stream; written by the egress thread. */
struct counters_sink_row {
	_Alignas(64) counter_word rows_delivered;
	counter_word bytes_delivered;
	counter_word rows_failed;
	counter_word rows_waiting;
	counter_word is_down;
	counter_word latency_ns[COUNTERS_LATENCY_BUCKETS]; // rows; rx -> delivered
};

struct counters {
	uint32_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t worker_count;
	uint64_t pid;
	uint64_t started_ns;    // CLOCK_MONOTONIC, which is the same for all processes
	_Atomic uint64_t epoch; // policy that all workers work by
	_Atomic uint64_t
		policy_change_ns; // from its arrival to its use on every core, of the last change
	uint32_t worker_core[COUNTERS_WORKERS_MAX]; // that each is pinned to; UINT32_MAX = any
	_Atomic uint64_t busy_cycles[COUNTERS_WORKERS_MAX];
	_Atomic uint64_t idle_cycles[COUNTERS_WORKERS_MAX];
	uint8_t stream_id[PLANE_STREAMS_MAX][16]; // of the rows; zeros = unused
	struct counters_sink_row sink[PLANE_STREAMS_MAX];
	struct counters_row gone[COUNTERS_WORKERS_MAX]; // of streams whose rows others have got
	struct counters_row row[];                      // [worker_count][PLANE_STREAMS_MAX + 1]
};

/** Step of the latency histogram that a duration falls in, and the least duration of a step. */
uint32_t counters_latency_bucket(uint64_t ns);
uint64_t counters_latency_floor(uint32_t bucket);

/** Bytes of the counters of so many workers. */
size_t counters_size(uint32_t worker_count);

/**
 * Check counters as a stranger's, before their rows are read. The memfd is sealed against shrinking (F_SEAL_SHRINK), so
 * that what is mapped stays there.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT
 */
enum sl_status counters_check(const void *bytes, size_t size, struct problem *ret_problem);
