#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

// A TAP interface of the kernel: one queue a worker. By system calls, a frame each: what goes here is not the load that
// the appliance is there for.

struct tap {
	uint32_t count;
	int fd[SETTINGS_WORKERS_MAX];                  // of each queue
	struct rte_mbuf *spare[SETTINGS_WORKERS_MAX];  // for the next frame; each queue's worker
	uint64_t quiet_until_ns[SETTINGS_WORKERS_MAX]; // nothing was there: not before then again
};

/** Make the interface, or attach to it. Outcomes  as interface_open_tap */
enum sl_status tap_open(
	const char *name,
	uint32_t queues,
	struct tap *ret_tap,
	struct problem *ret_problem
);
void tap_close(struct tap *tap);

/** Write a frame; it stays the caller's. @return taken */
bool tap_put(const struct tap *tap, uint16_t queue, const struct rte_mbuf *frame);

/** Read what is there. @return frames, the caller's */
uint32_t tap_take(
	struct tap *tap,
	uint16_t queue,
	struct rte_mempool *frames,
	uint64_t now_ns,
	struct rte_mbuf *ret_frames[],
	uint32_t max
);
