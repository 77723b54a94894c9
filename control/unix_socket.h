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

/**
 * Take the next connection, non-blocking. When no descriptor is left it is taken with the spare one and closed: nobody
 * waits at a listener that is ready for ever.
 *
 * @param spare a descriptor of nothing; -1 = none. Had again when one is free
 * @return -1 with errno: EAGAIN, EMFILE, ENFILE...
 */
int unix_socket_accept(int listener, int *spare);

/** A descriptor for unix_socket_accept; -1 when none is to be had. */
int unix_socket_spare(void);

/** Is the peer root, this process's own user, or other (when not (uid_t)-1)? */
bool unix_socket_may_speak(int fd, uid_t other, uid_t *ret_uid);
