#pragma once

#include "dataplane/runtime/egress.h"
#include "dataplane/runtime/runtime.h"
#include "dataplane/runtime/worker.h"

// Inside of the runtime: runtime.c is its start and end, runtime_apply.c the change of policy.

/** A pool of parcels; it stays through changes of policy while it fits its stream. */
struct pool_entry {
	struct parcel_pool *pool;
	uint8_t stream_id[16];
	bool is_used; // by the epoch in force
	struct pool_entry *next;
};

struct runtime {
	struct settings settings;
	struct key_ring *ring;
	struct counters *counters; // mapped, [counters_size]
	int counters_fd;
	struct port port;
	struct exception exception;
	struct kernel_rows *kernel_rows;
	struct datagram_server *server;
	struct key_maker *maker;
	struct rte_rcu_qsbr *qsbr;
	struct rte_ring *to_egress[SETTINGS_WORKERS_MAX];
	struct rte_ring *from_egress[SETTINGS_WORKERS_MAX];
	struct egress *egress;
	struct bench bench[SETTINGS_WORKERS_MAX];
	struct worker *worker[SETTINGS_WORKERS_MAX];
	struct shift shift;
	struct epoch *epoch; // in force; NULL = none yet
	struct runtime_change change;
	struct pool_entry *pools; // list
};

/** Release the epoch in force and all pools; no worker runs. */
void runtime_drop_epoch(struct runtime *r);
