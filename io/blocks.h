#pragma once

#include "io/base/status.h"
#include "io/uring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

// A fixed pool of blocks of memory: one thread takes them, any thread gives them back.
//
//      | headroom (not touched, so not resident, until it is used) | size | padding |

struct blocks;

struct block {
	struct blocks *pool;
	uint8_t *bytes; // [pool->size], headroom before, padding after
	uint32_t index; // in the pool
	atomic_uint holds;
	struct block *next;
	struct uring_op op; // the transfer into it
	bool is_done;       // the transfer has ended
};

struct blocks {
	pthread_mutex_t lock; // guards free and is_stopped
	pthread_cond_t has_free;
	struct block *free;
	bool is_stopped;
	struct block *items; // [count]
	uint32_t count;
	uint32_t headroom;
	uint32_t size;
	uint8_t *map;
	size_t map_size;
};

enum {
	BLOCKS_PADDING = 64
};

/** Outcomes  SL_OK; SL_E_NOMEM (nothing to be done for then) */
enum sl_status blocks_init(struct blocks *blocks, uint32_t count, uint32_t headroom, uint32_t size);

/**
 * The memory of the blocks without headroom, for uring_new: regions[count], freed by free; NULL =
 * no memory.
 */
struct iovec *blocks_regions(const struct blocks *blocks);

/**
 * A free block, held once; NULL when there is none, or when blocks_stop was called while waiting.
 */
struct block *blocks_take(struct blocks *blocks, bool may_wait);

void block_hold(struct block *block);
void block_release(struct block *block);

/** Wake the taker: there will be no more. */
void blocks_stop(struct blocks *blocks);
bool blocks_is_stopped(struct blocks *blocks);

/** All must be free again. Fine for zeroes. */
void blocks_done(struct blocks *blocks);
