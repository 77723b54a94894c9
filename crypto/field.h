#pragma once

#include "io/base/limits.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A sealed field is what Google Tink's AES-GCM writes, in base64 with padding:
//
//	0x01 | key id (4, big endian) | IV (12) | ciphertext (as long as the text) | tag (16)
//
// The associated data is the field's path. The IV is either random or synthetic: the first 12 bytes
// of AES-CMAC under the IV key over
//
//	path size (2, big endian) | path | zeros up to a multiple of 16 | text
//
// so that equal texts at equal paths under equal keys stay equal. The zeros make the text begin at
// a block, and the size in front makes the encoding one-to-one.

enum {
	FIELD_KEY_SIZE = 32,   // bytes: AES-256
	FIELD_IV_SIZE = 12,    // bytes
	FIELD_TAG_SIZE = 16,   // bytes
	FIELD_PREFIX_SIZE = 5, // bytes: Tink's 0x01 and key id
	FIELD_OVERHEAD = FIELD_PREFIX_SIZE + FIELD_IV_SIZE + FIELD_TAG_SIZE,
	FIELD_TEXT_MAX = EVENT_SIZE_MAX,    // bytes of one field's text
	FIELD_BURST_MAX = 256,              // fields of one call
	FIELD_PATH_MAX = PATH_SIZE_MAX + 5, // bytes: a contract's path and "~json"
	FIELD_PATH_BLOCKS_MAX = (2 + FIELD_PATH_MAX + 15) / 16
};

/** A field's path as the cipher sees it; made once per contract by field_path_init. */
struct field_path {
	// Size, path, zeros: what goes before the text in the CMAC. A block of zeros more than that, so that the path's
	// own bytes can be read in whole blocks too.
	uint8_t block[(FIELD_PATH_BLOCKS_MAX + 1) * 16];
	uint32_t block_count; // 16-byte blocks of block[] in use, from 1
	uint32_t size;        // bytes of the path, 1..FIELD_PATH_MAX
};

/** The path's own bytes: the associated data. */
static inline const uint8_t *field_path_bytes(const struct field_path *p)
{
	return p->block + 2;
}

/**
 * Prepare a path.
 *
 * @return false when the path is empty or longer than FIELD_PATH_MAX; *ret_path is untouched then
 */
bool field_path_init(struct view path, struct field_path *ret_path);

/** Bytes of base64 that sealing text_size bytes makes; exact. */
static inline size_t field_sealed_size(size_t text_size)
{
	return (text_size + FIELD_OVERHEAD + 2) / 3 * 4;
}

/**
 * Upper bound of the text inside sealed_size bytes of base64 (exact after padding is known).
 * 0 when so few bytes can not be a sealed field.
 */
static inline size_t field_text_size_max(size_t sealed_size)
{
	size_t raw = sealed_size / 4 * 3;

	return raw < FIELD_OVERHEAD ? 0 : raw - FIELD_OVERHEAD;
}

/** Fields to seal, column by column; every field has keys of its own. The caller owns all bytes. */
struct seal_burst {
	uint32_t count;                                 // 0..FIELD_BURST_MAX
	const uint8_t *field_key[FIELD_BURST_MAX];      // [FIELD_KEY_SIZE] each
	const uint8_t *iv_key[FIELD_BURST_MAX];         // [FIELD_KEY_SIZE] each; NULL: random IV
	const struct field_path *path[FIELD_BURST_MAX]; // associated data
	uint32_t key_id[FIELD_BURST_MAX];               // Tink key id
	struct view text[FIELD_BURST_MAX];              // 0..FIELD_TEXT_MAX bytes
	uint8_t *sealed
		[FIELD_BURST_MAX]; // out, [field_sealed_size(text.size)]; no overlap with text
};

/** Fields to open, column by column. */
struct open_burst {
	uint32_t count;                                 // 0..FIELD_BURST_MAX
	const uint8_t *field_key[FIELD_BURST_MAX];      // [FIELD_KEY_SIZE] each
	const struct field_path *path[FIELD_BURST_MAX]; // associated data
	uint32_t key_id[FIELD_BURST_MAX];               // what the prefix must name
	struct view sealed[FIELD_BURST_MAX];            // base64
	uint8_t *text[FIELD_BURST_MAX];                 // out, [field_text_size_max(sealed.size)]
	uint32_t text_size[FIELD_BURST_MAX];            // out, bytes; 0 unless opened
	bool is_opened[FIELD_BURST_MAX];                // out; false: text[] is zeroed
};
