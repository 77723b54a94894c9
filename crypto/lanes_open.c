#include "crypto/lanes_scratch.h"
#include "crypto/secret.h"
#include "io/base/attr.h"

static void refuse_field(struct open_burst *burst, uint32_t i)
{
	bytes_wipe(burst->text[i], field_text_size_max(burst->sealed[i].size));
	burst->text_size[i] = 0;
	burst->is_opened[i] = false;
}

static void open_left(struct lanes *l, struct open_burst *burst)
{
	UNINITIALIZED uint16_t rows[FIELD_BURST_MAX + ROWS_OF_SHAPE];
	uint32_t count = lanes_rows_take(&l->rows, rows);
	uint32_t width = l->level->width;

	for (uint32_t i = 0; i < count; i += width)
		l->level->open_fields(
			l->scratch, burst, rows + i, count - i < width ? count - i : width
		);
}

size_t lanes_open_fields(
	struct lanes *l,
	struct open_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
)
{
	struct lanes_rows *rows = &l->rows;
	size_t rest = 0;
	size_t size;

	for (uint32_t i = 0; i < burst->count; i++) {
		uint8_t shape;

		if (!lanes_text_size(burst->sealed[i], &size)) {
			refuse_field(burst, i);
			continue;
		}
		if (size > l->level->text_max) {
			ret_rest[rest++] = (uint16_t)i;
			continue;
		}
		shape = lanes_shape_of(burst->path[i]->block_count, size);
		if (lanes_rows_add(rows, i, shape) < l->level->width)
			continue;
		l->level->open_fields(l->scratch, burst, rows->row[shape], l->level->width);
		rows->count[shape] = 0;
	}
	open_left(l, burst);
	lanes_wipe(l);
	return rest;
}
