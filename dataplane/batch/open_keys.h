#pragma once

#include "dataplane/batch/open.h"

#include <stdint.h>

// Field keys by key link and purpose, from a keys file or from a vault. Events of one person stand all over a
// file, so what the vault said is remembered, in secret memory of a fixed size.

struct open_keys;

enum sl_status open_keys_new(const struct open_setup *setup, struct open_keys **ret_keys);
void open_keys_free(struct open_keys *keys);

/**
 * Find a field key.
 *
 * @param ret_state OPEN_PENDING with a key, else OPEN_NO_LINK or OPEN_NO_KEY
 * @param ret_key   out, when there is one. Secret
 *
 * Outcomes  SL_OK; SL_E_FORGED, SL_E_CORRUPT, SL_E_IO of the vault
 */
enum sl_status open_keys_find(
	struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose,
	enum open_state *ret_state,
	uint8_t ret_key[static KEY_SIZE]
);
