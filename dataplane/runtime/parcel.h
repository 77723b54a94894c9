#pragma once

#include "dataplane/datagram/server.h"
#include "dataplane/pipeline/turn.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

// What a worker hands to the egress thread: the outputs of some turns of one stream, and what their release depends on.
// Turns write into its rooms; sinks read from them; nobody copies.
//
//	worker: free ──> filling ──┐ SPSC ring               ┌── SPSC ring ──> free
//	egress:                    └──> queued ──> offered ──┘ (delivered or failed)
//
// A pool belongs to one worker and stream. All memory is there from the start; only the worker takes out and puts back.

enum {
	PARCEL_ROOMS_MAX = 2 + VIEWS_MAX, // sealed, dead letters, views
	PARCEL_TICKETS_MAX = 2048,
	PARCEL_SEALED = 0,
	PARCEL_DEAD = 1,
	PARCEL_VIEW = 2
};

struct outlet;
struct parcel_pool;

struct parcel {
	struct parcel_pool *pool;
	struct outlet *outlet; // where it goes
	struct parcel *next;   // in the outlet's queue

	struct room room[PARCEL_ROOMS_MAX];
	uint64_t rows[PARCEL_ROOMS_MAX]; // lines of each room
	uint64_t events;                 // that went into the turns
	uint64_t position_max;           // of the key journal: durable before anything is shown
	uint64_t oldest_ns;              // arrival of the oldest row, monotonic
	bool continues;                  // begins inside a datagram
	bool is_continued; // ends inside a datagram: goes on in the worker's next parcel of the stream
	uint32_t ticket_count;
	struct datagram_ticket *tickets; // [PARCEL_TICKETS_MAX] of the datagrams that end in it

	uint32_t offered;   // egress: rooms that are through sink_offer
	uint32_t awaited;   // egress: reports due
	bool has_failed;    // egress: a sink reported failure
	bool has_delivered; // egress: a sink reported delivery
};

struct parcel_pool {
	struct parcel *parcels; // [count]
	struct parcel *
		*free; // [free_count] the last one back is the first one out: its memory is warm
	uint32_t free_count; // worker
	uint32_t count;
	uint32_t room_count; // of each parcel
	uint32_t worker;
	size_t room_size; // bytes
	void *memory;     // rooms and tickets
	size_t memory_size;
	_Atomic uint32_t home; // parcels in free; for who waits for all of them
};

/** Make a pool. @param room_count outputs of a parcel, 2..PARCEL_ROOMS_MAX */
enum sl_status parcel_pool_new(
	uint32_t worker,
	uint32_t count,
	uint32_t room_count,
	size_t room_size,
	struct parcel_pool **ret_pool
);
void parcel_pool_free(struct parcel_pool *pool);

/** An empty parcel, or NULL. */
struct parcel *parcel_take(struct parcel_pool *pool);

/** Put one back. */
void parcel_put(struct parcel *parcel);

/** Every parcel is back, and no worker fills one. Any thread. */
bool parcel_pool_is_home(const struct parcel_pool *pool);

/** Free bytes of the fullest room. */
size_t parcel_left(const struct parcel *parcel);
