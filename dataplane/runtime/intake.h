#pragma once

#include "dataplane/runtime/epoch.h"
#include "dataplane/runtime/probe.h"

struct rte_ring;

// From datagrams of one stream to turns into parcels. Whole datagrams go into one parcel, so that one that is acknowledged
// is there as a whole or not at all; only one with more events than a turn takes may go on in the next parcel.

/** A datagram's events on their way into a turn. */
struct intake_datagram {
	struct datagram_ticket ticket;
	bool has_ticket; // sealed datagrams
	uint32_t rows;   // of the batch
	size_t bytes;    // of these rows
};

/** What a worker shares among its lanes. */
struct intake {
	struct datagram_server *server;
	uint32_t worker_count;
	struct rte_ring *to_egress;
	struct rte_ring *from_egress;
	uint64_t now_ns;     // monotonic, of this round
	uint64_t arrived_ns; // monotonic: when its rows came
	int64_t now_ms;      // since 1970
	struct probe_clock clock;
	uint32_t datagram_count; // in the batch
	size_t bytes;            // of their rows
	struct intake_datagram datagram[BATCH_MAX];
};

/**
 * Take a datagram's events: NDJSON lines. They are in the batch until intake_run; text must stay until then.
 *
 * @param ticket NULL for plain datagrams
 */
void intake_take(
	struct intake *intake,
	struct lane *lane,
	struct view text,
	const struct datagram_ticket *ticket
);

/** Run what is in the batch. */
void intake_run(struct intake *intake, struct lane *lane);

/** Hand the lane's parcel over when it holds something. */
void intake_flush(struct intake *intake, struct lane *lane);

/** Take parcels back from egress. @return whether any came */
bool intake_collect(struct intake *intake);

/** Lines of a text that hold events. */
uint32_t intake_count_rows(struct view text);
