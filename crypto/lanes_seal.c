#include "crypto/lanes_scratch.h"
#include "io/base/attr.h"

static void seal_batch(
	struct lanes *l,
	struct seal_burst *burst,
	const uint16_t rows[],
	uint32_t count,
	bool is_random
)
{
	l->level->seal_fields(l->scratch, burst, rows, count, is_random);
}

/** Let a row wait, and seal it with the others of its shape once they fill the lanes. */
static void seal_in_time(struct lanes *l, struct seal_burst *burst, uint32_t i, bool is_random)
{
	struct lanes_rows *rows = is_random ? &l->random_rows : &l->rows;
	uint8_t shape = lanes_shape_of(burst->path[i]->block_count, burst->text[i].size);

	if (lanes_rows_add(rows, i, shape) < l->level->width)
		return;
	seal_batch(l, burst, rows->row[shape], l->level->width, is_random);
	rows->count[shape] = 0;
}

static void seal_left(struct lanes *l, struct seal_burst *burst, bool is_random)
{
	UNINITIALIZED uint16_t rows[FIELD_BURST_MAX + ROWS_OF_SHAPE];
	uint32_t count = lanes_rows_take(is_random ? &l->random_rows : &l->rows, rows);
	uint32_t width = l->level->width;

	for (uint32_t i = 0; i < count; i += width)
		seal_batch(l, burst, rows + i, count - i < width ? count - i : width, is_random);
}

size_t lanes_seal_fields(
	struct lanes *l,
	struct seal_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
)
{
	size_t text_max = l->level->text_max;
	bool has_ivs = false;
	size_t rest = 0;

	for (uint32_t i = 0; i < burst->count; i++) {
		bool is_random = burst->iv_key[i] == NULL;

		if (burst->text[i].size > text_max) {
			ret_rest[rest++] = (uint16_t)i;
			continue;
		}
		if (is_random && !has_ivs) {
			l->random(
				l->random_context,
				l->scratch->iv,
				burst->count * sizeof(l->scratch->iv[0])
			);
			has_ivs = true;
		}
		seal_in_time(l, burst, i, is_random);
	}
	seal_left(l, burst, false);
	seal_left(l, burst, true);
	lanes_wipe(l);
	return rest;
}
