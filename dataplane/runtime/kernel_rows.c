#include "dataplane/runtime/kernel_rows.h"

#include "dataplane/runtime/core.h"

#include <rte_ring.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	LISTENERS_MAX = 1024, // ports ever listened on
	WAIT_MS = 100,
	RECEIVE_BYTES = 1 << 21 // of a socket's buffer
};

/** A socket of an event port. Open as long as we live: answers may still go by it. */
struct listener {
	int socket;
	uint16_t port;
};

struct kernel_rows {
	char interface[16];
	struct kernel_row *row;    // [KERNEL_ROWS] owned
	struct rte_ring *free;     // worker -> thread
	struct rte_ring *received; // thread -> worker
	struct listener listener[LISTENERS_MAX];
	uint32_t listener_count;
	int poll;
	pthread_t thread;
	bool is_running;
	atomic_bool is_ended;
};

/** Read one datagram; false when none is there or no buffer is free. */
static bool receive(struct kernel_rows *rows, const struct listener *listener)
{
	socklen_t size = sizeof(struct sockaddr_in6);
	struct kernel_row *row;
	void *taken;
	ssize_t got;

	if (rte_ring_sc_dequeue(rows->free, &taken) != 0)
		return false;
	row = taken;
	got = recvfrom(
		listener->socket,
		row->bytes,
		KERNEL_ROW_SIZE_MAX,
		MSG_DONTWAIT,
		(struct sockaddr *)&row->sender,
		&size
	);
	if (got < 0) {
		// The thread is the free ring's reader; what it does not use goes round by way of the worker, as empty.
		row->size = 0;
		row->socket = -1;
		(void)rte_ring_sp_enqueue(rows->received, row);
		return false;
	}
	row->size = (uint32_t)got;
	row->port = listener->port;
	row->socket = listener->socket;
	(void)rte_ring_sp_enqueue(rows->received, row);
	return true;
}

static void *run(void *self)
{
	struct kernel_rows *rows = self;
	struct epoll_event event;

	core_name_thread("sealane-kernel");
	while (!atomic_load_explicit(&rows->is_ended, memory_order_acquire)) {
		if (epoll_wait(rows->poll, &event, 1, WAIT_MS) != 1)
			continue;
		if (!receive(rows, &rows->listener[event.data.u32]))
			(void)usleep(1000);
	}
	return NULL;
}

static enum sl_status make_rings(struct kernel_rows *rows)
{
	rows->free = rte_ring_create(
		"sealane_kernel_free", 2 * KERNEL_ROWS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ
	);
	rows->received = rte_ring_create(
		"sealane_kernel_in", 2 * KERNEL_ROWS, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ
	);
	rows->row = calloc(KERNEL_ROWS, sizeof(*rows->row));
	if (rows->free == NULL || rows->received == NULL || rows->row == NULL)
		return SL_E_NOMEM;
	for (uint32_t n = 0; n < KERNEL_ROWS; n++)
		(void)rte_ring_sp_enqueue(rows->free, &rows->row[n]);
	return SL_OK;
}

enum sl_status kernel_rows_start(
	const char *interface,
	struct kernel_rows **ret_rows,
	struct problem *ret_problem
)
{
	struct kernel_rows *rows = calloc(1, sizeof(*rows));

	if (rows == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the kernel's datagrams");
	strncpy(rows->interface, interface, sizeof(rows->interface) - 1);
	rows->poll = epoll_create1(EPOLL_CLOEXEC);
	if (rows->poll < 0 || make_rings(rows) != SL_OK
	    || pthread_create(&rows->thread, NULL, run, rows) != 0) {
		kernel_rows_free(rows);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the kernel's datagrams");
	}
	rows->is_running = true;
	*ret_rows = rows;
	return SL_OK;
}

void kernel_rows_free(struct kernel_rows *rows)
{
	if (rows == NULL)
		return;
	atomic_store_explicit(&rows->is_ended, true, memory_order_release);
	if (rows->is_running)
		pthread_join(rows->thread, NULL);
	for (uint32_t n = 0; n < rows->listener_count; n++)
		close(rows->listener[n].socket);
	if (rows->poll >= 0)
		close(rows->poll);
	rte_ring_free(rows->free);
	rte_ring_free(rows->received);
	free(rows->row);
	free(rows);
}

/** A socket for both families on the port of the interface. Returns it, or -1 and errno. */
static int open_socket(const struct kernel_rows *rows, uint16_t port)
{
	const struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
	const int bytes = RECEIVE_BYTES;
	const int off = 0;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int failure;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	// Only what came by the wire: no program of this host speaks to these ports.
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0
	    && setsockopt(
		       fd,
		       SOL_SOCKET,
		       SO_BINDTODEVICE,
		       rows->interface,
		       (socklen_t)strlen(rows->interface)
	       ) == 0
	    && bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0)
		return fd;
	failure = errno;
	close(fd);
	errno = failure;
	return -1;
}

static bool is_listened(const struct kernel_rows *rows, uint16_t port)
{
	for (uint32_t n = 0; n < rows->listener_count; n++)
		if (rows->listener[n].port == port)
			return true;
	return false;
}

enum sl_status kernel_rows_listen(
	struct kernel_rows *rows,
	const uint16_t ports[],
	uint32_t count,
	struct problem *ret_problem
)
{
	for (uint32_t n = 0; n < count; n++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = rows->listener_count};
		int fd;

		if (is_listened(rows, ports[n]))
			continue;
		fd = rows->listener_count == LISTENERS_MAX ? -1 : open_socket(rows, ports[n]);
		if (fd < 0)
			return problem_set(
				ret_problem,
				errno == EADDRINUSE ? SL_E_BUSY : status_of_errno(errno),
				"port %u on interface \"%s\": %s",
				ports[n],
				rows->interface,
				strerror(errno)
			);
		rows->listener[rows->listener_count++] =
			(struct listener){.socket = fd, .port = ports[n]};
		(void)epoll_ctl(rows->poll, EPOLL_CTL_ADD, fd, &event);
	}
	return SL_OK;
}

uint32_t kernel_rows_take(struct kernel_rows *rows, struct kernel_row *ret_rows[], uint32_t max)
{
	return rte_ring_sc_dequeue_burst(rows->received, (void **)ret_rows, max, NULL);
}

void kernel_rows_put(struct kernel_rows *rows, struct kernel_row *const taken[], uint32_t count)
{
	(void)rte_ring_sp_enqueue_bulk(rows->free, (void *const *)taken, count, NULL);
}
