#pragma once

#include "crypto/uuid.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>

// A client's identity, in the file that `sealane create client` writes and the client sends with. docs/formats/datagram.md.
//
//	client pump-7
//	id 0192f0c1-7d2a-7c11-9b1e-2f5a6c7d8e9f
//	key 3q2+7w…= (base64 of 32 bytes)

enum {
	CLIENT_NAME_MAX = 100, // bytes
	CLIENT_KEY_SIZE = 32   // bytes: AES-256
};

/** Secret: wipe it. */
struct client_key {
	char name[CLIENT_NAME_MAX + 1];
	uint8_t id[UUID_SIZE];
	uint8_t key[CLIENT_KEY_SIZE];
};

/**
 * Outcomes  SL_OK; SL_E_SYNTAX: not such a file; SL_E_DENIED: also when others may read it; SL_E_NOT_FOUND; SL_E_IO
 */
enum sl_status client_key_read(
	const char *path,
	struct client_key *ret_key,
	struct problem *ret_problem
);

/** Write a new file, mode 0600. Outcomes  SL_OK; SL_E_EXISTS; SL_E_DENIED; SL_E_NO_SPACE; SL_E_IO */
enum sl_status client_key_write(
	const char *path,
	const struct client_key *key,
	struct problem *ret_problem
);

/** 1..CLIENT_NAME_MAX bytes of printable ASCII without spaces. */
bool client_name_is_fine(const char *name);
