#pragma once

#include "control/api/key_table.h"

#include <stdint.h>

// Key links are UUIDs of version 7 (RFC 9562), so that the vault only ever appends. The order:
//
//	milliseconds (48) | 7 (4) | counter (12) | 2 (2) | counter (38) | random (24)
//
// The counter starts anew, low and random, in each millisecond and takes small random steps inside
// one, which leave room in between. The last three bytes stay wholly random because Tink's key ids are made of them.

enum {
	KEY_LINK_RANDOM_SIZE = 8, // bytes of randomness that a link uses up
	KEY_LINK_BESIDES = 4096   // links that find room between two of a maker
};

/** Makes links that ascend strictly, whatever the clock does. */
struct key_link_maker {
	uint64_t ms;      // of the last link
	uint64_t counter; // of the last link, 50 bits
};

/** Go on after a link; NULL: from the beginning of time. */
void key_link_init(struct key_link_maker *maker, const uint8_t last[KEY_LINK_SIZE]);

/** The next link. */
void key_link_next(
	struct key_link_maker *maker,
	int64_t now_ms,
	const uint8_t random[static KEY_LINK_RANDOM_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
);

/**
 * A link right above `last` and below every link that a maker gives after it: so that control can put a key of its own
 * between those that a dataplane is making. Up to KEY_LINK_BESIDES in a row, each above the one before.
 */
void key_link_beside(
	const uint8_t last[static KEY_LINK_SIZE],
	const uint8_t random[static KEY_LINK_RANDOM_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
);
