#pragma once

#include <assert.h>
#include <stdint.h>
#include <string.h>

// Sealed datagrams on the wire, version 1: every length, limit and layout. docs/formats/datagram.md is the specification.
// Integers are big endian. All but DATA is authenticated and in clear: it holds counters and random numbers only.

enum {
	WIRE_VERSION = 1,
	WIRE_ID_SIZE = 16,        // bytes of a client id
	WIRE_NONCE_SIZE = 16,     // bytes
	WIRE_KEY_SIZE = 32,       // bytes: AES-256
	WIRE_MAC_SIZE = 16,       // bytes: AES-CMAC, at the end of all but DATA
	WIRE_TAG_SIZE = 16,       // bytes: GCM, at the end of DATA
	WIRE_IV_SIZE = 12,        // bytes
	WIRE_STREAM_MAX = 100,    // bytes of a stream's name
	WIRE_DATAGRAM_MAX = 9000, // bytes of a UDP payload
	WIRE_ANSWER_MAX = 128,    // bytes of what the server sends
	WIRE_WINDOW = 4096, // a sequence is less than `next` of the last acknowledgement and this
	WIRE_ACK_BITMAP_MAX = 64,   // bytes
	WIRE_WELCOME_MS_MAX = 30000 // for how long a WELCOME may be answered
};

// A session ends before this sequence: GCM's bounds hold with room (2^36 datagrams are less than 2^46 blocks).
#define WIRE_SEQUENCE_END (UINT64_C(1) << 36)

#define WIRE_SESSION_NONE UINT32_MAX // session of a PING that opens one

enum wire_kind {
	WIRE_HELLO = 1, // client: who I am
	WIRE_WELCOME,   // server: my nonce
	WIRE_PING,      // client: open this session, or tell me how it stands
	WIRE_RESET,     // server: there is no such session
	WIRE_DATA,      // client: events
	WIRE_ACK        // server: what is stored, and how many more you may send
};

enum wire_welcome_status {
	WIRE_WELCOME_OK,
	WIRE_WELCOME_REFUSED, // this client may not send to the stream behind the port
	WIRE_WELCOME_STREAM   // behind the port is another stream than the one named
};

enum wire_reset_reason {
	WIRE_RESET_UNKNOWN, // no such session (any more)
	WIRE_RESET_FULL     // no room for another session now
};

enum {
	WIRE_PING_OPENS = 1 << 0 // flag
};

struct wire_head {
	uint8_t magic[2]; // "SL"
	uint8_t version;
	uint8_t kind;
};

struct wire_hello {
	struct wire_head head;
	uint8_t client_id[WIRE_ID_SIZE];
	uint8_t client_nonce[WIRE_NONCE_SIZE];
	uint8_t stream_size[4]; // bytes of stream; 0 = whatever is behind the port
	uint8_t stream[WIRE_STREAM_MAX];
	uint8_t mac[WIRE_MAC_SIZE]; // hello key
};

struct wire_welcome {
	struct wire_head head;
	uint8_t status[4]; // enum wire_welcome_status
	uint8_t client_nonce[WIRE_NONCE_SIZE];
	uint8_t server_nonce[WIRE_NONCE_SIZE]; // zeros unless OK
	uint8_t reserved[8];
	uint8_t mac[WIRE_MAC_SIZE]; // hello key
};

struct wire_ping {
	struct wire_head head;
	uint8_t session[4]; // WIRE_SESSION_NONE with OPENS
	uint8_t generation[4];
	uint8_t flags[4];
	uint8_t client_id[WIRE_ID_SIZE];
	uint8_t client_nonce[WIRE_NONCE_SIZE];
	uint8_t server_nonce[WIRE_NONCE_SIZE];
	uint8_t number[8];          // from 1, ascending in a session
	uint8_t padding[40];        // so that no answer is longer
	uint8_t mac[WIRE_MAC_SIZE]; // control key
};

struct wire_reset {
	struct wire_head head;
	uint8_t reason[4]; // enum wire_reset_reason
	uint8_t client_nonce[WIRE_NONCE_SIZE];
	uint8_t server_nonce[WIRE_NONCE_SIZE];
	uint8_t number[8];          // of the PING
	uint8_t mac[WIRE_MAC_SIZE]; // control key
};

/** The associated data of what follows it: sealed events and tag. */
struct wire_data {
	struct wire_head head;
	uint8_t session[4];
	uint8_t generation[4];
	uint8_t sequence[8]; // from 0
};

/** Followed by 0..WIRE_ACK_BITMAP_MAX bytes of bitmap, in steps of 8, and the MAC (control key). */
struct wire_ack {
	struct wire_head head;
	uint8_t session[4];
	uint8_t generation[4];
	uint8_t credit[4]; // datagrams that may be on their way and unacknowledged
	uint8_t stamp[8];  // ascending in a session, through restarts
	uint8_t number[8]; // of the PING that it answers; 0 = none
	uint8_t next[8];   // all sequences below are stored
	uint8_t first[8];  // bit i (from the lowest) of byte j = sequence first + 8 j + i is stored
};

enum {
	WIRE_DATA_OVERHEAD = 36, // bytes around the events
	WIRE_ACK_SIZE_MIN = 64
};

static_assert(sizeof(struct wire_head) == 4, "layout");
static_assert(sizeof(struct wire_hello) == 156, "layout");
static_assert(sizeof(struct wire_welcome) == 64, "layout");
static_assert(sizeof(struct wire_ping) == 128, "layout");
static_assert(sizeof(struct wire_reset) == 64, "layout");
static_assert(sizeof(struct wire_data) + WIRE_TAG_SIZE == WIRE_DATA_OVERHEAD, "layout");
static_assert(sizeof(struct wire_ack) + WIRE_MAC_SIZE == WIRE_ACK_SIZE_MIN, "layout");
static_assert(WIRE_ACK_SIZE_MIN + WIRE_ACK_BITMAP_MAX == WIRE_ANSWER_MAX, "longest answer");
static_assert(sizeof(struct wire_welcome) <= sizeof(struct wire_hello), "no amplification");
static_assert(WIRE_ANSWER_MAX <= sizeof(struct wire_ping), "no amplification");

static inline uint32_t wire_get32(const uint8_t bytes[static 4])
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap32(value);
}

static inline uint64_t wire_get64(const uint8_t bytes[static 8])
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap64(value);
}

static inline void wire_put32(uint8_t bytes[static 4], uint32_t value)
{
	value = __builtin_bswap32(value);
	memcpy(bytes, &value, sizeof(value));
}

static inline void wire_put64(uint8_t bytes[static 8], uint64_t value)
{
	value = __builtin_bswap64(value);
	memcpy(bytes, &value, sizeof(value));
}

static inline struct wire_head wire_head_of(enum wire_kind kind)
{
	return (struct wire_head){
		.magic = {'S', 'L'},
		.version = WIRE_VERSION,
		.kind = (uint8_t)kind,
	};
}

/** Kind of a datagram; 0 when it is none of this version. */
static inline unsigned wire_kind_of(const uint8_t *bytes, size_t size)
{
	if (size < sizeof(struct wire_head) || bytes[0] != 'S' || bytes[1] != 'L'
	    || bytes[2] != WIRE_VERSION)
		return 0;
	return bytes[3];
}

/** GCM IV of DATA: 4 zeros, sequence. A sequence is sealed once; sent again, it is the same bytes. */
static inline void wire_iv(uint64_t sequence, uint8_t ret_iv[static WIRE_IV_SIZE])
{
	memset(ret_iv, 0, 4);
	wire_put64(ret_iv + 4, sequence);
}
