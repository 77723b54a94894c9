#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdint.h>

struct rte_mempool;

// A DPDK port of the load generator: EAL with as little of the machine as it takes, one virtual device.

enum {
	PORT_QUEUES_MAX = 16,
	PORT_DESCRIPTORS = 1024, // of each ring
	PORT_FRAME = 2048,       // bytes of a frame that comes in at most
	PORT_TEXT_MAX = 512
};

struct port_setup {
	char device[PORT_TEXT_MAX]; // EAL's --vdev
	uint32_t queues;
	uint32_t memory_mib;
	int core; // EAL's, -1 = any
};

struct port {
	struct rte_mempool *pool; // of what comes in
	uint16_t id;
	uint16_t queues;
};

/** Once a process. Outcomes  SL_OK; SL_E_UNSUPPORTED, SL_E_NOMEM */
enum sl_status port_open(
	const struct port_setup *setup,
	struct port *ret_port,
	struct problem *ret_problem
);
void port_close(struct port *port);

/** Frames of one size, lying close together. NULL = no memory */
struct rte_mempool *port_pool(const char *name, uint32_t frames, uint32_t frame_size);

bool port_is_up(const struct port *port);

/** Wait for the other side, calling again every second: a memif that is not started yet refuses for good. */
bool port_wait(const struct port *port, uint32_t timeout_s);

/** Take what came and forget it. @return frames */
uint32_t port_drain(const struct port *port);

/** Say that frames have no room. @return SL_E_NOMEM */
enum sl_status port_no_memory(struct problem *ret_problem);
