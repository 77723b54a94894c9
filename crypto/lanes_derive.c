#include "crypto/lanes_scratch.h"

#include <string.h>

enum {
	KEYS_PER_PASS = LANES_TEXT_BLOCKS_MAX / 2 // a key is two blocks
};

/** SP 800-108 §5.1: [i] | Label | 0x00 | Context | [L]; engine.h has the sizes. */
static void write_input(uint8_t block[static 16], uint8_t counter, bool is_iv_key, uint8_t purpose)
{
	block[0] = counter;
	memcpy(block + 1, is_iv_key ? "sl-ivkey" : "sl-field", 8);
	memset(block + 9, 0, 4);
	block[13] = is_iv_key ? 0 : purpose;
	block[14] = 0x01;
	block[15] = 0x00;
}

/** Keys first..first + count of the 1 + purpose_count keys of every lane's data key. */
static void derive_pass(
	struct lanes *l,
	const uint8_t *purposes,
	size_t first,
	size_t count,
	uint32_t lanes
)
{
	struct lanes_batch *b = &l->scratch->batch;
	uint8_t block[16];

	b->count = lanes;
	b->text_steps = (uint32_t)count * 2;
	b->rows_used = LANES_TEXT_BLOCKS_MAX;
	for (size_t step = 0; step < count * 2; step++) {
		size_t key = first + step / 2;

		write_input(
			block, (uint8_t)(1 + step % 2), key == 0, key == 0 ? 0 : purposes[key - 1]
		);
		for (uint32_t lane = 0; lane < lanes; lane++)
			memcpy(b->text[step].lane[lane], block, sizeof(block));
	}
	l->level->derive(b);
}

void lanes_derive(
	struct lanes *l,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
)
{
	struct lanes_batch *b = &l->scratch->batch;
	size_t keys = 1 + purpose_count;
	uint32_t lanes;

	for (size_t i = 0; i < count; i += lanes) {
		lanes = count - i < l->level->width ? (uint32_t)(count - i) : l->level->width;
		for (uint32_t lane = 0; lane < LANES_WIDTH_MAX; lane++)
			b->key[lane] = dek + (i + (lane < lanes ? lane : 0)) * FIELD_KEY_SIZE;
		for (size_t first = 0; first < keys; first += KEYS_PER_PASS) {
			size_t left = keys - first;
			size_t now = left < KEYS_PER_PASS ? left : KEYS_PER_PASS;

			derive_pass(l, purposes, first, now, lanes);
			for (uint32_t lane = 0; lane < lanes; lane++)
				for (size_t step = 0; step < now * 2; step++)
					memcpy(ret_keys
						       + ((i + lane) * keys + first)
							       * FIELD_KEY_SIZE
						       + step * 16,
					       b->text[step].lane[lane],
					       16);
		}
	}
	lanes_wipe(l);
}
