#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

/**
 * Is this a capture file that can be played: pcap or pcapng, of Ethernet frames?
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND, SL_E_DENIED, SL_E_IO; SL_E_CORRUPT (none of that) with *ret_problem
 */
enum sl_status capture_check(const char *path, struct problem *ret_problem);
