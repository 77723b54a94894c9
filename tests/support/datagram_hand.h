#pragma once

#include "dataplane/datagram/server.h"
#include "dataplane/datagram/wire_keys.h"

#include <stdbool.h>

// A client by hand: each datagram as a test wants it, and what came back.

struct hand {
	struct datagram_server *server; // borrowed
	struct engine *engine;          // of client and worker alike; borrowed
	int64_t now_ms;
	const char *stream; // whose port its datagrams come to
	struct wire_names names;
	uint8_t client_key[WIRE_KEY_SIZE];
	uint8_t hello_key[WIRE_KEY_SIZE];
	struct wire_session_keys keys;
	uint32_t session;
	uint32_t generation;
	uint64_t ping_number;
	struct datagram_in in; // the last one given in; its text lies in room
	uint8_t room[DATAGRAM_SIZE_MAX + 64];
};

/** What an ACK says. */
struct hand_ack {
	struct wire_ack ack; // as it came
	uint64_t next;
	uint64_t first;
	uint32_t credit;
	uint64_t stamp;
	uint32_t word_count;
	uint64_t words[WIRE_ACK_BITMAP_MAX / 8];
};

/** name and salt: of build_client. Nothing is sent. */
void hand_init(
	struct hand *hand,
	struct datagram_server *server,
	struct engine *engine,
	const char *name,
	uint8_t salt
);

/** Give a datagram in; the verdict. */
enum datagram_verdict hand_give(struct hand *hand, const void *bytes, size_t size);

/** HELLO for a stream's name; the WELCOME's status, or -1 without an answer. Makes the keys. */
int hand_hello(struct hand *hand, const char *stream);

/** PING. 'a' an ACK came, 'u' RESET (unknown), 'f' RESET (full), '-' nothing. */
char hand_ping(struct hand *hand, bool opens);

/** HELLO and PING; whether a session began. */
bool hand_open(struct hand *hand);

/** Seal DATA; its size. bytes: WIRE_DATA_OVERHEAD and the text. */
size_t hand_seal(struct hand *hand, uint64_t sequence, struct view text, uint8_t *bytes);

/** Seal and give in. */
enum datagram_verdict hand_data(struct hand *hand, uint64_t sequence, const char *text);

/** Read an ACK; false: it is none of this session. */
bool hand_read_ack(struct hand *hand, const uint8_t *bytes, size_t size, struct hand_ack *ret_ack);

/** The next due ACK of worker 0; false: none, or not of this session. */
bool hand_next_ack(struct hand *hand, struct hand_ack *ret_ack);

/** The credit of a stream's sessions. */
void hand_credit(struct datagram_server *server, const char *stream, uint32_t credit);

/** Store and commit, as egress does; the ticket is that of the last datagram given in when NULL. */
void hand_commit(struct hand *hand, const struct datagram_ticket *tickets, size_t count);
