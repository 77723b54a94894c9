#pragma once

#include "control/api/counters.h"
#include "control/api/key_ring.h"
#include "control/api/settings.h"
#include "dataplane/runtime/epoch.h"
#include "dataplane/runtime/port.h"

// The dataplane without its link to control: port, workers, egress, and the change of policy. One a process.

struct probe;
struct runtime;

/**
 * Start everything; until the first policy every frame is the kernel's.
 *
 * @param settings copied
 * @param ring     borrowed: the key journal
 */
enum sl_status runtime_start(
	const struct settings *settings,
	struct key_ring *ring,
	struct runtime **ret_runtime,
	struct problem *ret_problem
);

/**
 * Work by an image from now on. Returns when every worker does; what was sealed by the one before goes its way.
 *
 * @param source     release is told when it is no longer used; not on failure
 * @param arrived_ns monotonic, when the change was known: for counters.policy_change_ns
 * Outcomes  SL_OK; else *ret_problem says why it is refused, and everything is as before
 */
enum sl_status runtime_apply(
	struct runtime *runtime,
	const struct epoch_source *source,
	uint64_t arrived_ns,
	struct problem *ret_problem
);

/** What a change of policy took, from its arrival. */
struct runtime_change {
	uint64_t ready_ns; // until everything was made and the pointer could be published
	uint64_t used_ns;  // until every worker had begun a round with it
};

/** Of the last policy that came in force. */
struct runtime_change runtime_last_change(const struct runtime *runtime);

/** Let go of what is no longer used. Call it now and then, from where runtime_apply is called. */
void runtime_tidy(struct runtime *runtime);

/**
 * Take nothing more in, bring everything to its sinks, write the last checkpoint, end.
 *
 * @param timeout_ms for keys to become durable and sinks to take what waits
 * @return rows that could not be delivered
 */
uint64_t runtime_stop(struct runtime *runtime, uint32_t timeout_ms);

const struct counters *runtime_counters(const struct runtime *runtime);

/** memfd of the counters. */
int runtime_counters_fd(const struct runtime *runtime);

/** Have a worker's rounds written down from now on; NULL: no more. The probe stays until a round after that. */
void runtime_probe(struct runtime *runtime, uint32_t worker, struct probe *probe);

const struct port *runtime_port(const struct runtime *runtime);
