#include "io/uring.h"

#include "io/fault.h"
#include "io/transfer_threads.h"

#include <liburing.h>

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>

// Implementation notes. The ring is made without SINGLE_ISSUER and DEFER_TASKRUN: an input or
// output may be handed from the thread that used it to the one that cleans up after a failure,
// which these flags forbid, and with transfers of 256 KiB and more no gain by them showed above the
// noise. A thread's end cancels what it had in flight; such transfers are begun again, as are short
// ones.
//
// A memory file system never waits for a disk, but the kernel does not know this of its own and
// hands every transfer to a thread: two switches for a copy that takes no longer than they do. There
// the caller copies.

enum choice {
	CHOICE_MACHINE,
	CHOICE_URING,
	CHOICE_POSIX,
	CHOICE_PLAIN,
	CHOICE_UNKNOWN
};

struct uring {
	struct io_uring ring;
	struct transfer_threads *threads; // NULL = io_uring, or is_plain
	struct uring_op *ended; // refused before they began, or plain; uring_wait gives them back
	uint32_t in_flight;
	bool is_plain;  // the caller's thread does each transfer when it is submitted
	bool has_fixed; // regions are registered
	char text[128];
};

static enum choice choose(void)
{
	const char *name = getenv("SEALANE_IO");

	if (name == NULL || name[0] == '\0')
		return CHOICE_MACHINE;
	if (strcmp(name, "uring") == 0)
		return CHOICE_URING;
	if (strcmp(name, "posix") == 0)
		return CHOICE_POSIX;
	if (strcmp(name, "plain") == 0)
		return CHOICE_PLAIN;
	return CHOICE_UNKNOWN;
}

/** Does the file lie in memory, where there is nothing to wait for? */
static bool is_in_memory(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 && (st.f_type == TMPFS_MAGIC || st.f_type == RAMFS_MAGIC);
}

static int begin_ring(struct uring *r, uint32_t depth)
{
	int error = io_fault_of(IO_STEP_RING);

	if (error != 0)
		return error;
	return -io_uring_queue_init(depth, &r->ring, 0);
}

static void register_regions(struct uring *r, const struct iovec regions[], uint32_t count)
{
	int error = io_fault_of(IO_STEP_PIN);

	if (error == 0)
		error = -io_uring_register_buffers(&r->ring, regions, count);
	r->has_fixed = error == 0;
	if (error == 0)
		snprintf(r->text, sizeof(r->text), "io_uring with registered buffers");
	else if (error == ENOMEM)
		snprintf(
			r->text,
			sizeof(r->text),
			"io_uring; buffers are not registered: beyond the limit of locked memory"
		);
	else
		snprintf(
			r->text,
			sizeof(r->text),
			"io_uring; buffers are not registered: %s",
			strerror(error)
		);
}

/** Plain transfers: nothing to be set up. */
static void begin_plain(struct uring *r, enum choice choice)
{
	r->is_plain = true;
	snprintf(
		r->text,
		sizeof(r->text),
		"plain reads and writes: %s",
		choice == CHOICE_PLAIN ? "SEALANE_IO=plain" : "the file lies in memory"
	);
}

/** A ring; threads where it is refused. */
static enum sl_status begin_ahead(
	struct uring *r,
	enum choice choice,
	const struct iovec regions[],
	uint32_t region_count,
	uint32_t depth
)
{
	int error = choice == CHOICE_POSIX ? 0 : begin_ring(r, depth);

	if (choice == CHOICE_URING && error != 0)
		return SL_E_UNSUPPORTED;
	if (choice != CHOICE_POSIX && error == 0) {
		register_regions(r, regions, region_count);
		return SL_OK;
	}
	snprintf(
		r->text,
		sizeof(r->text),
		"threads with pread and pwrite: %s%s",
		error == 0 ? "SEALANE_IO=posix" : "io_uring is refused: ",
		error == 0 ? "" : strerror(error)
	);
	return transfer_threads_new(&r->threads);
}

enum sl_status uring_new(
	int fd,
	const struct iovec regions[],
	uint32_t region_count,
	uint32_t depth,
	struct uring **ret_ring
)
{
	enum choice choice = choose();
	enum sl_status status = SL_OK;
	struct uring *r;

	if (choice == CHOICE_UNKNOWN)
		return SL_E_INVALID;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return SL_E_NOMEM;
	if (choice == CHOICE_PLAIN || (choice == CHOICE_MACHINE && is_in_memory(fd)))
		begin_plain(r, choice);
	else
		status = begin_ahead(r, choice, regions, region_count, depth);
	if (status != SL_OK) {
		free(r);
		return status;
	}
	*ret_ring = r;
	return SL_OK;
}

