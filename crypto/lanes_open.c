#include "crypto/lanes_scratch.h"
#include "crypto/secret.h"

static void refuse_field(struct open_burst *burst, uint32_t i)
{
	bytes_wipe(burst->text[i], field_text_size_max(burst->sealed[i].size));
	burst->text_size[i] = 0;
	burst->is_opened[i] = false;
}

size_t lanes_open_fields(
	struct lanes *l,
	struct open_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
)
{
	uint32_t width = l->level->width;
	struct lanes_rows rows;
	size_t rest = 0;
	size_t size;

	rows.count = 0;
	rows.is_mixed = false;
	for (uint32_t i = 0; i < burst->count; i++)
		if (!lanes_text_size(burst->sealed[i], &size))
			refuse_field(burst, i);
		else if (size > l->level->text_max)
			ret_rest[rest++] = (uint16_t)i;
		else
			lanes_rows_add(&rows, i, burst->path[i]->block_count, size);
	lanes_rows_sort(&rows);
	for (uint32_t i = 0; i < rows.count; i += width) {
		uint32_t left = rows.count - i;

		l->level->open_fields(l->scratch, burst, rows.row + i, left < width ? left : width);
	}
	lanes_wipe(l);
	return rest;
}
