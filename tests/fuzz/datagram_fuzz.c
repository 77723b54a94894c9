#include "crypto/client_key.h"
// Targets: datagram_open_burst, datagram_restore, sender_receive, client_key_read

#include "dataplane/datagram/sender.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

// The first byte says what the rest is:
//	's' a snapshot          'k' a key file
//	'r' datagrams to the server as they are: size (2, little endian), bytes
//	'm' likewise, each closed with the MAC or seal that its kind needs, so that what lies behind is reached
//	'c' datagrams to a client, likewise closed

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {0}};
static struct engine *engine;
static struct engine *sender_engine;
static struct plane_image *image;
static struct plane_image *nobody; // an image without clients

static struct datagram_server *servers[2];

static struct datagram_server *new_server(void)
{
	const struct datagram_server_options options = {
		.session_count_max = 16,
		.session_idle_ms = 3600000,
		.credit_max = 64,
	};
	struct datagram_server *server;

	if (datagram_server_new(&options, &server) != SL_OK)
		abort();
	return server;
}

static void make_ready(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;

	if (engine != NULL)
		return;
	if (engine_new(&options, &engine, &problem) != SL_OK
	    || engine_new(&options, &sender_engine, &problem) != SL_OK)
		abort();
	image = build_plane(streams, clients);
	nobody = build_plane(streams, clients + 1);
	servers[0] = new_server();
	servers[1] = new_server();
}

/** A server without sessions: making one takes too long for every input. */
static struct datagram_server *empty_server(unsigned which)
{
	datagram_committed(servers[which]);
	if (datagram_server_clients(servers[which], nobody) != SL_OK)
		abort();
	return servers[which];
}

/** What was taken for good is written the same way again, and read. */
static void fuzz_snapshot(struct view bytes)
{
	struct datagram_server *server = empty_server(0);
	uint8_t *again;
	size_t size;

	if (datagram_restore(server, bytes) == SL_OK) {
		struct datagram_server *second = empty_server(1);

		again = malloc(datagram_snapshot_max(server));
		if (again == NULL)
			abort();
		size = datagram_snapshot(server, again);
		if (size > datagram_snapshot_max(server)
		    || datagram_restore(second, view_of(again, size)) != SL_OK
		    || datagram_server_clients(server, image) != SL_OK)
			abort();
		datagram_committed(server);
		free(again);
	}
}

static void fuzz_key_file(struct view bytes)
{
	struct client_key key;
	struct problem problem;
	char path[64];
	const int fd = memfd_create("key", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes.bytes, bytes.size) != (ssize_t)bytes.size
	    || fchmod(fd, 0600) != 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (client_key_read(path, &key, &problem) == SL_OK && !client_name_is_fine(key.name))
		abort();
	close(fd);
}

/** The next datagram of the input, in memory of exactly its size; NULL at the end. Freed by the caller. */
static uint8_t *next_datagram(struct view *rest, size_t *ret_size)
{
	uint8_t *bytes;

	if (rest->size < 2)
		return NULL;
	*ret_size = (size_t)(rest->bytes[0] | rest->bytes[1] << 8) % (DATAGRAM_SIZE_MAX + 10);
	*rest = view_of(rest->bytes + 2, rest->size - 2);
	if (*ret_size > rest->size)
		*ret_size = rest->size;
	bytes = malloc(*ret_size + (*ret_size == 0));
	if (bytes == NULL)
		abort();
	memcpy(bytes, rest->bytes, *ret_size);
	*rest = view_of(rest->bytes + *ret_size, rest->size - *ret_size);
	return bytes;
}

/** Make a datagram authentic. */
static void close_datagram(struct hand *hand, uint8_t *bytes, size_t size)
{
	struct wire_data head;
	uint8_t iv[WIRE_IV_SIZE];

	if (size < WIRE_DATA_OVERHEAD)
		return;
	memcpy(bytes, "SL\1", 3);
	if (bytes[3] != WIRE_DATA) {
		const bool is_hello = bytes[3] == WIRE_HELLO || bytes[3] == WIRE_WELCOME;

		wire_mac_put(engine, is_hello ? hand->hello_key : hand->keys.control, bytes, size);
		return;
	}
	memcpy(&head, bytes, sizeof(head));
	wire_put32(head.session, hand->session);
	wire_put32(head.generation, hand->generation);
	memcpy(bytes, &head, sizeof(head));
	wire_iv(wire_get64(head.sequence), iv);
	engine_run_begin(engine, hand->keys.data);
	engine_run_seal(
		engine,
		iv,
		view_of(&head, sizeof(head)),
		view_of(bytes + sizeof(head), size - WIRE_DATA_OVERHEAD),
		bytes + sizeof(head)
	);
}

