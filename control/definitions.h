#pragma once

#include "control/client.h"
#include "control/contract.h"
#include "control/purposes.h"
#include "control/stream.h"

// A directory of definitions: what an appliance works by.
//
//	DIR/purposes.yaml     what personal data is used for
//	DIR/contracts/*.yaml  data contracts
//	DIR/streams/*.yaml    streams, one a file
//	DIR/clients.yaml      senders of sealed datagrams; may be absent

enum {
	DEFINITIONS_CONTRACTS_MAX = 1024
};

struct contract_file {
	char *path;
	struct contract *contract;
};

struct definitions {
	char *directory;
	struct purposes *purposes;       // NULL = none
	struct contract_file *contracts; // [contract_count]
	uint32_t contract_count;
	struct stream *streams;                // [stream_count], ascending by file
	uint32_t stream_count;                 // 1..PLANE_STREAMS_MAX
	uint32_t of_stream[PLANE_STREAMS_MAX]; // row of contracts
	struct clients clients;
};

/**
 * Read a directory. All problems are found in one go. One that changes meanwhile is refused.
 *
 * @param data_directory where relative names of files and spools start; absolute
 * Outcomes  SL_OK: *ret is the caller's until definitions_free; else problems were added
 */
enum sl_status definitions_load(
	const char *directory,
	const char *data_directory,
	struct problems *problems,
	struct definitions **ret_definitions
);
void definitions_free(struct definitions *definitions);
