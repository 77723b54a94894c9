#pragma once

#include "control/api/settings.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <assert.h>
#include <stdint.h>

// What control and a dataplane say to each other: messages over a unix socket (SOCK_SEQPACKET), memory by file descriptors.
//
//	dataplane                                   control
//	HELLO   pid, epoch, [journal, counters] ──>          journal: of a dataplane that outlived its control
//	        <── WELCOME  settings, [journal]             control's, when the dataplane brought none
//	        <── APPLY    epoch, [image, tables…]         at once after WELCOME, and at every change
//	COUNTERS        [counters] ──>
//	APPLIED epoch, status, text ──>                      every worker works by it, or it was refused
//	        <── STOP     drain and end
//	STOPPED         ──>
//
// Both sides check everything; a message that breaks the form ends the connection. A connection that ends means that the
// other process is gone: a dataplane goes on with what it has and connects again every 200 ms, with its journal, its key tables
// (in order of the image's table_fd) and its image in the HELLO, so that a new control goes on with them.

enum {
	LINK_VERSION = 1,
	LINK_FDS_MAX = 72,   // of one message
	LINK_TEXT_MAX = 1300 // bytes
};

enum link_kind {
	LINK_HELLO = 1,
	LINK_WELCOME,
	LINK_APPLY,
	LINK_APPLIED,
	LINK_COUNTERS,
	LINK_STOP,
	LINK_STOPPED,
	LINK_KIND_COUNT
};

struct link_message {
	uint32_t version; // LINK_VERSION
	uint32_t kind;    // enum link_kind
	uint64_t epoch;   // HELLO: of the image at work, 0 = none; APPLY; APPLIED
	uint32_t pid;     // HELLO
	uint32_t status;  // APPLIED, STOPPED: enum sl_status
	uint32_t fd_count;
	uint32_t has_image; // HELLO: fds are journal, image, tables…; else none or the journal
	uint32_t stream;    // APPLIED: row of the stream that is refused, from 1; 0 = none of them
	char text
		[LINK_TEXT_MAX]; // APPLIED, STOPPED: what is wrong, and behind a line's end what to do; NUL-terminated
	struct settings settings; // WELCOME
};

/** Send a message and descriptors, which stay the caller's. Outcomes  SL_OK; SL_E_IO (the other side is gone) */
enum sl_status link_send(
	int socket,
	const struct link_message *message,
	const int fds[],
	uint32_t fd_count
);

/**
 * Receive one. Checks version, kind, size, count and that text ends.
 *
 * @param ret_fds [LINK_FDS_MAX] the caller's to close; -1 behind the last
 * Outcomes  SL_OK; SL_E_NOT_FOUND (nothing there, of a non-blocking socket); SL_E_IO (the other side is gone);
 *           SL_E_CORRUPT (all descriptors that came are closed)
 */
enum sl_status link_receive(
	int socket,
	struct link_message *ret_message,
	int ret_fds[static LINK_FDS_MAX]
);
