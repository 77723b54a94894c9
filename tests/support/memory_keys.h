#pragma once

#include "control/api/key_source.h"
#include "control/api/policy.h"
#include "crypto/engine.h"

#include <stdbool.h>
#include <stdint.h>

/** A source of keys without a vault: makes each key that is asked for, and writes down how it was asked. */
struct memory_keys {
	struct key_source source; // for struct turn
	struct engine *engine;    // borrowed
	const uint8_t *purposes;  // [purpose_count] borrowed
	uint32_t purpose_count;
	uint64_t position; // of the last key made
	bool is_refusing;  // set by a test: no key can be had

	uint64_t claim_count;    // calls
	uint64_t made_count;     // keys
	uint64_t linked_count;   // subjects registered for keys that were there
	uint64_t repeated_count; // wants that stood twice in one call, or for no key and link only
	uint8_t last_subject_hash[16];
	uint8_t hash_key[16];
};

/** Make a source with room for key_count_max keys of the image's purposes; aborts when there is no memory. */
struct memory_keys *memory_keys_new(
	struct engine *engine,
	const struct policy_image *image,
	size_t key_count_max
);
void memory_keys_free(struct memory_keys *keys);
