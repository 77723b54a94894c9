#include "control/api/link.h"
#include "tests/support/check.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int pair[2];

static void open_pair(void)
{
	CHECK_FATAL(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
}

static void close_pair(void)
{
	close(pair[0]);
	close(pair[1]);
}

static int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static struct settings good_settings(void)
{
	return (struct settings){.size = sizeof(struct settings), .worker_count = 1};
}

static void messages_arrive_whole(void)
{
	static const struct {
		enum link_kind kind;
		uint32_t fd_count;
		uint32_t has_image;
	} cases[] = {
		{LINK_HELLO, 0, 0},
		{LINK_HELLO, 1, 0},
		{LINK_HELLO, 2, 1},
		{LINK_HELLO, LINK_FDS_MAX, 1},
		{LINK_WELCOME, 0, 0},
		{LINK_WELCOME, 1, 0},
		{LINK_APPLY, 1, 1},
		{LINK_APPLY, 65, 1},
		{LINK_APPLIED, 0, 0},
		{LINK_COUNTERS, 1, 0},
		{LINK_STOP, 0, 0},
		{LINK_STOPPED, 0, 0},
	};

	int before = count_fds();

	open_pair();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct link_message sent = {
			.kind = cases[i].kind,
			.epoch = 7 + i,
			.pid = 42,
			.has_image = cases[i].has_image,
			.settings = good_settings(),
		};
		struct link_message got;
		int fds[LINK_FDS_MAX];
		int got_fds[LINK_FDS_MAX];
		struct stat a;
		struct stat b;

		for (uint32_t k = 0; k < cases[i].fd_count; k++)
			fds[k] = memfd_create("m", MFD_CLOEXEC);
		memset(sent.text, 'x', LINK_TEXT_MAX - 1);
		CHECK_EQUAL(link_send(pair[0], &sent, fds, cases[i].fd_count), SL_OK);
		CHECK_FATAL(link_receive(pair[1], &got, got_fds) == SL_OK);
		CHECK_EQUAL(got.kind, (uint32_t)cases[i].kind);
		CHECK_EQUAL(got.epoch, 7 + i);
		CHECK_EQUAL(got.fd_count, cases[i].fd_count);
		CHECK(memcmp(got.text, sent.text, LINK_TEXT_MAX) == 0);
		for (uint32_t k = 0; k < LINK_FDS_MAX; k++) {
			if (k >= cases[i].fd_count) {
				CHECK_EQUAL(got_fds[k], -1);
				continue;
			}
			CHECK(fstat(fds[k], &a) == 0 && fstat(got_fds[k], &b) == 0);
			CHECK_EQUAL(a.st_ino, b.st_ino);
			CHECK((fcntl(got_fds[k], F_GETFD) & FD_CLOEXEC) != 0);
			close(fds[k]);
			close(got_fds[k]);
		}
	}
	close_pair();
	CHECK_EQUAL(count_fds(), before);
}

/** What breaks the form. */
static void break_version(struct link_message *m)
{
	m->version++;
}

static void break_kind(struct link_message *m)
{
	m->kind = LINK_KIND_COUNT;
}

static void break_kind_zero(struct link_message *m)
{
	m->kind = 0;
}

static void break_fd_count(struct link_message *m)
{
	m->fd_count++;
}

static void break_status(struct link_message *m)
{
	m->status = SL_STATUS_COUNT;
}

static void break_text(struct link_message *m)
{
	memset(m->text, 'x', sizeof(m->text));
}

static void break_image(struct link_message *m)
{
	m->kind = LINK_HELLO;
	m->has_image = 1;
}

static void break_fds(struct link_message *m)
{
	m->kind = LINK_STOP;
}

static void break_settings_size(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	m->settings.size--;
}

static void break_settings_text(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	memset(m->settings.port_device, 'x', sizeof(m->settings.port_device));
}

static void break_settings_interface(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	memset(m->settings.host_interface, 'x', sizeof(m->settings.host_interface));
}

static void break_settings_workers(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	m->settings.worker_count = SETTINGS_WORKERS_MAX + 1;
}

