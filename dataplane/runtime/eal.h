#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>

// DPDK's environment from Sealane's own settings: nobody has to know its flags.

enum {
	EAL_AF_PACKET_SLOT =
		16384 // bytes of a frame from af_packet, some 70 of the kernel's own among them
};

/**
 * Start it with the devices that the settings name; once a process: later calls change nothing. Says the memory it takes in one line. Threads of the
 * caller keep the cores they may run on.
 *
 * Outcomes  SL_OK; SL_E_INVALID, SL_E_UNSUPPORTED with *ret_problem
 */
enum sl_status eal_start(const struct settings *settings, struct problem *ret_problem);

/** Whether memory is in huge pages. */
bool eal_has_huge_pages(void);

/** Device name of the exception path's port; NULL = there is none. */
const char *eal_exception_device(void);

/** Device name of the port; NULL for ports that are not EAL's to make. */
const char *eal_port_device(void);
