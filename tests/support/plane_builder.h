#pragma once

#include "control/api/plane.h"

/** A stream of a plane image for tests of clients: id and name only. */
struct build_stream {
	const char *name; // NULL ends the list; the id is its first 16 bytes, zeros behind
	uint16_t port;
};

/** A client; its id and key are its name's first bytes, zeros behind, xor salt. */
struct build_client {
	const char *name; // NULL ends the list
	uint64_t streams;
	uint8_t salt; // of the key
};

/** An image with streams that have no policy, and clients in the order of their names. Freed by the caller; aborts without memory. */
struct plane_image *build_plane(
	const struct build_stream *streams,
	const struct build_client *clients
);

void build_stream_id(const char *name, uint8_t ret_id[static 16]);
void build_client_id(const char *name, uint8_t ret_id[static PLANE_CLIENT_ID_SIZE]);
void build_client_key(const char *name, uint8_t salt, uint8_t ret_key[static KEY_SIZE]);
