#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/utf8.h"

#include <stdlib.h>
#include <string.h>

static const char meta_name[] = "strmMeta";

static enum sl_status fail(
	struct problem *ret_problem,
	enum sl_status status,
	uint32_t column,
	const char *what
)
{
	return problem_set(ret_problem, status, "column %u of the header %s", column + 1, what);
}

static struct view skip_byte_order_mark(struct view text)
{
	if (text.size >= 3 && memcmp(text.bytes, "\xef\xbb\xbf", 3) == 0)
		return view_of(text.bytes + 3, text.size - 3);
	return text;
}

/** The field that a column stands for: one of the top's children by name, or any by its path. */
static uint16_t field_of(const struct policy_image *image, struct view name)
{
	const struct policy_node *nodes = policy_nodes(image);
	const struct policy_field *fields = policy_fields(image);

	for (uint32_t i = 0; i < nodes[0].child_count; i++) {
		const struct policy_node *node = &nodes[nodes[0].first_child + i];

		if (node->kind == POLICY_NODE_MEMBER && node->field != POLICY_NONE
		    && view_equal(policy_view_of(image, node->name), name))
			return node->field;
	}
	for (uint32_t row = 0; row < image->fields.count; row++)
		if (view_equal(policy_view_of(image, fields[row].path), name))
			return (uint16_t)row;
	return POLICY_NONE;
}

static uint8_t roles_of(const struct policy_image *image, uint16_t field)
{
	if (field == POLICY_NONE)
		return 0;
	return (uint8_t
	)((field == image->key_field) << 0 | (field == image->subject_field) << 1
	  | (field == image->time_field) << 2 | (field == image->consent_field) << 3);
}

static bool is_meta(struct view name)
{
	size_t size = sizeof(meta_name) - 1;

	return name.size >= size && memcmp(name.bytes, meta_name, size) == 0
		&& (name.size == size || name.bytes[size] == '.');
}

static enum sl_status check_column(const struct csv_header *header, struct problem *ret_problem)
{
	uint32_t last = header->column_count - 1;
	const struct csv_column *column = &header->columns[last];

	if (column->name.size == 0)
		return fail(ret_problem, SL_E_SYNTAX, last, "has no name");
	if (is_meta(column->name))
		return fail(
			ret_problem, SL_E_EXISTS, last, "is strmMeta: the file is sealed already"
		);
	for (uint32_t i = 0; i < last; i++)
		if (view_equal(header->columns[i].name, column->name)
		    || (column->field != POLICY_NONE && header->columns[i].field == column->field))
			return fail(
				ret_problem, SL_E_SYNTAX, last, "has the name of one before it"
			);
	return SL_OK;
}

static enum sl_status read_columns(
	struct csv_header *header,
	struct view text,
	const struct policy_image *image,
	struct problem *ret_problem
)
{
	uint8_t *free_name = header->names + text.size + BATCH_FRAME_PADDING;
	uint32_t at = 0;
	struct csv_cell cell;
	enum csv_step step;

	if (text.size != 0)
		memcpy(header->names, text.bytes, text.size);
	text.bytes = header->names;
	while ((step = csv_next_cell(text, header->separator, &at, &cell)) == CSV_CELL) {
		struct csv_column *column = &header->columns[header->column_count];
		struct view raw = view_of(text.bytes + cell.start, cell.end - cell.start);

		if (header->column_count == CSV_COLUMNS_MAX)
			return problem_set(
				ret_problem,
				SL_E_TOO_BIG,
				"the header has more than %d columns",
				CSV_COLUMNS_MAX
			);
		column->name = view_of(free_name, csv_unescape(raw, free_name));
		free_name += column->name.size;
		column->field = field_of(image, column->name);
		column->roles = roles_of(image, column->field);
		header->column_count++;
		SL_TRY(check_column(header, ret_problem));
	}
	if (step == CSV_SYNTAX)
		return fail(
			ret_problem, SL_E_SYNTAX, header->column_count, "is not CSV (RFC 4180)"
		);
	return SL_OK;
}

static bool has_column(const struct csv_header *header, uint32_t field)
{
	for (uint32_t i = 0; i < header->column_count; i++)
		if (header->columns[i].field == field)
			return true;
	return false;
}

/** A field whose column is missing may stand in the file under a name that nobody protects. */
static enum sl_status check_fields(
	const struct csv_header *header,
	const struct policy_image *image,
	struct problem *ret_problem
)
{
	const struct policy_field *fields = policy_fields(image);

	for (uint32_t row = 0; row < image->fields.count; row++) {
		bool is_needed = row == image->key_field
			|| (fields[row].flags & (POLICY_FIELD_REQUIRED | POLICY_FIELD_PERSONAL))
				!= 0;
		struct view path = policy_view_of(image, fields[row].path);

		if (!is_needed || has_column(header, row))
			continue;
		(void)!problem_set(
			ret_problem,
			SL_E_NOT_FOUND,
			"the header has no column %.*s",
			(int)path.size,
			(const char *)path.bytes
		);
		problem_remedy(
			ret_problem, "name the column as the contract does, or correct the contract"
		);
		return SL_E_NOT_FOUND;
	}
	return SL_OK;
}

enum sl_status csv_header_read(
	struct view first_record,
	const struct policy_image *image,
	struct csv_header **ret_header,
	struct problem *ret_problem
)
{
	struct view text = skip_byte_order_mark(first_record);
	struct csv_header *header;
	enum sl_status status;

	if (text.size > EVENT_SIZE_MAX)
		return problem_set(
			ret_problem,
			SL_E_TOO_BIG,
			"the header is longer than %d bytes",
			EVENT_SIZE_MAX
		);
	if (!utf8_is_valid(text))
		return problem_set(ret_problem, SL_E_SYNTAX, "the header is not valid UTF-8");
	header = calloc(1, sizeof(*header));
	if (header == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the header");
	header->separator = image->csv_separator;
	// The record with its padding, then the names.
	header->names = calloc(2, text.size + BATCH_FRAME_PADDING);
	header->columns = calloc(CSV_COLUMNS_MAX, sizeof(*header->columns));
	status = header->names == NULL || header->columns == NULL
		? problem_set(ret_problem, SL_E_NOMEM, "no memory for the header")
		: read_columns(header, text, image, ret_problem);
	if (status == SL_OK)
		status = check_fields(header, image, ret_problem);
	if (status != SL_OK) {
		csv_header_free(header);
		return status;
	}
	*ret_header = header;
	return SL_OK;
}

void csv_header_free(struct csv_header *header)
{
	if (header == NULL)
		return;
	free(header->columns);
	free(header->names);
	free(header);
}
