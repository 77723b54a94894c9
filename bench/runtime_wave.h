#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;
struct rte_ring;

// Frames of events: made ahead, so that nobody but the workers works while they are timed, or as they are taken.

enum {
	WAVE_FRAMES = 16384, // of a worker
	WAVE_EVENT_SIZE = 512,
	WAVE_PORT = 7001,    // UDP
	WAVE_USER_DIGITS = 8 // of the events' user
};

/** The contract of the events: three fields are sealed. */
extern const char wave_contract[];

struct wave {
	struct rte_mbuf *frame[WAVE_FRAMES];
	uint32_t count;
	uint32_t sent; // of them
};

/** Whose events. */
struct wave_plan {
	struct rte_mempool *pool;
	bool has_checksum; // UDP's
	uint64_t users;
	uint64_t *next; // users in order from here; NULL = at random
};

/** Make up to count events, each of a user of its own. Gives up when the pool is empty. */
void wave_prepare(struct wave *ret_wave, const struct wave_plan *plan, uint32_t count);

/** Put events on a ring for so long, as fast as they are taken off. @return how many */
uint64_t wave_stream(struct rte_ring *to, const struct wave_plan *plan, double seconds);
