#pragma once

#include "control/api/key_table.h"

#include <stdint.h>

// Which subjects were registered for which keys lately, so that owners with two subjects by turns do not register them with
// every event. A small memory that forgets: who asks in vain registers once more, which changes nothing.

struct key_pairs;

/** NULL when there is no memory. */
struct key_pairs *key_pairs_new(void);
void key_pairs_free(struct key_pairs *pairs);

/** @return the position in the key journal of (link, subject); 0 = forgotten or never there */
uint64_t key_pairs_find(
	const struct key_pairs *pairs,
	const uint8_t link[static KEY_LINK_SIZE],
	uint64_t subject
);

/** @param position from 1 */
void key_pairs_put(
	struct key_pairs *pairs,
	const uint8_t link[static KEY_LINK_SIZE],
	uint64_t subject,
	uint64_t position
);
