#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdint.h>

/** MTU of a network interface of the kernel. Outcomes  SL_OK; SL_E_NOT_FOUND (no such interface) */
enum sl_status interface_mtu(const char *name, uint32_t *ret_mtu, struct problem *ret_problem);

/** Hardware address of a network interface of the kernel. */
enum sl_status interface_mac(
	const char *name,
	uint8_t ret_mac[static 6],
	struct problem *ret_problem
);

/** Set MTU of an interface that we made. */
enum sl_status interface_set_mtu(const char *name, uint32_t mtu, struct problem *ret_problem);

/** Set hardware address of an interface that we made. */
enum sl_status interface_set_mac(
	const char *name,
	const uint8_t mac[static 6],
	struct problem *ret_problem
);

/** Switch an interface on that we made. */
enum sl_status interface_set_up(const char *name, struct problem *ret_problem);

/**
 * Open a queue of a TAP interface, which is made when it is not there. It stays until it is deleted, with the addresses
 * that it is given.
 *
 * @param ret_fd out: frames are read and written, without waiting
 *
 * Outcomes  SL_OK; SL_E_DENIED, SL_E_NOT_FOUND (no /dev/net/tun), SL_E_EXISTS (another kind of interface has the name)
 */
enum sl_status interface_open_tap(const char *name, int *ret_fd, struct problem *ret_problem);

// For af_xdp.

/** Receive queues: those that sockets can be bound to, and all. Drivers that tell nothing have one. */
enum sl_status interface_queues(
	const char *name,
	uint32_t *ret_usable,
	uint32_t *ret_all,
	struct problem *ret_problem
);

/** Say that the interface is ours as long as we live. Outcomes  SL_OK; SL_E_BUSY (another dataplane's); SL_E_IO */
enum sl_status interface_claim(const char *name, struct problem *ret_problem);

/** Take an XDP program away from the interface; none there is fine. */
enum sl_status interface_drop_xdp(const char *name, struct problem *ret_problem);

/** Path of libxdp's program that gives all frames of a queue to the socket bound to it; NULL = not found. Static. */
const char *interface_xdp_program(void);
