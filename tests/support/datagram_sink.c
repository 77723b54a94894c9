// A receiver of sealed datagrams for tests: the server of dataplane/datagram behind a socket, events to a file.
//
// usage: datagram_sink PORT STATE OUTPUT COMMIT-MS CREDIT KEY-FILE [KEY-FILE...]      PORT 0: any; it is printed
//
// OUTPUT counts only up to the size that STATE names: a commit writes events, then STATE anew, then acknowledges. It may
// be killed at any time and started again. The stream is "edits".
#include "crypto/client_key.h"
#include "dataplane/datagram/server.h"
#include "io/base/clock.h"
#include "tests/support/plane_builder.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	TICKETS_MAX = 1 << 16,
	TEXT_MAX = 64 << 20,
	CLIENTS_MAX = 16,
	STATE_MAX = 32 << 20
};

struct sink {
	struct datagram_server *server;
	struct engine *engine;
	struct plane_image *image;
	int socket;
	int output;
	const char *state;
	uint64_t output_size;
	uint8_t *text;
	size_t text_size;
	struct datagram_ticket *tickets;
	uint32_t ticket_count;
	uint8_t *room;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/** Bytes of the state: the output's size (8), the server's snapshot. */
static void restore(struct sink *sink)
{
	uint8_t *bytes = malloc(STATE_MAX);
	const int fd = open(sink->state, O_RDONLY);
	ssize_t size = fd >= 0 ? read(fd, bytes, STATE_MAX) : 0;

	if (size >= 8) {
		memcpy(&sink->output_size, bytes, 8);
		if (datagram_restore(sink->server, view_of(bytes + 8, (size_t)size - 8)) != SL_OK)
			die("the state is damaged");
	}
	if (fd >= 0)
		close(fd);
	free(bytes);
	if (ftruncate(sink->output, (off_t)sink->output_size) != 0)
		die("ftruncate");
}

static void write_state(struct sink *sink)
{
	const size_t size_max = 8 + datagram_snapshot_max(sink->server);
	uint8_t *bytes = malloc(size_max);
	char fresh[4096];
	size_t size;
	int fd;

	if (bytes == NULL)
		die("malloc");
	memcpy(bytes, &sink->output_size, 8);
	size = 8 + datagram_snapshot(sink->server, bytes + 8);
	snprintf(fresh, sizeof(fresh), "%s.new", sink->state);
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) != 0
	    || rename(fresh, sink->state) != 0)
		die("state");
	free(bytes);
}

static void commit(struct sink *sink)
{
	size_t written = 0;

	if (sink->ticket_count == 0)
		return;
	while (written < sink->text_size) {
		const ssize_t size =
			pwrite(sink->output,
			       sink->text + written,
			       sink->text_size - written,
			       (off_t)(sink->output_size + written));

		if (size <= 0)
			die("output");
		written += (size_t)size;
	}
	sink->output_size += written;
	for (uint32_t i = 0; i < sink->ticket_count; i++)
		datagram_stored(sink->server, &sink->tickets[i]);
	write_state(sink);
	datagram_committed(sink->server);
	sink->ticket_count = 0;
	sink->text_size = 0;
}

static void take(struct sink *sink, const struct datagram_in *in)
{
	if (sink->ticket_count == TICKETS_MAX || sink->text_size + in->text.size > TEXT_MAX) {
		datagram_refuse(sink->server, &in->ticket);
		return;
	}
	memcpy(sink->text + sink->text_size, in->text.bytes, in->text.size);
	sink->text_size += in->text.size;
	sink->tickets[sink->ticket_count++] = in->ticket;
}

