#include "control/api/link.h"
// Targets: link_receive

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum {
	FDS_MAX = 80
};

static int pair[2] = {-1, -1};
static int null_fd = -1;

static void open_once(void)
{
	if (pair[0] >= 0)
		return;
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0
	    || fcntl(pair[1], F_SETFL, O_NONBLOCK) != 0)
		abort();
}

/** Send what the fuzzer wrote, with as many descriptors as its first byte says. */
static void send_raw(const uint8_t *bytes, size_t size, uint32_t fd_count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} room = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd_count != 0) {
		int *fds = (int *)CMSG_DATA(&room.header);

		room.header.cmsg_level = SOL_SOCKET;
		room.header.cmsg_type = SCM_RIGHTS;
		room.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		for (uint32_t i = 0; i < fd_count; i++)
			memcpy(&fds[i], &null_fd, sizeof(int));
		header.msg_control = room.bytes;
		header.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
	}
	if (sendmsg(pair[0], &header, 0) != (ssize_t)size)
		abort();
}

/** A message that was let in keeps every promise of link_receive. */
static void check(const struct link_message *m, const int fds[static LINK_FDS_MAX])
{
	uint32_t count = 0;

	if (m->version != LINK_VERSION || m->kind == 0 || m->kind >= LINK_KIND_COUNT
	    || memchr(m->text, 0, sizeof(m->text)) == NULL || m->status >= SL_STATUS_COUNT)
		abort();
	if (m->kind == LINK_WELCOME
	    && (m->settings.worker_count > SETTINGS_WORKERS_MAX
		|| m->settings.address_count > SETTINGS_ADDRESSES_MAX
		|| memchr(m->settings.port_device, 0, SETTINGS_PATH_MAX) == NULL))
		abort();
	for (; count < LINK_FDS_MAX && fds[count] >= 0; count++)
		close(fds[count]);
	if (count != m->fd_count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct link_message message;
	int fds[LINK_FDS_MAX];
	int probe;

	open_once();
	if (size < 2)
		return 0;
	send_raw(bytes + 1, size - 1, bytes[0] % FDS_MAX);
	if (link_receive(pair[1], &message, fds) == SL_OK)
		check(&message, fds);
	if (link_receive(pair[1], &message, fds) != SL_E_NOT_FOUND)
		abort();
	// The lowest free descriptor stays the same: none has leaked.
	probe = dup(null_fd);
	if (probe < 0 || probe > 64)
		abort();
	close(probe);
	return 0;
}
