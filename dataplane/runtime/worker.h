#pragma once

#include "dataplane/runtime/epoch.h"
#include "dataplane/runtime/exception.h"
#include "dataplane/runtime/intake.h"
#include "dataplane/runtime/kernel_rows.h"
#include "dataplane/runtime/wire.h"

struct rte_rcu_qsbr;

// A worker: one pinned core that takes bursts of frames from its queue of the port and runs each to the end.
//
//	port ──> frame_parse ──┬─> the kernel's: exception path
//	                       ├─> plain   ──> admit ──────────────────┐
//	                       └─> sealed  ──> admit ──> datagram_open ┴─> intake ──> turn ──> parcel ──> egress
//	kernel's sockets ──────────^
//	acknowledgements, the kernel's frames ──> port

/** What all workers share. Set before they start; epoch and phase change. */
struct shift {
	const struct settings *settings;
	const struct port *port;
	struct exception *exception;
	struct kernel_rows *kernel_rows; // worker 0 takes from it; NULL = none
	struct datagram_server *server;
	struct rte_rcu_qsbr *qsbr;
	struct counters *counters;
	_Atomic(struct epoch *) epoch;                       // NULL = no policy yet
	_Atomic uint32_t phase;                              // enum shift_phase
	_Atomic(struct probe *) probe[SETTINGS_WORKERS_MAX]; // NULL = none
	_Atomic uint32_t drained; // workers that have handed over everything
};

enum shift_phase {
	SHIFT_WORK,
	SHIFT_DRAIN, // take what has come, nothing after it; hand over; go on answering
	SHIFT_END
};

struct worker;

/** Make and start one. @param bench owned by the caller */
enum sl_status worker_start(
	struct shift *shift,
	uint32_t index,
	const struct bench *bench,
	struct rte_ring *to_egress,
	struct rte_ring *from_egress,
	struct worker **ret_worker,
	struct problem *ret_problem
);

/** Wait for its end (SHIFT_END) and release; NULL is fine. */
void worker_free(struct worker *worker);
