#pragma once

#include "dataplane/pipeline/turn.h"
#include "io/base/status.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

// What workers made of each chunk, handed to the writer in the order of the input. A result is taken
// before its chunk is read, so that the number of chunks under way, and with it the memory, is bounded:
//
//	reader: results_begin ──> worker: fills it, results_done ──> writer: results_take, results_recycle
//	             ^                                                            │
//	             └────────────────────────── free list <──────────────────────┘

/** Everything that came of one chunk. Rooms grow as needed and are kept for the next chunk. */
struct result {
	uint64_t index;              // of the chunk
	struct turn_out out;         // rooms own their bytes
	struct turn_counts counts;   // of this chunk alone
	struct turn_drop first_drop; // of this chunk
	uint64_t blank_rows;         // of this chunk
	uint64_t bytes_in;           // of this chunk's rows
	uint64_t position_max;       // key journal position that must be durable before it is shown
	bool is_done;
	struct result *next;
};

struct results;

enum {
	RESULTS_MIN = 4
};

/**
 * @param result_count results under way at the most, RESULTS_MIN or more
 * @param view_count   views whose rooms are in use
 */
enum sl_status results_new(
	uint32_t result_count,
	uint32_t view_count,
	struct results **ret_results
);
void results_free(struct results *results);

/** A result for the next chunk, in order of calls; waits for a free one. NULL after results_stop. */
struct result *results_begin(struct results *results);

/** The worker has filled it. */
void results_done(struct results *results, struct result *result);

/** The next result in order, waits for it; NULL when all were taken after results_end, or after results_stop. */
struct result *results_take(struct results *results);

/** The writer is through with it. */
void results_recycle(struct results *results, struct result *result);

/** No more results_begin will come. */
void results_end(struct results *results);

/** Wake everybody; every wait returns NULL from now on. Any thread. */
void results_stop(struct results *results);

/** Make sure that a room has size free bytes; its contents are kept. */
enum sl_status result_reserve(struct room *room, size_t size);
