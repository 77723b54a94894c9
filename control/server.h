#pragma once

#include "control/config.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdint.h>

// The control process: one thread that waits for its sockets, and key_feed's, which commits keys.
//
//	RUN/dataplane.sock  SOCK_SEQPACKET, control/api/link.h: one dataplane
//	RUN/control.sock    SOCK_STREAM: one JSON request a line, one JSON answer a line (docs/formats/control.md)
//
// What it works by is a *plane*: a directory of definitions, compiled, with a key table for each stream. A new plane is
// compiled beside the old one and takes its place when the dataplane has said that every core works by it.

/** Names of the drop reasons that a dataplane counts: what the server itself does not know. Reason 0 is none. */
struct server_names {
	const char *const *event_drops; // [event_drop_count]
	uint32_t event_drop_count;
	const char *const *frame_drops; // [frame_drop_count]
	uint32_t frame_drop_count;
};

/**
 * Serve until SIGTERM, SIGINT or a request ends it. SIGHUP applies the definitions again.
 *
 * Outcomes  SL_OK; else what kept it from starting
 */
enum sl_status server_run(
	const struct config *config,
	const struct server_names *names,
	struct problem *ret_problem
);