static void break_settings_addresses(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	m->settings.address_count = SETTINGS_ADDRESSES_MAX + 1;
}

static void break_settings_port(struct link_message *m)
{
	m->kind = LINK_WELCOME;
	m->settings.port_kind = SETTINGS_PORT_RING + 1;
}

/** Send bytes with one descriptor, past link_send. */
static void send_raw(const void *bytes, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
	struct msghdr header = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = room.bytes,
		.msg_controllen = sizeof(room.bytes),
	};

	room.header.cmsg_level = SOL_SOCKET;
	room.header.cmsg_type = SCM_RIGHTS;
	room.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&room.header), &fd, sizeof(fd));
	CHECK_FATAL(sendmsg(pair[0], &header, 0) == (ssize_t)size);
}

static void broken_messages_are_refused_and_their_descriptors_closed(void)
{
	static void (*const breaks[])(struct link_message *) = {
		break_version,
		break_kind,
		break_kind_zero,
		break_fd_count,
		break_status,
		break_text,
		break_image,
		break_fds,
		break_settings_size,
		break_settings_text,
		break_settings_interface,
		break_settings_workers,
		break_settings_addresses,
		break_settings_port,
	};
	int before;
	int fd = memfd_create("m", MFD_CLOEXEC);

	open_pair();
	before = count_fds();
	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		struct link_message m = {
			.version = LINK_VERSION,
			.kind = LINK_COUNTERS,
			.fd_count = 1,
			.settings = good_settings(),
		};
		struct link_message got = {.pid = 99};
		int fds[LINK_FDS_MAX];

		send_raw(&m, sizeof(m), fd);
		CHECK_FATAL(link_receive(pair[1], &got, fds) == SL_OK);
		close(fds[0]);
		breaks[i](&m);
		got.pid = 99;
		send_raw(&m, sizeof(m), fd);
		CHECK_EQUAL(link_receive(pair[1], &got, fds), SL_E_CORRUPT);
		CHECK_EQUAL(got.pid, 99);
	}
	CHECK_EQUAL(count_fds(), before);
	close_pair();
	close(fd);
}

static void other_sizes_are_refused(void)
{
	static char big[sizeof(struct link_message) + 1];
	struct link_message *m = (void *)big;
	struct link_message got;
	int fds[LINK_FDS_MAX];
	int fd = memfd_create("m", MFD_CLOEXEC);

	open_pair();
	*m = (struct link_message){.version = LINK_VERSION, .kind = LINK_COUNTERS, .fd_count = 1};
	for (size_t size = 1; size <= sizeof(big); size += size < 64 ? 1 : 97) {
		send_raw(big, size, fd);
		CHECK_EQUAL(
			link_receive(pair[1], &got, fds),
			size == sizeof(struct link_message) ? SL_OK : SL_E_CORRUPT
		);
	}
	send_raw(big, sizeof(big), fd);
	CHECK_EQUAL(link_receive(pair[1], &got, fds), SL_E_CORRUPT);
	close_pair();
	close(fd);
}

static void ends_are_told(void)
{
	const struct link_message stop = {.kind = LINK_STOP};
	struct link_message got;
	int fds[LINK_FDS_MAX];

	open_pair();
	CHECK(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	CHECK_EQUAL(link_receive(pair[1], &got, fds), SL_E_NOT_FOUND);
	CHECK_EQUAL(link_send(pair[0], &stop, NULL, LINK_FDS_MAX + 1), SL_E_IO);
	close(pair[0]);
	CHECK_EQUAL(link_receive(pair[1], &got, fds), SL_E_IO);
	CHECK_EQUAL(link_send(pair[1], &stop, NULL, 0), SL_E_IO);
	close(pair[1]);
}

static const struct check_test tests[] = {
	{"messages arrive whole", messages_arrive_whole},
	{"broken messages are refused, their descriptors closed",
	 broken_messages_are_refused_and_their_descriptors_closed},
	{"other sizes are refused", other_sizes_are_refused},
	{"ends are told", ends_are_told},
};

CHECK_MAIN("link")
