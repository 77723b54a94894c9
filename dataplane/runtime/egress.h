#pragma once

#include "control/api/counters.h"
#include "control/api/key_ring.h"
#include "control/api/settings.h"
#include "dataplane/datagram/server.h"
#include "dataplane/runtime/outlet.h"

struct rte_ring;

// The egress thread: takes parcels from the workers, holds each until its keys are durable, offers it to the stream's
// sinks, gives it back. Every commit_ms all sinks are synced and one checkpoint record says where they and the sessions of
// sealed datagrams stand; only then are datagrams acknowledged. So a crash takes nothing that was acknowledged, and what
// was not comes again and is not there twice.

struct egress;

struct egress_setup {
	const struct settings *settings;
	struct key_ring *ring;          // borrowed
	struct datagram_server *server; // borrowed
	struct rte_ring **from_worker;  // [settings.worker_count] parcels, borrowed
	struct rte_ring **to_worker;    // likewise
};

/** Open the checkpoint, restore the sessions, start the thread. Outcomes  SL_OK; SL_E_CORRUPT, … with *ret_problem */
enum sl_status egress_start(
	const struct egress_setup *setup,
	struct egress **ret_egress,
	struct problem *ret_problem
);

/** Where the outlets of an image count. */
struct egress_rows {
	struct counters_sink_row *counts; // [PLANE_STREAMS_MAX] rows of the counters
	const uint8_t *slots;             // [streams] row of each stream
	const bool *takes_over; // [streams] a row that a stream had that is gone: it begins anew
};

/**
 * Outlets for the streams of an image: those that are as they were, and new ones, whose sinks are opened (but where an
 * old one must be closed first: such a one opens as soon as it can).
 *
 * @param ret_outlets [streams] out
 * Outcomes  SL_OK; as sink_files_open with *ret_problem: nothing is changed
 */
enum sl_status egress_prepare(
	struct egress *egress,
	const struct plane_image *image,
	const struct egress_rows *rows,
	struct outlet *ret_outlets[],
	struct problem *ret_problem
);

/** Every worker works by these outlets: the others are closed when what is on its way is through. */
void egress_retire_others(struct egress *egress, struct outlet *const outlets[], uint32_t count);

/**
 * The workers have handed over everything: bring it to the sinks, publish files, write the last checkpoint.
 *
 * @param timeout_ms for keys to become durable and sinks to take what waits
 * @return rows that could not be delivered: not acknowledged, and lost when they were plain
 */
uint64_t egress_drain(struct egress *egress, uint32_t timeout_ms);

/** End the thread, close all. NULL is fine. */
void egress_free(struct egress *egress);