/** The transfer is over before it began, or has been done at once. */
static void end_at_once(struct uring *r, struct uring_op *op, int error)
{
	op->error = error;
	op->next = r->ended;
	r->ended = op;
}

/** Give the kernel what is left of op. */
static void pass_on(struct uring *r, struct uring_op *op)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
	uint8_t *at = op->bytes + op->done;
	uint32_t left = op->size - op->done;
	uint64_t offset = op->offset + op->done;
	int n;

	if (sqe == NULL)
		SL_BUG("more transfers in flight than the ring's depth");
	if (op->is_sync)
		io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
	else if (r->has_fixed && op->is_write)
		io_uring_prep_write_fixed(sqe, op->fd, at, left, offset, (int)op->region);
	else if (r->has_fixed)
		io_uring_prep_read_fixed(sqe, op->fd, at, left, offset, (int)op->region);
	else if (op->is_write)
		io_uring_prep_write(sqe, op->fd, at, left, offset);
	else
		io_uring_prep_read(sqe, op->fd, at, left, offset);
	io_uring_sqe_set_data(sqe, op);

	// The kernel may be short of memory for a moment; the entry stays in the queue until it is
	// taken.
	do
		n = io_uring_submit(&r->ring);
	while (n == -EINTR || n == -EAGAIN || n == -EBUSY);
	if (n < 0)
		SL_BUG("the kernel refuses a valid submission");
}

void uring_submit(struct uring *r, struct uring_op *op)
{
	enum io_step step = op->is_write ? IO_STEP_WRITE : IO_STEP_READ;
	int error = io_fault_of(op->is_sync ? IO_STEP_SYNC : step);

	op->done = 0;
	op->error = 0;
	r->in_flight++;
	if (error == 0 && r->is_plain) {
		transfer_run(op);
		error = op->error;
	}
	if (error != 0 || r->is_plain)
		end_at_once(r, op, error);
	else if (r->threads != NULL)
		transfer_threads_submit(r->threads, op);
	else
		pass_on(r, op);
}

/** Take up what the kernel says of one transfer; false when it goes on. */
static bool settle(struct uring *r, struct uring_op *op, int result)
{
	if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
		pass_on(r, op);
		return false;
	}
	if (result < 0)
		op->error = -result;
	else if (result == 0 && op->is_write)
		op->error = EIO;
	if (result <= 0)
		return true;
	op->done += (uint32_t)result;
	if (op->done == op->size)
		return true;
	pass_on(r, op);
	return false;
}

static struct uring_op *wait_for_kernel(struct uring *r)
{
	for (;;) {
		struct io_uring_cqe *cqe;
		struct uring_op *op;
		int result = io_uring_wait_cqe(&r->ring, &cqe);

		if (result == -EINTR || result == -EAGAIN)
			continue;
		if (result < 0)
			SL_BUG("the kernel refuses to wait for transfers");
		op = io_uring_cqe_get_data(cqe);
		result = cqe->res;
		io_uring_cqe_seen(&r->ring, cqe);
		if (settle(r, op, result))
			return op;
	}
}

struct uring_op *uring_wait(struct uring *r)
{
	struct uring_op *op = r->ended;

	if (r->in_flight == 0)
		return NULL;
	r->in_flight--;
	if (op != NULL) {
		r->ended = op->next;
		return op;
	}
	return r->threads != NULL ? transfer_threads_wait(r->threads) : wait_for_kernel(r);
}

bool uring_is_plain(const struct uring *r)
{
	return r->is_plain;
}

/** Whether uring_wait would not wait (unless a transfer was short). */
static bool has_ended(struct uring *r)
{
	if (r->ended != NULL || r->is_plain)
		return r->ended != NULL;
	if (r->threads != NULL)
		return transfer_threads_have_done(r->threads);
	return io_uring_cq_ready(&r->ring) != 0;
}

struct uring_op *uring_take(struct uring *r)
{
	return r->in_flight != 0 && has_ended(r) ? uring_wait(r) : NULL;
}

uint32_t uring_in_flight(const struct uring *r)
{
	return r->in_flight;
}

const char *uring_text(const struct uring *r)
{
	return r->text;
}

void uring_free(struct uring *r)
{
	if (r == NULL)
		return;
	while (uring_wait(r) != NULL)
		;
	if (r->threads != NULL)
		transfer_threads_free(r->threads);
	else if (!r->is_plain)
		io_uring_queue_exit(&r->ring);
	free(r);
}
