#include "bench/load/endpoint.h"
#include "bench/load/transport.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Plain datagrams by the kernel's sockets, one event each: a socket for each flow, so that source ports differ.

enum {
	SEND_BUFFER_SIZE = 4 << 20 // bytes
};

struct udp {
	const struct stock *stock;
	uint32_t socket_count;
	uint32_t next;
	int socket[];
};

static int connect_one(const struct addrinfo *address)
{
	const int size = SEND_BUFFER_SIZE;
	int fd = socket(address->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return fd;
	close(fd);
	return -1;
}

static void close_udp(struct transport *t)
{
	struct udp *udp = t->self;

	for (uint32_t i = 0; udp != NULL && i < udp->socket_count; i++)
		close(udp->socket[i]);
	free(udp);
	t->self = NULL;
}

static enum sl_status open_udp(
	struct transport *t,
	const struct transport_options *o,
	struct problem *ret_problem
)
{
	const struct addrinfo wanted = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *address;
	struct endpoint target;
	struct udp *udp;
	int failure;

	SL_TRY(endpoint_read(o->target, &target, ret_problem));
	failure = getaddrinfo(target.host, target.port, &wanted, &address);
	if (failure != 0)
		return problem_set(
			ret_problem, SL_E_NOT_FOUND, "%s: %s", o->target, gai_strerror(failure)
		);
	udp = calloc(1, sizeof(*udp) + o->flows * sizeof(udp->socket[0]));
	if (udp == NULL) {
		freeaddrinfo(address);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the sockets");
	}
	t->self = udp;
	udp->stock = o->stock;
	while (udp->socket_count < o->flows) {
		int fd = connect_one(address);

		if (fd < 0)
			break;
		udp->socket[udp->socket_count++] = fd;
	}
	freeaddrinfo(address);
	if (udp->socket_count == o->flows)
		return SL_OK;
	(void)!problem_set(ret_problem, SL_E_IO, "no socket to %s: %s", o->target, strerror(errno));
	close_udp(t);
	return SL_E_IO;
}

static size_t send_udp(struct transport *t, const struct shot shots[], size_t count)
{
	struct udp *udp = t->self;
	struct mmsghdr message[SHOTS_MAX] = {0};
	struct iovec bytes[SHOTS_MAX];
	int sent;

	for (size_t i = 0; i < count; i++) {
		const struct stock_event *event = &udp->stock->events[shots[i].event];

		stock_stamp(event, shots[i].subject, shots[i].number);
		bytes[i] = (struct iovec){event->bytes, event->size};
		message[i].msg_hdr = (struct msghdr){.msg_iov = &bytes[i], .msg_iovlen = 1};
	}
	sent = sendmmsg(udp->socket[udp->next], message, (unsigned)count, 0);
	if (sent > 0) {
		udp->next = udp->next + 1 == udp->socket_count ? 0 : udp->next + 1;
		return (size_t)sent;
	}
	// A refusal tells of an earlier datagram: nobody listened then, which is loss and not our end.
	if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED)
		transport_fail(t, "sending fails: %s", strerror(errno));
	return 0;
}

static void poll_udp(struct transport *t)
{
	(void)t; // nothing comes back
}

const struct transport_kind transport_udp = {
	.name = "udp",
	.help = "plain datagrams by the kernel's sockets; TARGET is HOST:PORT",
	.open = open_udp,
	.send = send_udp,
	.poll = poll_udp,
	.close = close_udp,
};
