#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stddef.h>
#include <stdint.h>

// Cleartext Tink keyset JSON with AES-256-GCM keys, as exported in the keys file:
// {"primaryKeyId":…,"key":[{"keyData":{"typeUrl":"type.googleapis.com/google.crypto.tink.AesGcmKey",
// "value":"<base64 of 1a 20 key>","keyMaterialType":"SYMMETRIC"},"status":"ENABLED","keyId":…,
// "outputPrefixType":"TINK"}]}

enum {
	TINK_KEYS_MAX = 64,             // keys of one keyset
	TINK_KEY_JSON_MAX = 256,        // bytes of JSON per key, an upper bound
	TINK_KEYSET_JSON_OVERHEAD = 64, // bytes of JSON around the keys, an upper bound
};

/** One AES-256-GCM key of a keyset. */
struct tink_key {
	uint32_t id;
	uint8_t key[32];
};

/**
 * Write a keyset as one line of JSON; the first key is the primary.
 *
 * @param json [count * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD] out
 * @return bytes written
 */
size_t tink_keyset_write(const struct tink_key keys[], size_t count, uint8_t *json);

/**
 * Read a keyset, its primary key first: only ENABLED AesGcmKey entries with 32-byte keys and prefix TINK are accepted; anything else
 * is refused with the reason.
 *
 * Outcomes  SL_OK; SL_E_SYNTAX, SL_E_UNSUPPORTED (another key type, key size or prefix), SL_E_TOO_BIG
 */
enum sl_status tink_keyset_read(
	struct view json,
	struct tink_key ret_keys[static TINK_KEYS_MAX],
	size_t *ret_count,
	struct problem *ret_problem
);

/**
 * The Tink key id of one purpose of a key link: bits 29..6 from the link's last three bytes, bits 5..0 the purpose, bit 30
 * set. So ids of one keyset differ, none is 0, all are positive in languages without unsigned integers, and a sealed
 * field tells its purpose.
 */
static inline uint32_t tink_key_id(const uint8_t key_link[static 16], uint8_t purpose)
{
	return 0x40000000u | (uint32_t)key_link[13] << 22 | (uint32_t)key_link[14] << 14
		| (uint32_t)key_link[15] << 6 | purpose;
}
