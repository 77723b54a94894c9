#include "dataplane/datagram/client_socket.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	BUFFER_SIZE = 4 << 20 // asked for; the kernel gives what it allows
};

/** Connect to the first address that has a way; the socket stays -1 when none has: errno says why. */
static void connect_to(struct client_socket *s, const struct addrinfo *addresses)
{
	int error = EADDRNOTAVAIL;

	for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next) {
		const int size = BUFFER_SIZE;
		const int fd = socket(a->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) == 0) {
			(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
			(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
			memcpy(&s->peer, a->ai_addr, a->ai_addrlen);
			s->peer_size = a->ai_addrlen;
			s->fd = fd;
			return;
		}
		error = errno;
		if (fd >= 0)
			close(fd);
	}
	errno = error;
}

enum sl_client_status client_socket_open(
	struct client_socket *s,
	const char *host,
	const char *port,
	char *ret_error
)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
	struct addrinfo *addresses;
	const int error = getaddrinfo(host, port, &hints, &addresses);

	if (error != 0) {
		snprintf(
			ret_error,
			CLIENT_ERROR_MAX,
			"%.200s port %.50s: %s",
			host,
			port,
			gai_strerror(error)
		);
		return SL_CLIENT_ADDRESS;
	}
	connect_to(s, addresses);
	freeaddrinfo(addresses);
	if (s->fd >= 0)
		return SL_CLIENT_OK;
	snprintf(ret_error, CLIENT_ERROR_MAX, "no socket to %.200s: %s", host, strerror(errno));
	return SL_CLIENT_SYSTEM;
}

void client_socket_close(struct client_socket *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/**
 * Whether a failure passes by itself: resending is what the protocol is for. Among them is all that an ICMP message makes
 * of an earlier datagram, which any router may send, and a stranger who guesses our port.
 */
static bool is_passing(int error)
{
	static const int passing[] = {
		EAGAIN,
		EINTR,
		ENOBUFS,
		ENETDOWN,
		ENETUNREACH,
		EHOSTDOWN,
		EHOSTUNREACH,
		ECONNREFUSED,
		EMSGSIZE,
		EPROTO,
		EOPNOTSUPP,
		ENOPROTOOPT,
		ENONET,
		EACCES,
	};

	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (error == passing[i])
			return true;
	return false;
}

/** Whether a failure to send says that there is no way from the address that the socket has. */
static bool is_astray(int error)
{
	return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EINVAL
		|| error == EDESTADDRREQ || error == ENODEV;
}

/** A connected socket keeps its address for ever, although the host has moved and has another now: choose anew. */
static void connect_again(struct client_socket *s)
{
	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(s->fd, &nobody, sizeof(nobody)) == 0)
		(void)connect(s->fd, (const struct sockaddr *)&s->peer, s->peer_size);
}

bool client_socket_receive(struct client_socket *s, struct sender *sender, uint64_t now_us)
{
	struct mmsghdr messages[CLIENT_BURST] = {0};
	struct iovec parts[CLIENT_BURST];
	int count;

	for (int i = 0; i < CLIENT_BURST; i++) {
		parts[i] = (struct iovec){s->answers[i], sizeof(s->answers[i])};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	count = recvmmsg(s->fd, messages, CLIENT_BURST, 0, NULL);
	if (count < 0 && !is_passing(errno))
		s->error = errno;
	for (int i = 0; i < count; i++)
		sender_receive(sender, view_of(s->answers[i], messages[i].msg_len), now_us);
	return count > 0;
}

bool client_socket_send(struct client_socket *s, struct sender *sender, uint64_t now_us)
{
	struct mmsghdr messages[CLIENT_BURST] = {0};
	struct iovec parts[CLIENT_BURST];
	uint32_t count = s->unsent;
	int sent;

	if (count == 0) {
		s->unsent_at = 0;
		while (count < CLIENT_BURST
		       && (s->size[count] = (uint32_t)sender_next(sender, now_us, s->bytes[count]))
			       != 0)
			count++;
	}
	if (count == 0)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		parts[i] = (struct iovec){s->bytes[s->unsent_at + i], s->size[s->unsent_at + i]};
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(s->fd, messages, count, 0);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
		sent = 0;
	// A refusal is an earlier datagram's, told to this one: it counts as lost.
	if (sent < 0) {
		const int error = errno;

		s->error = is_passing(error) || is_astray(error) ? 0 : error;
		if (is_astray(error))
			connect_again(s);
		sent = 1;
	}
	s->unsent = count - (uint32_t)sent;
	s->unsent_at += (uint32_t)sent;
	return sent > 0;
}

void client_socket_wait(const struct client_socket *s, uint64_t now_us, uint64_t wake_us)
{
	struct pollfd pollfd = {.fd = s->fd, .events = POLLIN};
	const uint64_t wait_us = wake_us > now_us ? wake_us - now_us : 0;
	const struct timespec timeout = {
		.tv_sec = (time_t)(wait_us / 1000000),
		.tv_nsec = (long)(wait_us % 1000000 * 1000),
	};

	if (s->unsent != 0)
		pollfd.events |= POLLOUT;
	(void)ppoll(&pollfd, 1, &timeout, NULL);
}
