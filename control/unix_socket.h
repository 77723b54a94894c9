#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <sys/types.h>

// Unix sockets of a run directory: who listens, and who may speak.

/**
 * Listen. A socket that a dead process left is removed; a living one is SL_E_BUSY.
 *
 * @param type SOCK_STREAM or SOCK_SEQPACKET; non-blocking
 * @param mode of the socket's file
 */
enum sl_status unix_socket_listen(
	const char *path,
	int type,
	mode_t mode,
	int *ret_fd,
	struct problem *ret_problem
);

/** Outcomes  SL_OK; SL_E_NOT_FOUND (nobody listens); SL_E_DENIED; SL_E_IO */
enum sl_status unix_socket_connect(
	const char *path,
	int type,
	int *ret_fd,
	struct problem *ret_problem
);

/** Is the peer root, this process's own user, or other (when not (uid_t)-1)? */
bool unix_socket_may_speak(int fd, uid_t other, uid_t *ret_uid);