/** The names that a PING of the hand has. */
static void name_ping(const struct hand *hand, uint8_t *bytes, size_t size)
{
	if (size == sizeof(struct wire_ping) && bytes[3] == WIRE_PING)
		memcpy(bytes + 16, &hand->names, sizeof(hand->names));
}

static void fuzz_server(struct view rest, bool is_closed)
{
	struct datagram_server *server = empty_server(0);
	uint8_t ack[DATAGRAM_ANSWER_MAX];
	struct hand hand;
	uint32_t session;
	uint8_t *bytes;
	size_t size;

	if (datagram_server_clients(server, image) != SL_OK)
		abort();
	hand_init(&hand, server, engine, "alice", 1);
	if (!hand_open(&hand))
		abort();
	while ((bytes = next_datagram(&rest, &size)) != NULL) {
		if (is_closed) {
			name_ping(&hand, bytes, size);
			close_datagram(&hand, bytes, size);
		}
		if (hand_give(&hand, bytes, size) == DATAGRAM_EVENTS) {
			if (!is_closed || hand.in.text.size != size - WIRE_DATA_OVERHEAD)
				abort(); // a forgery
			if (hand.in.ticket.sequence % 3 == 0)
				datagram_refuse(server, &hand.in.ticket);
			else
				hand_commit(&hand, NULL, 0);
		}
		if (!is_closed && hand.in.answer_size != 0)
			abort(); // a stranger was answered
		if (datagram_next_ack(server, engine, 0, hand.now_ms++, &session, ack)
		    > sizeof(ack))
			abort();
		free(bytes);
	}
}

/** Bring a sender to its session with the hand's keys, events on their way. */
static struct sender *new_sender(struct hand *hand)
{
	struct sender_options options = {.window = 64};
	struct wire_welcome welcome = {.head = wire_head_of(WIRE_WELCOME)};
	struct wire_hello hello;
	struct sender *sender;
	uint8_t out[SENDER_DATAGRAM];
	uint64_t number;

	memcpy(options.client_id, hand->names.client_id, WIRE_ID_SIZE);
	memcpy(options.client_key, hand->client_key, WIRE_KEY_SIZE);
	if (sender_new(&options, sender_engine, &sender) != SL_OK
	    || sender_next(sender, 1, out) != sizeof(hello))
		abort();
	memcpy(&hello, out, sizeof(hello));
	memcpy(hand->names.client_nonce, hello.client_nonce, WIRE_NONCE_SIZE);
	memcpy(welcome.client_nonce, hello.client_nonce, WIRE_NONCE_SIZE);
	memset(hand->names.server_nonce, 0, WIRE_NONCE_SIZE);
	wire_mac_put(engine, hand->hello_key, &welcome, sizeof(welcome));
	wire_session_keys(engine, hand->client_key, &hand->names, &hand->keys);
	sender_receive(sender, view_of(&welcome, sizeof(welcome)), 2);
	for (unsigned i = 0; i < 20; i++)
		if (sender_offer(sender, view_of_text("{\"a\":1}"), 2, &number) != SL_OK)
			abort();
	sender_push(sender);
	return sender;
}

static void fuzz_client(struct view rest)
{
	struct hand hand;
	struct sender *sender;
	struct sender_stats stats;
	uint64_t now_us = 3;
	uint64_t number;
	uint8_t out[SENDER_DATAGRAM];
	uint8_t *bytes;
	size_t size;

	hand_init(&hand, NULL, engine, "alice", 1);
	sender = new_sender(&hand);
	while ((bytes = next_datagram(&rest, &size)) != NULL) {
		if (size >= 40 && bytes[3] == WIRE_RESET)
			memcpy(bytes + 8, hand.names.client_nonce, 32);
		close_datagram(&hand, bytes, size);
		sender_receive(sender, view_of(bytes, size), now_us);
		for (unsigned i = 0; i < 100 && (size = sender_next(sender, now_us, out)) != 0; i++)
			if (size > sizeof(out))
				abort();
		now_us += 20000;
		if (sender_offer(sender, view_of_text("{\"b\":2}"), now_us, &number) == SL_OK)
			sender_push(sender);
		sender_get_stats(sender, &stats);
		if (stats.events_acked > stats.events_offered)
			abort();
		free(bytes);
	}
	sender_free(sender);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct view rest;

	if (size == 0)
		return 0;
	make_ready();
	rest = view_of(bytes + 1, size - 1);
	switch (bytes[0]) {
	case 's':
		fuzz_snapshot(rest);
		break;
	case 'k':
		fuzz_key_file(rest);
		break;
	case 'r':
		fuzz_server(rest, false);
		break;
	case 'm':
		fuzz_server(rest, true);
		break;
	case 'c':
		fuzz_client(rest);
		break;
	default:
		break;
	}
	return 0;
}
