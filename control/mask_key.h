#pragma once

#include "crypto/mask.h"

#include <stdint.h>

/**
 * The key of an HMAC mask: the vault's own, or one for the seed, made from the vault's.
 *
 * @param vault_key [MASK_KEY_SIZE] vault_mask_key; NULL: zeros come out, good for finding faults only
 * @param seed      NULL = the vault's own
 */
void mask_key_make(
	const uint8_t *vault_key,
	const char *seed,
	uint8_t ret_key[static MASK_KEY_SIZE]
);
