#pragma once

#include "control/api/key_ring.h"
#include "control/api/key_source.h"
#include "crypto/engine.h"

#include <stdbool.h>
#include <stdint.h>

// Where the packet path's keys come from: the shared key table of a stream; a key that is missing is made here, written
// to the key journal and then to the table. Nothing waits: rows are shown to nobody before their key is durable.

/** What all workers of a dataplane share: claims of new keys go one after the other. */
struct key_maker;

enum sl_status key_maker_new(struct key_ring *ring, struct key_maker **ret_maker);
void key_maker_free(struct key_maker *maker);

struct key_claim_options {
	struct key_maker *maker; // shared
	struct key_table *table; // the stream's, shared
	struct engine *engine;   // the worker's own
	const uint8_t *hash_key; // [SIPHASH_KEY_SIZE] secret, the vault's
	const uint8_t *purposes; // [purpose_count] as in the image
	uint32_t purpose_count;
	uint64_t scope;
	int64_t window_ms; // a key older than this is replaced; 0 = never
};

/** One worker's access to one stream's keys. */
struct key_claim;

enum sl_status key_claim_new(const struct key_claim_options *options, struct key_claim **ret_claim);
void key_claim_free(struct key_claim *claim);

/**
 * Whether it may be used for a turn now: the ring has room for so many turns, as of all workers at once, and the claim takes
 * its share only. While records that it has put are not durable, as many must be free for others; so one that makes new keys without
 * end holds no more than half of what others leave. The claim's own worker, no lock.
 */
bool key_claim_has_room(struct key_claim *claim, uint32_t turns);

/**
 * For turn.keys; set its now_ms before each turn. Run a turn only when key_claim_has_room: a claim that finds no room is
 * refused, and its rows go to the dead letters. The same when the table is full of keys that are not durable yet.
 *
 * A key that gave way in a full table is not looked for in the vault: its owner gets a second key in the same window
 * (docs/decisions/0009-second-key-after-eviction.md). So the table must hold the keys of a window.
 */
struct key_source key_claim_source(struct key_claim *claim);
