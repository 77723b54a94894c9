#pragma once

#include "io/base/view.h"

#include <stddef.h>
#include <stdint.h>

static inline size_t base64_size(size_t raw_size)
{
	return (raw_size + 2) / 3 * 4;
}

/** Standard base64 with padding (RFC 4648 §4). Writes base64_size(raw.size) bytes; picks the CPU's best code once. */
void base64_encode(struct view raw, uint8_t *ret_text);

/**
 * Strict decoding: full quanta, canonical padding bits, no white space.
 *
 * @param ret_raw [text.size / 4 * 3] out
 * @return bytes decoded, or SIZE_MAX when text is not canonical base64
 */
size_t base64_decode(struct view text, uint8_t *ret_raw);
