#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
	SEND_HOST_MAX = 256, // bytes, final NUL included
	SEND_TIMEOUT_S = 30, // when nothing is said
	SEND_TIMEOUT_S_MAX = 86400
};

/** What `sealane send` was told. */
struct send_arguments {
	const char *file; // - is standard input
	char host[SEND_HOST_MAX];
	const char *port;
	const char *key_file;
	const char *stream; // NULL: whatever is behind the port
	uint32_t datagram_bytes_max;
	uint32_t timeout_ms; // without an acknowledgement
	bool is_quiet;
};

/** Read the command line; false: a usage error was printed. */
bool send_arguments_read(int argc, char **argv, struct send_arguments *ret_arguments);
