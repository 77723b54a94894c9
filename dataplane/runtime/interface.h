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
