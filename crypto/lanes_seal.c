#include "crypto/lanes_scratch.h"

static void seal_rows(
	struct lanes *l,
	struct seal_burst *burst,
	struct lanes_rows *rows,
	bool is_random
)
{
	uint32_t width = l->level->width;

	if (rows->count == 0)
		return;
	if (is_random)
		l->random(
			l->random_context, l->scratch->iv, burst->count * sizeof(l->scratch->iv[0])
		);
	lanes_rows_sort(rows);
	for (uint32_t i = 0; i < rows->count; i += width) {
		uint32_t left = rows->count - i;

		l->level->seal_fields(
			l->scratch, burst, rows->row + i, left < width ? left : width, is_random
		);
	}
}

size_t lanes_seal_fields(
	struct lanes *l,
	struct seal_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
)
{
	size_t text_max = l->level->text_max;
	struct lanes_rows synthetic;
	struct lanes_rows random;
	size_t rest = 0;

	synthetic.count = 0;
	synthetic.is_mixed = false;
	random.count = 0;
	random.is_mixed = false;
	for (uint32_t i = 0; i < burst->count; i++) {
		uint32_t head_blocks = burst->path[i]->block_count;
		size_t size = burst->text[i].size;

		if (size > text_max)
			ret_rest[rest++] = (uint16_t)i;
		else if (burst->iv_key[i] == NULL)
			lanes_rows_add(&random, i, head_blocks, size);
		else
			lanes_rows_add(&synthetic, i, head_blocks, size);
	}
	seal_rows(l, burst, &synthetic, false);
	seal_rows(l, burst, &random, true);
	lanes_wipe(l);
	return rest;
}
