#pragma once

#include "io/base/attr.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

// Several reads and writes of files in flight at a time: by io_uring where the machine lets us,
// else by a few threads with pread and pwrite. Files that lie in memory are read and written at
// once, by the thread that asks: there is nothing to wait for. The environment's SEALANE_IO=uring,
// =posix or =plain decides instead of machine and file.

struct uring;

/**
 * One transfer at an offset of a file. The caller's, but not to be touched from uring_submit to
 * uring_wait.
 */
struct uring_op {
	uint8_t *bytes;  // [size]
	uint64_t offset; // in the file
	uint32_t size;   // bytes wanted
	uint32_t region; // of uring_new's, which bytes lies in
	int fd;
	bool is_write;
	bool is_sync;  // no bytes: make the file's data durable, as fdatasync does
	uint32_t done; // out: bytes; fewer than size only at the file's end or after an error
	int error;     // out: errno, or 0
	struct uring_op *next; // private
};

/**
 * @param fd       the file that is to be read or written, to learn where it lies
 * @param regions  memory that all transfers lie in, mapped by pages; may be registered with the
 *                 kernel
 * @param depth    transfers in flight at most
 * @param ret_ring freed by uring_free
 *
 * Outcomes  SL_OK; SL_E_UNSUPPORTED (SEALANE_IO=uring, and it is refused), SL_E_INVALID (another
 *           value of SEALANE_IO), SL_E_NOMEM
 */
enum sl_status uring_new(
	int fd,
	const struct iovec regions[],
	uint32_t region_count,
	uint32_t depth,
	struct uring **ret_ring
);

/**
 * Begin a transfer. It is taken up again after a short transfer or an interruption, until it is
 * whole.
 * Context  one thread at a time, not always the same; less than depth in flight
 */
void uring_submit(struct uring *ring, struct uring_op *op);

/**
 * Wait for any transfer to end and give it back; NULL when none is in flight. Context as
 * uring_submit.
 */
struct uring_op *uring_wait(struct uring *ring);

/**
 * Each transfer has ended when uring_submit returns, so that depth is of no use, and its bytes may
 * lie anywhere.
 */
bool uring_is_plain(const struct uring *ring);

/** As uring_wait, but NULL when none has ended yet. */
struct uring_op *uring_take(struct uring *ring);

uint32_t uring_in_flight(const struct uring *ring);

/** One line for people: what does the transfers, and why. */
const char *uring_text(const struct uring *ring);

/** Waits for what is in flight. NULL is fine. */
void uring_free(struct uring *ring);
