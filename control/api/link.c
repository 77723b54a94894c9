#include "control/api/link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SEND_WAIT_MS = 1000 // for a reader that lags; longer, and it is gone
};

/** Room for the descriptors of one message. */
union fd_room {
	struct cmsghdr header; // for its alignment
	char bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
};

enum sl_status link_send(
	int socket,
	const struct link_message *message,
	const int fds[],
	uint32_t fd_count
)
{
	struct link_message copy = *message;
	struct iovec bytes = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr header = {.msg_iov = &bytes, .msg_iovlen = 1};
	struct pollfd writable = {.fd = socket, .events = POLLOUT};
	union fd_room room = {0};
	ssize_t sent;

	if (fd_count > LINK_FDS_MAX)
		return SL_E_IO;
	copy.version = LINK_VERSION;
	copy.fd_count = fd_count;
	if (fd_count != 0) {
		header.msg_control = room.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(&room.header), fds, fd_count * sizeof(int));
	}
	do {
		sent = sendmsg(socket, &header, MSG_NOSIGNAL);
	} while (sent < 0
		 && (errno == EINTR || (errno == EAGAIN && poll(&writable, 1, SEND_WAIT_MS) == 1)));
	return sent == (ssize_t)sizeof(copy) ? SL_OK : SL_E_IO;
}

/** Take the descriptors out of a message. @return how many; more than LINK_FDS_MAX are closed and counted */
static uint32_t take_fds(struct msghdr *header, int ret_fds[static LINK_FDS_MAX])
{
	uint32_t count = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			if (count < LINK_FDS_MAX)
				ret_fds[count] = fd;
			else
				close(fd);
		}
	}
	return count;
}

static bool ends(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

static bool are_settings_good(const struct settings *s)
{
	return s->size == sizeof(*s) && s->port_kind <= SETTINGS_PORT_RING
		&& s->address_count <= SETTINGS_ADDRESSES_MAX
		&& s->worker_count <= SETTINGS_WORKERS_MAX && s->worker_count != 0
		&& ends(s->port_device, sizeof(s->port_device))
		&& ends(s->host_interface, sizeof(s->host_interface))
		&& ends(s->state_directory, sizeof(s->state_directory))
		&& ends(s->eal_prefix, sizeof(s->eal_prefix));
}

/** Is the number of descriptors one that this kind of message can have? */
static bool may_have(const struct link_message *m)
{
	switch ((enum link_kind)m->kind) {
	case LINK_HELLO: // nothing; journal; or journal, image, tables
		return m->has_image <= 1 && (m->has_image ? m->fd_count >= 2 : m->fd_count <= 1);
	case LINK_WELCOME: // nothing or journal
		return m->fd_count <= 1;
	case LINK_APPLY: // image, tables
		return m->fd_count >= 1;
	case LINK_COUNTERS:
		return m->fd_count == 1;
	case LINK_APPLIED:
	case LINK_STOP:
	case LINK_STOPPED:
		return m->fd_count == 0;
	case LINK_KIND_COUNT:
		break;
	}
	return false;
}

static bool is_good(const struct link_message *m, size_t size, uint32_t fd_count)
{
	return size == sizeof(*m) && m->version == LINK_VERSION && m->fd_count == fd_count
		&& fd_count <= LINK_FDS_MAX && may_have(m) && m->status < SL_STATUS_COUNT
		&& ends(m->text, sizeof(m->text))
		&& (m->kind != LINK_WELCOME || are_settings_good(&m->settings));
}

enum sl_status link_receive(
	int socket,
	struct link_message *ret_message,
	int ret_fds[static LINK_FDS_MAX]
)
{
	struct link_message message = {0};
	struct iovec bytes = {.iov_base = &message, .iov_len = sizeof(message)};
	union fd_room room = {0};
	struct msghdr header = {
		.msg_iov = &bytes,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};
	int fds[LINK_FDS_MAX];
	uint32_t fd_count;
	ssize_t got;

	do {
		got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? SL_E_NOT_FOUND : SL_E_IO;
	memset(fds, 0xff, sizeof(fds));
	fd_count = take_fds(&header, fds);
	if (got == 0 && fd_count == 0)
		return SL_E_IO;
	if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
	    || !is_good(&message, (size_t)got, fd_count)) {
		for (uint32_t i = 0; i < LINK_FDS_MAX; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		return SL_E_CORRUPT;
	}
	*ret_message = message;
	memcpy(ret_fds, fds, sizeof(fds));
	return SL_OK;
}
