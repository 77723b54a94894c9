#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>

// DPDK's environment from Sealane's own settings: nobody has to know its flags.

/**
 * Start it; once a process: later calls change nothing. Says the memory it takes in one line. Threads of the
 * caller keep the cores they may run on.
 *
 * Outcomes  SL_OK; SL_E_NOMEM, SL_E_UNSUPPORTED with *ret_problem
 */
enum sl_status eal_start(const struct settings *settings, struct problem *ret_problem);

/** Whether memory is in huge pages. */
bool eal_has_huge_pages(void);
