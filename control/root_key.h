#pragma once

#include "crypto/engine.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdint.h>

enum {
	ROOT_KEY_SIZE = 32 // bytes
};

/**
 * Read a root key file. It must be a regular file of 32 bytes that only its owner can read.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND; SL_E_DENIED (others can read it, or we can not); SL_E_CORRUPT (size); SL_E_IO
 */
enum sl_status root_key_read(
	const char *file,
	uint8_t ret_key[static ROOT_KEY_SIZE],
	struct problem *ret_problem
);

/** Make one, durable before it is in use; never replaces a file. Outcomes  SL_OK; SL_E_EXISTS; SL_E_NO_SPACE; SL_E_IO */
enum sl_status root_key_make(
	const char *file,
	struct engine *engine,
	uint8_t ret_key[static ROOT_KEY_SIZE],
	struct problem *ret_problem
);
