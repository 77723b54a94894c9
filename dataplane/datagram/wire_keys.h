#pragma once

#include "crypto/engine.h"
#include "dataplane/datagram/wire.h"

#include <stdbool.h>

// Keys and MACs of the protocol: NIST SP 800-108 counter mode with AES-256-CMAC under the client's key.

struct wire_names {
	uint8_t client_id[WIRE_ID_SIZE];
	uint8_t client_nonce[WIRE_NONCE_SIZE];
	uint8_t server_nonce[WIRE_NONCE_SIZE];
};

/** Of one session. Secret. */
struct wire_session_keys {
	uint8_t data[WIRE_KEY_SIZE];    // GCM of DATA
	uint8_t control[WIRE_KEY_SIZE]; // MAC of PING, RESET, ACK
};

/** The key of HELLO's and WELCOME's MACs. */
void wire_hello_key(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const uint8_t client_id[static WIRE_ID_SIZE],
	uint8_t ret_key[static WIRE_KEY_SIZE]
);

void wire_session_keys(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const struct wire_names *names,
	struct wire_session_keys *ret_keys
);

/** Only the control key: all that a PING needs. */
void wire_control_key(
	struct engine *engine,
	const uint8_t client_key[static WIRE_KEY_SIZE],
	const struct wire_names *names,
	uint8_t ret_key[static WIRE_KEY_SIZE]
);

/** Write the MAC of a datagram, which fills its last WIRE_MAC_SIZE bytes. */
void wire_mac_put(
	struct engine *engine,
	const uint8_t key[static WIRE_KEY_SIZE],
	void *datagram,
	size_t size
);
bool wire_mac_fits(
	struct engine *engine,
	const uint8_t key[static WIRE_KEY_SIZE],
	const void *datagram,
	size_t size
);
