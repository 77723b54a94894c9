#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

enum {
	ENDPOINT_HOST_MAX = 256,
	ENDPOINT_PORT_MAX = 32
};

/** HOST:PORT, an IPv6 address in brackets. */
struct endpoint {
	char host[ENDPOINT_HOST_MAX];
	char port[ENDPOINT_PORT_MAX];
};

/** Outcomes  SL_OK; SL_E_INVALID */
enum sl_status endpoint_read(
	const char *text,
	struct endpoint *ret_endpoint,
	struct problem *ret_problem
);
