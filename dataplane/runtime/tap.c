#include "dataplane/runtime/tap.h"

#include "dataplane/runtime/interface.h"

#include <rte_mbuf.h>

#include <sys/uio.h>
#include <unistd.h>

enum {
	PIECES_MAX = 16,      // of one frame
	QUIET_NS = 100 * 1000 // between looks at a queue that was empty: each is a system call
};

enum sl_status tap_open(
	const char *name,
	uint32_t queues,
	struct tap *ret_tap,
	struct problem *ret_problem
)
{
	struct tap tap = {0};

	for (uint32_t q = 0; q < queues; q++) {
		enum sl_status status = interface_open_tap(name, &tap.fd[q], ret_problem);

		if (status != SL_OK) {
			tap_close(&tap);
			return status;
		}
		tap.count++;
	}
	*ret_tap = tap;
	return SL_OK;
}

void tap_close(struct tap *tap)
{
	for (uint32_t q = 0; q < tap->count; q++) {
		close(tap->fd[q]);
		rte_pktmbuf_free(tap->spare[q]);
	}
	tap->count = 0;
}

bool tap_put(const struct tap *tap, uint16_t queue, const struct rte_mbuf *frame)
{
	struct iovec pieces[PIECES_MAX];
	int count = 0;

	for (const struct rte_mbuf *m = frame; m != NULL; m = m->next) {
		if (count == PIECES_MAX)
			return false;
		pieces[count++] = (struct iovec){
			.iov_base = rte_pktmbuf_mtod(m, void *),
			.iov_len = rte_pktmbuf_data_len(m),
		};
	}
	return writev(tap->fd[queue], pieces, count) > 0;
}

/** Read one frame into the spare buffer. @return its bytes, or none */
static uint32_t read_frame(struct tap *tap, uint16_t queue, struct rte_mempool *frames)
{
	struct rte_mbuf *spare = tap->spare[queue];
	ssize_t got;

	if (spare == NULL)
		spare = tap->spare[queue] = rte_pktmbuf_alloc(frames);
	if (spare == NULL)
		return 0;
	got = read(tap->fd[queue], rte_pktmbuf_mtod(spare, void *), rte_pktmbuf_tailroom(spare));
	return got > 0 ? (uint32_t)got : 0;
}

uint32_t tap_take(
	struct tap *tap,
	uint16_t queue,
	struct rte_mempool *frames,
	uint64_t now_ns,
	struct rte_mbuf *ret_frames[],
	uint32_t max
)
{
	uint32_t count = 0;

	if (now_ns < tap->quiet_until_ns[queue])
		return 0;
	for (uint32_t n = 0; n < max; n++) {
		uint32_t size = read_frame(tap, queue, frames);
		struct rte_mbuf *frame = tap->spare[queue];

		if (size == 0) {
			tap->quiet_until_ns[queue] = now_ns + QUIET_NS;
			break;
		}
		// One that fills the buffer was longer than any that the interface's MTU allows.
		if (size == rte_pktmbuf_tailroom(frame))
			continue;
		frame->data_len = (uint16_t)size;
		frame->pkt_len = size;
		ret_frames[count++] = frame;
		tap->spare[queue] = NULL;
	}
	return count;
}
