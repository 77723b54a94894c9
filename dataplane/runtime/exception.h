#pragma once

#include "dataplane/runtime/port.h"
#include "dataplane/runtime/tap.h"

struct rte_mbuf;

// The exception path: frames that are no events for us are the kernel's, and its frames go out by the port. One
// interface of the kernel, named by settings.host_interface, with the port's MAC.

struct exception {
	struct tap tap;             // by which it is served, or
	const char *device;         // DPDK's name of a device that serves it; NULL = none does
	uint16_t id;                // of that
	uint32_t mtu;               // of the interface: longer frames are cut into fragments
	struct rte_mempool *frames; // the port's
	bool is_open;
};

/** Make the interface. Without a name in the settings there is no exception path, and that is fine. */
enum sl_status exception_open(
	const struct settings *settings,
	const struct port *port,
	struct exception *ret_exception,
	struct problem *ret_problem
);
void exception_close(struct exception *exception);

/** Hand frames to the kernel; what it does not take now is dropped. Frames are handed over. @return frames taken */
uint32_t exception_put(
	const struct exception *exception,
	uint16_t queue,
	struct rte_mbuf *frames[],
	uint32_t count
);

/** The kernel's frames out by the port. @return frames sent */
uint32_t exception_forward(
	struct exception *exception,
	const struct port *port,
	uint16_t queue,
	uint64_t now_ns
);
