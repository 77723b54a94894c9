#pragma once

#include "io/base/status.h"
#include "io/uring.h"

// The stand-in for io_uring: transfers by pread and pwrite in a few threads.

struct transfer_threads;

enum sl_status transfer_threads_new(struct transfer_threads **ret_threads);
void transfer_threads_submit(struct transfer_threads *threads, struct uring_op *op);

/** Wait for one that has ended. There must be one in flight. */
struct uring_op *transfer_threads_wait(struct transfer_threads *threads);

/** Whether transfer_threads_wait would not wait. */
bool transfer_threads_have_done(struct transfer_threads *threads);

/** Nothing may be in flight. NULL is fine. */
void transfer_threads_free(struct transfer_threads *threads);

/** Transfer what is left of op, or sync, in the calling thread. */
void transfer_run(struct uring_op *op);
