#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

// The other end of a memif in a self-test: a process that takes frames and does nothing but count them.

/** What the process tells. */
struct received {
	_Atomic uint64_t frames;
	atomic_bool is_ready; // its port is open
};

struct receiver {
	struct received *received; // shared with the process
	pid_t pid;
	char directory[64]; // of the socket, made for it
	char path[80];      // of the socket
};

/** Start it and wait for it. Must come before EAL is started in this process. Outcomes  SL_OK; SL_E_IO, SL_E_NOMEM */
enum sl_status receiver_start(
	struct receiver *receiver,
	uint32_t queues,
	uint32_t memory_mib,
	struct problem *ret_problem
);

/** Both ends are connected: the socket's path is not needed any more, and can not be left behind. */
void receiver_connected(struct receiver *receiver);

void receiver_stop(struct receiver *receiver);
