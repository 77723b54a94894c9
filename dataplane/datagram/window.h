#pragma once

#include "dataplane/datagram/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What of a session's sequences [next, next + WIRE_WINDOW) has come, is stored, and is stored and safe to acknowledge.
// Everything below next is all three; everything from next + WIRE_WINDOW on is none.
//
//	        next                       next + WIRE_WINDOW
//	  ssssss|  r  ss rr s  r      |
//	committed ⊆ stored ⊆ received

enum {
	WINDOW_WORDS = WIRE_WINDOW / 64
};

/** Bit s % WIRE_WINDOW of each map is sequence s. All zeros: a new session. */
struct window {
	uint64_t received[WINDOW_WORDS];
	uint64_t stored[WINDOW_WORDS];
	uint64_t committed[WINDOW_WORDS]; // stored, and so in a checkpoint
	uint64_t next;                    // lowest sequence that is not committed
};

enum window_outcome {
	WINDOW_NEW,       // taken
	WINDOW_UNDER_WAY, // was taken, is not committed
	WINDOW_COMMITTED,
	WINDOW_BEYOND // further than a client may be
};

/** Take a sequence. */
enum window_outcome window_take(struct window *w, uint64_t sequence);

/** Undo a take. What is stored stays; others are no matter. */
void window_give_back(struct window *w, uint64_t sequence);

/** A taken sequence is stored. False when it was not under way. */
bool window_store(struct window *w, uint64_t sequence);

/** All that is stored is committed. */
void window_commit(struct window *w);

/** Lowest sequence that is not stored. */
uint64_t window_stored_next(const struct window *w);

/** 64 bits of a map from a sequence on; those outside of the window are 0. */
uint64_t window_bits(
	const struct window *w,
	const uint64_t map[static WINDOW_WORDS],
	uint64_t first
);

/** Where the last set bit of a map at or after a sequence is, + 1; the sequence when there is none. */
uint64_t window_end(
	const struct window *w,
	const uint64_t map[static WINDOW_WORDS],
	uint64_t first
);
