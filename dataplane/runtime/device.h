#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdint.h>

// The devices of DPDK's drivers that the settings ask for, each by the arguments that its driver wants.

enum {
	DEVICE_SLOT_AF_PACKET =
		16384 // bytes of a frame from af_packet, some 70 of the kernel's own among them
};

/**
 * Make the port's device. What a driver would only put in words of its own is looked at before: interface, capture file.
 *
 * @param ret_name out: DPDK's name of it; static
 *
 * Outcomes  SL_OK; SL_E_INVALID, SL_E_NOT_FOUND, SL_E_BUSY, SL_E_UNSUPPORTED with *ret_problem
 */
enum sl_status device_make_port(
	const struct settings *settings,
	const char **ret_name,
	struct problem *ret_problem
);

/**
 * Make a device by which the kernel's vhost threads serve the TAP interface settings->host_interface, where there is
 * /dev/vhost-net and memory is in huge pages: they read it.
 *
 * @return DPDK's name of it, static; NULL = there is none
 */
const char *device_make_vhost(const struct settings *settings, const uint8_t mac[static 6]);

/** Remove what is left of a device that has been closed. */
void device_remove(const char *name);
