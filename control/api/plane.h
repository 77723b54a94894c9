#pragma once

#include "control/api/key_table.h"
#include "crypto/siphash.h"
#include "io/base/limits.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

// The plane image: everything that a dataplane works by, compiled by control from a directory of definitions. One flat
// piece of memory in a memfd, secret, never changed: a change is a new image with a higher epoch. Offsets are bytes from
// its start.

enum {
	PLANE_MAGIC = 0x4e4c5053, // "SPLN" in memory
	PLANE_VERSION = 1,
	PLANE_STREAMS_MAX = 64,
	PLANE_CLIENTS_MAX = 65536,
	PLANE_NETS_MAX = 64,        // of one stream
	PLANE_NAME_MAX = 100,       // bytes of a stream's or client's name
	PLANE_PATH_MAX = 1000,      // bytes of a directory
	PLANE_IMAGE_MAX = 256 << 20 // bytes
};

struct plane_span {
	uint32_t offset;
	uint32_t size; // bytes; 0 = absent
};

struct plane_table {
	uint32_t offset;
	uint32_t count;
};

enum plane_mode {
	PLANE_PLAIN, // one event or NDJSON lines a datagram
	PLANE_SEALED // the datagram protocol (docs/formats/datagram.md)
};

enum plane_sink_kind {
	PLANE_SINK_NULL,
	PLANE_SINK_FILES
};

enum plane_sink_flag {
	PLANE_SINK_ZSTD = 1 << 0,
	PLANE_SINK_NO_SYNC = 1 << 1
};

struct plane_sink {
	struct plane_span directory; // FILES
	struct plane_span prefix;    // FILES
	struct plane_span spool;     // directory; absent = no spool
	uint64_t roll_bytes;
	uint64_t roll_ms;
	uint64_t spool_bytes_max;
	uint32_t kind;  // enum plane_sink_kind
	uint32_t flags; // enum plane_sink_flag
};

struct plane_net {
	uint8_t address[16]; // IPv4 as ::ffff:a.b.c.d
	uint32_t prefix;     // 0..128
	uint32_t reserved;
};

struct plane_stream {
	uint8_t id
		[16]; // stays the same through changes of the definition (first half of a hash of its name)
	struct plane_span name;
	struct plane_span policy; // a policy image (policy.h), 64-byte aligned
	uint64_t scope;           // the vault's number of (stream, contract)
	uint64_t table_keys;      // entries of its key table
	uint32_t table_fd;        // which of the message's key-table fds is its own
	uint16_t port;            // UDP
	uint16_t mode;            // enum plane_mode
	int64_t window_ms;        // of a data key; 0 = for ever
	uint64_t events_per_s;    // rate limit; 0 = none
	struct plane_table nets;  // plane_net: sources that may send; empty = everybody
	struct plane_table
		sinks; // plane_sink: sealed, dead letters, then one a view in order of the policy's views
	uint8_t dead_link[KEY_LINK_SIZE]; // of the dead-letter key of dead_day
	uint8_t dead_key[KEY_SIZE];
	int64_t dead_day; // days since 1970; control sends a new image for a new day
};

enum {
	PLANE_CLIENT_ID_SIZE = 16
};

/** A driver that may send sealed datagrams. Ascending by id. */
struct plane_client {
	uint8_t id[PLANE_CLIENT_ID_SIZE];
	uint8_t key[KEY_SIZE];
	struct plane_span name;
	uint64_t streams; // bit n = may send to row n of streams
};

struct plane_image {
	uint32_t magic;
	uint32_t version;
	uint32_t size; // bytes of the whole image
	uint32_t reserved;
	uint64_t checksum;                  // XXH3-64 of the image with this member 0
	uint64_t epoch;                     // from 1, ascending
	uint8_t hash_key[SIPHASH_KEY_SIZE]; // of key values and subjects
	struct plane_table streams;         // plane_stream, ports distinct
	struct plane_table clients;         // plane_client
};

static_assert(sizeof(struct plane_sink) == 56, "layout");
static_assert(sizeof(struct plane_net) == 24, "layout");
static_assert(sizeof(struct plane_stream) == 144, "layout");
static_assert(sizeof(struct plane_client) == 64, "layout");
static_assert(sizeof(struct plane_image) == 64, "layout");

/** Check an image as a stranger's, the policy images in it included. SL_OK; SL_E_CORRUPT with the first fault. */
enum sl_status plane_image_check(const void *bytes, size_t size, struct problem *ret_problem);

uint64_t plane_image_checksum(const void *bytes, size_t size);

static inline const void *plane_rows(const struct plane_image *image, struct plane_table table)
{
	return (const uint8_t *)image + table.offset;
}

static inline struct view plane_view_of(const struct plane_image *image, struct plane_span span)
{
	return view_of((const uint8_t *)image + span.offset, span.size);
}

static inline const struct plane_stream *plane_streams(const struct plane_image *image)
{
	return plane_rows(image, image->streams);
}

static inline const struct plane_client *plane_clients(const struct plane_image *image)
{
	return plane_rows(image, image->clients);
}
