#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mempool;
struct rte_ring;

// The port that events come in by: one receive and one send queue a worker.

enum {
	PORT_BURST = 64,      // frames of a receive call
	PORT_MTU = 1500,      // of ports that say nothing else
	PORT_RING_SIZE = 4096 // frames of a ring port's ring
};

struct port {
	uint16_t id;
	uint16_t queue_count;
	const char *device; // DPDK's name of one that we made; NULL = not ours to remove
	uint32_t mtu;
	uint8_t mac[6];
	bool has_checksums;         // the device verifies them; each frame says with what result
	struct rte_mempool *frames; // for what is received and sent
	// Ring ports: what a bench or test puts frames into (which it allocates from `frames`) and takes them from.
	struct rte_ring *in[SETTINGS_WORKERS_MAX];
	struct rte_ring *out[SETTINGS_WORKERS_MAX];
};

/** Open and start. eal_start has run. Outcomes  SL_OK; SL_E_NOMEM, SL_E_UNSUPPORTED with *ret_problem */
enum sl_status port_open(
	const struct settings *settings,
	struct port *ret_port,
	struct problem *ret_problem
);
void port_close(struct port *port);

/**
 * Open and start a device by its queues: what port_open and the exception path share.
 *
 * @param ret_has_checksums out: it does; NULL = not asked
 */
enum sl_status port_start_device(
	uint16_t id,
	const struct settings *settings,
	struct rte_mempool *frames,
	bool *ret_has_checksums,
	struct problem *ret_problem
);
