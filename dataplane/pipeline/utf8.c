#include "dataplane/pipeline/utf8.h"

#include <stdint.h>
#include <string.h>

/** Bytes of the valid character at the start of text; 0 = there is none. */
static size_t character_size(const uint8_t *text, size_t size)
{
	uint8_t lead = text[0];
	size_t need = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	// Of the second byte: tighter after these leads, against overlongs, surrogates and what
	// lies beyond U+10FFFF.
	uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

	if (need <= 1)
		return need;
	if (lead > 0xf4 || need > size || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

/** Leading bytes that are ASCII, eight at a time. */
static size_t skip_ascii(const uint8_t *text, size_t size)
{
	size_t at = 0;
	uint64_t word;

	for (; at + sizeof(word) <= size; at += sizeof(word)) {
		memcpy(&word, text + at, sizeof(word));
		if ((word & 0x8080808080808080) != 0)
			break;
	}
	return at;
}

bool utf8_is_valid(struct view text)
{
	size_t at = 0;

	while (at < text.size) {
		size_t step = skip_ascii(text.bytes + at, text.size - at);

		if (step == 0)
			step = character_size(text.bytes + at, text.size - at);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}
