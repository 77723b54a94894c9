#include "io/reader.h"

#include "io/fault.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Implementation notes. With offsets, the reads in flight are a queue in order of the file:
//
//      taken from the pool -> | newest … oldest | -> reader_next
//
// They may end in any order; only the oldest is waited for.

enum {
	STOP_LOOK_MS = 100 // between two looks whether to stop, while a pipe is silent
};

struct reader {
	struct reader_source source;
	struct blocks *blocks;
	struct uring *ring;   // NULL = plain reads
	struct block **queue; // [depth]
	uint32_t depth;       // reads in flight at most
	uint32_t queue_first; // the oldest
	uint32_t queue_count; // 0..depth
	uint64_t begun;       // bytes that reads were begun for
	uint64_t delivered;   // bytes
	bool is_ended;
};

enum sl_status reader_new(
	const struct reader_source *source,
	struct blocks *blocks,
	uint32_t depth,
	struct reader **ret_reader
)
{
	struct reader *r = calloc(1, sizeof(*r));
	enum sl_status status = SL_E_NOMEM;
	struct iovec *regions = NULL;

	if (r == NULL)
		return SL_E_NOMEM;
	*r = (struct reader){.source = *source, .blocks = blocks, .depth = depth};
	r->queue = calloc(depth, sizeof(struct block *));
	regions = blocks_regions(blocks);
	if (r->queue != NULL && regions != NULL)
		status = source->has_offsets
			? uring_new(source->fd, regions, blocks->count, depth, &r->ring)
			: SL_OK;
	free(regions);
	if (status != SL_OK) {
		reader_free(r);
		return status;
	}
	// What is read at once is read when it is wanted, and found in the caches.
	if (r->ring != NULL && uring_is_plain(r->ring))
		r->depth = 1;
	*ret_reader = r;
	return SL_OK;
}

/** Begin reads until depth are in flight, the blocks are all out, or the file ends. */
static void read_ahead(struct reader *r)
{
	const struct reader_source *s = &r->source;

	while (r->queue_count < r->depth && (s->size == 0 || r->begun < s->size)) {
		uint64_t left = s->size == 0 ? UINT64_MAX : s->size - r->begun;
		struct block *block = blocks_take(r->blocks, r->queue_count == 0);

		if (block == NULL)
			return;
		block->is_done = false;
		block->op = (struct uring_op){
			.bytes = block->bytes,
			.offset = s->start + r->begun,
			.size = left < r->blocks->size ? (uint32_t)left : r->blocks->size,
			.region = block->index,
			.fd = s->fd,
		};
		r->begun += block->op.size;
		r->queue[(r->queue_first + r->queue_count++) % r->depth] = block;
		uring_submit(r->ring, &block->op);
	}
}

static struct block *block_of(struct uring_op *op)
{
	return (struct block *)((uint8_t *)op - offsetof(struct block, op));
}

/** Wait for the oldest read and take it off the queue. */
static struct block *take_oldest(struct reader *r)
{
	struct block *block = r->queue[r->queue_first];

	while (!block->is_done)
		block_of(uring_wait(r->ring))->is_done = true;
	r->queue_first = (r->queue_first + 1) % r->depth;
	r->queue_count--;
	return block;
}

/** What was read beyond the end, or after a failure, is of no use. */
static void drop_queue(struct reader *r)
{
	while (r->queue_count != 0)
		block_release(take_oldest(r));
}

static enum sl_status next_ahead(struct reader *r, struct block **ret_block, int *ret_error)
{
	struct block *block;

	read_ahead(r);
	if (r->queue_count == 0)
		return blocks_is_stopped(r->blocks) ? SL_E_INTERRUPTED : SL_OK;
	block = take_oldest(r);
	if (block->op.error != 0) {
		*ret_error = block->op.error;
		block_release(block);
		drop_queue(r);
		return status_of_errno(*ret_error);
	}
	if (block->op.done < block->op.size) {
		drop_queue(r);
		r->is_ended = true;
	}
	if (block->op.done == 0 || (r->is_ended && r->source.size != 0)) {
		block_release(block);
		return r->source.size != 0 ? SL_E_TRUNCATED : SL_OK;
	}
	*ret_block = block;
	return SL_OK;
}

ssize_t reader_read_plain(int fd, uint8_t *bytes, size_t size, struct blocks *blocks)
{
	struct pollfd wanted = {.fd = fd, .events = POLLIN};
	int error = io_fault_of(IO_STEP_READ);

	if (error != 0) {
		errno = error;
		return -1;
	}
	for (;;) {
		ssize_t n;

		if (blocks_is_stopped(blocks)) {
			errno = EINTR;
			return -1;
		}
		if (poll(&wanted, 1, STOP_LOOK_MS) == 0)
			continue;
		n = read(fd, bytes, size);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			return n;
	}
}

static enum sl_status next_plain(struct reader *r, struct block **ret_block, int *ret_error)
{
	struct block *block = blocks_take(r->blocks, true);
	struct uring_op *op;

	if (block == NULL)
		return SL_E_INTERRUPTED;
	op = &block->op;
	memcpy(block->bytes, r->source.head, r->source.head_size);
	*op = (struct uring_op){.size = r->blocks->size, .done = r->source.head_size};
	r->source.head_size = 0;
	while (op->done < op->size) {
		uint8_t *at = block->bytes + op->done;
		ssize_t n = reader_read_plain(r->source.fd, at, op->size - op->done, r->blocks);

		if (n < 0) {
			*ret_error = errno;
			block_release(block);
			return status_of_errno(*ret_error);
		}
		if (n == 0) {
			r->is_ended = true;
			break;
		}
		op->done += (uint32_t)n;
	}
	if (op->done == 0)
		block_release(block);
	else
		*ret_block = block;
	return SL_OK;
}

enum sl_status reader_next(
	struct reader *r,
	struct block **ret_block,
	uint32_t *ret_size,
	int *ret_error
)
{
	struct block *block = NULL;

	*ret_error = 0;
	if (!r->is_ended)
		SL_TRY(r->ring != NULL ? next_ahead(r, &block, ret_error)
				       : next_plain(r, &block, ret_error));
	if (block == NULL)
		r->is_ended = true;
	*ret_block = block;
	*ret_size = block == NULL ? 0 : block->op.done;
	r->delivered += *ret_size;
	return SL_OK;
}

const char *reader_text(const struct reader *r)
{
	return r->ring != NULL ? uring_text(r->ring) : "plain reads: not a regular file";
}

void reader_free(struct reader *r)
{
	if (r == NULL)
		return;
	if (r->ring != NULL)
		drop_queue(r);
	uring_free(r->ring);
	free(r->queue);
	free(r);
}
