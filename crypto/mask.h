#pragma once

#include "io/base/view.h"

#include <stddef.h>
#include <stdint.h>

// One-way, seeded, stable replacement of a value in a derived view. HMAC is the sane default: without
// its key nobody can test guesses. Murmur3 is the reference service's form and is not a cryptographic
// hash: kept for those who must go on with masks they already have.

enum {
	MASK_TEXT_MAX = 32,       // characters of any mask
	MASK_KEY_SIZE = 32,       // bytes of an HMAC mask's key
	MASK_SEED_MAX = 1000,     // bytes of a Murmur3 mask's seed
	MASK_HMAC_STATE_SIZE = 80 // bytes: two SHA-256 states after the padded key, MAC of no bytes
};

/** Expand an HMAC mask key once; state is secret. */
void mask_hmac_prepare(
	const uint8_t key[static MASK_KEY_SIZE],
	uint8_t ret_state[static MASK_HMAC_STATE_SIZE]
);

/** Lower-case hexadecimal of the first 16 bytes of HMAC-SHA-256(key, value). Returns the characters written, 32. */
size_t mask_hmac(
	const uint8_t state[static MASK_HMAC_STATE_SIZE],
	struct view value,
	char ret_text[static MASK_TEXT_MAX]
);

/**
 * hex(h1) | hex(h2) of MurmurHash3 x64-128 (numeric seed 0) over seed | value, each half without leading zeros.
 *
 * @return characters written, 2..32
 */
size_t mask_murmur3(struct view seed, struct view value, char ret_text[static MASK_TEXT_MAX]);
