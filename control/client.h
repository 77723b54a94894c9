#pragma once

#include "control/api/plane.h"
#include "control/stream.h"

// Clients: senders of sealed datagrams. clients.yaml says who they are and what they may send to; the key of each lies in a
// file of its own (crypto/client_key.h), which the client has a copy of.

/** Secret. */
struct client {
	char name[PLANE_NAME_MAX + 1];
	uint8_t id[PLANE_CLIENT_ID_SIZE];
	uint8_t key[KEY_SIZE];
	uint64_t streams; // bit n = may send to row n of the streams
	const struct yaml_node *node;
};

/** The clients of a directory. Secret. */
struct clients {
	struct client *items; // [count] in order of the file
	uint32_t *order;      // [count] rows of items, ascending by id
	uint32_t count;
	size_t size; // bytes of items
	struct yaml *document;
};

/**
 * Read clients.yaml and the key files that it names.
 *
 * @param path      the file; that it is not there is no problem
 * @param directory where relative names of key files start
 * @param streams   [stream_count] those that clients may name
 */
enum sl_status clients_load(
	const char *path,
	const char *directory,
	const struct stream streams[],
	uint32_t stream_count,
	struct problems *problems,
	struct clients *ret_clients
);
void clients_done(struct clients *clients);
