// Finds records that the CSV parser reads outside, or cuts into other cells than its iterator.
// Targets: csv_header_read, csv_parse_batch, csv_next_cell, csv_unescape

#include "dataplane/pipeline/csv.h"
#include "tests/support/policy_builder.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const struct build_field fields[] = {
	{.path = "a", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "c"},
	{0},
};
static const struct build build = {
	.fields = fields,
	.format = POLICY_CSV,
	.key = "a",
	.undeclared = POLICY_UNDECLARED_DROP,
};

static struct batch batch;

/** The cells joined again are the record, and cells that are decoded are never longer. */
static void check_cells(struct view record)
{
	struct csv_cell cell;
	uint32_t at = 0;
	uint32_t position = 0;
	uint32_t count = 0;

	while (csv_next_cell(record, ',', &at, &cell) == CSV_CELL) {
		uint32_t size = cell.end - cell.start;
		uint8_t *text = malloc(size + 1);

		if (cell.start != position || cell.end > record.size || count >= 3)
			abort();
		if (csv_unescape(view_of(record.bytes + cell.start, size), text) > size)
			abort();
		if (batch.cell[count].start != cell.start || batch.cell[count].end != cell.end)
			abort();
		free(text);
		position = cell.end + 1;
		count++;
	}
	if (position != record.size + 1 || count != batch.cell_count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct policy_image *image;
	static struct csv_header *header;
	struct problem problem;
	struct csv_header *read;
	uint8_t *copy = malloc(size + BATCH_FRAME_PADDING);
	struct policy policy;

	if (image == NULL) {
		image = policy_build(&build);
		if (csv_header_read(view_of_text("a,b,c"), image, &header, &problem) != SL_OK)
			abort();
	}
	policy = policy_build_bare(image);
	if (size != 0)
		memcpy(copy, bytes, size);
	memset(copy + size, '"', BATCH_FRAME_PADDING);
	if (csv_header_read(view_of(copy, size), image, &read, &problem) == SL_OK)
		csv_header_free(read);
	batch.row_count = batch.live_count = 1;
	batch.live[0] = 0;
	batch.frame[0] = view_of(copy, size);
	csv_parse_batch(&batch, &policy, header);
	if (batch.live_count == 1)
		check_cells(batch.frame[0]);
	free(copy);
	return 0;
}