static void receive(struct sink *sink)
{
	static const uint8_t stream_id[16] = "edits";
	static uint8_t bytes[DATAGRAM_BURST_MAX][DATAGRAM_SIZE_MAX];
	static struct datagram_in in[DATAGRAM_BURST_MAX];
	struct sockaddr_in6 from[DATAGRAM_BURST_MAX];
	struct mmsghdr messages[DATAGRAM_BURST_MAX] = {0};
	struct iovec parts[DATAGRAM_BURST_MAX];
	struct room room = {
		.bytes = sink->room,
		.capacity = DATAGRAM_BURST_MAX * (DATAGRAM_SIZE_MAX + 64),
	};
	int count;

	for (int i = 0; i < DATAGRAM_BURST_MAX; i++) {
		parts[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &from[i],
			.msg_namelen = sizeof(from[i]),
			.msg_iov = &parts[i],
			.msg_iovlen = 1,
		};
	}
	count = recvmmsg(sink->socket, messages, DATAGRAM_BURST_MAX, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		in[i] = (struct datagram_in){
			.payload = view_of(bytes[i], messages[i].msg_len),
			.stream_id = stream_id,
		};
	if (count <= 0)
		return;
	datagram_open_burst(
		sink->server,
		sink->engine,
		in,
		(size_t)count,
		(int64_t)(clock_monotonic_ns() / 1000000),
		&room
	);
	for (int i = 0; i < count; i++) {
		if (in[i].ticket.session != DATAGRAM_SESSION_NONE)
			datagram_set_flow(
				sink->server, in[i].ticket.session, 0, &from[i], sizeof(from[i])
			);
		if (in[i].verdict == DATAGRAM_EVENTS)
			take(sink, &in[i]);
		if (in[i].answer_size != 0)
			(void)!sendto(
				sink->socket,
				in[i].answer,
				in[i].answer_size,
				0,
				(struct sockaddr *)&from[i],
				sizeof(from[i])
			);
	}
}

static void acknowledge(struct sink *sink)
{
	struct sockaddr_in6 to;
	uint8_t ack[DATAGRAM_ANSWER_MAX];
	uint32_t session;
	uint32_t size;

	while ((size = datagram_next_ack(
			sink->server,
			sink->engine,
			0,
			(int64_t)(clock_monotonic_ns() / 1000000),
			&session,
			ack
		))
	       != 0) {
		datagram_get_flow(sink->server, session, &to, sizeof(to));
		(void)!sendto(sink->socket, ack, size, 0, (struct sockaddr *)&to, sizeof(to));
	}
}

static struct plane_image *read_clients(char **paths, int count)
{
	static const struct build_stream streams[] = {{"edits", 1}, {0}};
	struct build_client clients[CLIENTS_MAX + 1] = {0};
	struct client_key keys[CLIENTS_MAX];
	struct problem problem;
	struct plane_image *image;
	struct plane_client *rows;

	for (int i = 0; i < count && i < CLIENTS_MAX; i++) {
		if (client_key_read(paths[i], &keys[i], &problem) != SL_OK) {
			problem_print(stderr, &problem);
			exit(1);
		}
		clients[i] = (struct build_client){keys[i].name, 1, 0};
	}
	image = build_plane(streams, clients);
	rows = (struct plane_client *)((uint8_t *)image + image->clients.offset);
	for (uint32_t i = 0; i < image->clients.count; i++) {
		memcpy(rows[i].id, keys[i].id, sizeof(rows[i].id));
		memcpy(rows[i].key, keys[i].key, sizeof(rows[i].key));
	}
	return image;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	socklen_t size = sizeof(address);
	const int buffer = 8 << 20;
	const int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("bind");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		die("getsockname");
	printf("%u\n", ntohs(address.sin6_port));
	fflush(stdout);
	return fd;
}

static void run(struct sink *sink, uint64_t commit_ms)
{
	uint64_t commit_ns = 0;

	for (;;) {
		struct pollfd pollfd = {.fd = sink->socket, .events = POLLIN};

		(void)poll(&pollfd, 1, 1);
		for (unsigned i = 0; i < 8; i++)
			receive(sink);
		if (clock_monotonic_ns() >= commit_ns) {
			commit(sink);
			commit_ns = clock_monotonic_ns() + commit_ms * 1000000;
		}
		acknowledge(sink);
	}
}

int main(int argc, char **argv)
{
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct datagram_server_options options = {
		.session_count_max = 1024,
		.session_idle_ms = 86400000,
	};
	struct problem problem;
	struct sink sink = {0};

	if (argc < 7) {
		fputs("usage: datagram_sink PORT STATE OUTPUT COMMIT-MS CREDIT KEY-FILE...\n",
		      stderr);
		return 2;
	}
	options.credit_max = (uint32_t)strtoul(argv[5], NULL, 10);
	sink.state = argv[2];
	sink.output = open(argv[3], O_RDWR | O_CREAT, 0600);
	sink.text = malloc(TEXT_MAX);
	sink.tickets = calloc(TICKETS_MAX, sizeof(*sink.tickets));
	sink.room = malloc(DATAGRAM_BURST_MAX * (DATAGRAM_SIZE_MAX + 64));
	if (sink.output < 0 || sink.text == NULL || sink.tickets == NULL || sink.room == NULL
	    || engine_new(&engine_options, &sink.engine, &problem) != SL_OK
	    || datagram_server_new(&options, &sink.server) != SL_OK)
		die("datagram_sink");
	restore(&sink);
	sink.image = read_clients(argv + 6, argc - 6);
	if (datagram_server_clients(sink.server, sink.image) != SL_OK)
		die("clients");
	sink.socket = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
	run(&sink, strtoul(argv[4], NULL, 10));
}
