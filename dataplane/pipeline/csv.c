#include "dataplane/pipeline/csv.h"

#include "dataplane/pipeline/utf8.h"

#include <assert.h>
#include <emmintrin.h>
#include <string.h>

enum {
	ROLE_COUNT = 4 // bits of csv_column.roles
};

static inline __m128i equal(__m128i bytes, uint8_t byte)
{
	return _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)byte));
}

/** Offset of the first byte from at on that an unquoted cell can not hold, or the record's end. */
static uint32_t find_special(struct view record, uint8_t separator, uint32_t at)
{
	for (; at < record.size; at += 16) {
		// May reach into the padding.
		__m128i bytes = _mm_loadu_si128((const __m128i *)(record.bytes + at));
		__m128i special = _mm_or_si128(
			_mm_or_si128(equal(bytes, separator), equal(bytes, '"')),
			_mm_or_si128(
				_mm_or_si128(equal(bytes, '\r'), equal(bytes, '\n')),
				equal(bytes, 0)
			)
		);
		uint32_t mask = (uint32_t)_mm_movemask_epi8(special);

		if (mask != 0) {
			at += (uint32_t)__builtin_ctz(mask);
			break;
		}
	}
	return at < record.size ? at : (uint32_t)record.size;
}

/** Past the closing quote of the cell that opens at cell->start; 0 = it never closes, or holds a NUL. */
static uint32_t find_close(struct view record, struct csv_cell *cell)
{
	uint32_t at = cell->start + 1;
	const uint8_t *quote;

	while ((quote = memchr(record.bytes + at, '"', record.size - at)) != NULL) {
		at = (uint32_t)(quote - record.bytes) + 1;
		if (at == record.size || record.bytes[at] != '"')
			return memchr(record.bytes + cell->start, 0, at - cell->start) == NULL ? at
											       : 0;
		cell->is_escaped = true;
		at++;
	}
	return 0;
}

enum csv_step csv_next_cell(
	struct view record,
	uint8_t separator,
	uint32_t *at,
	struct csv_cell *ret_cell
)
{
	struct csv_cell cell = {.start = *at};

	if (*at > record.size)
		return CSV_END;
	if (*at < record.size && record.bytes[*at] == '"') {
		cell.is_quoted = true;
		cell.end = find_close(record, &cell);
		if (cell.end == 0)
			return CSV_SYNTAX;
	} else {
		cell.end = find_special(record, separator, *at);
	}
	if (cell.end < record.size && record.bytes[cell.end] != separator)
		return CSV_SYNTAX;
	// Behind the last cell there is no separator: one past the end says so.
	*at = cell.end + 1;
	*ret_cell = cell;
	return CSV_CELL;
}

size_t csv_unescape(struct view cell, uint8_t *ret_text)
{
	size_t size = 0;

	if (cell.size == 0)
		return 0;
	if (cell.bytes[0] != '"') {
		memcpy(ret_text, cell.bytes, cell.size);
		return cell.size;
	}
	for (size_t i = 1; i + 1 < cell.size; i++) {
		ret_text[size++] = cell.bytes[i];
		i += cell.bytes[i] == '"';
	}
	return size;
}

static enum drop_reason add_cell(
	struct batch *b,
	struct record *record,
	const struct csv_column *column,
	const struct csv_cell *from,
	uint32_t number
)
{
	uint32_t row = b->cell_count + record->cell_count;
	uint32_t *const cell_of_role[ROLE_COUNT] = {
		&record->key_cell,
		&record->subject_cell,
		&record->time_cell,
		&record->consent_cell};
	bool is_undeclared = column->field == POLICY_NONE;
	uint8_t flags = from->is_escaped ? CELL_ESCAPED : 0;

	if (record->cell_count == EVENT_CELLS_MAX)
		return DROP_CELLS;
	if (is_undeclared)
		flags |= number == 0 ? CELL_UNDECLARED | CELL_FIRST : CELL_UNDECLARED;
	b->cell[row] = (struct cell){
		.start = from->start,
		.end = from->end,
		.member_start = is_undeclared ? from->start : 0,
		.member_next = is_undeclared ? from->end : 0,
		.field = column->field,
		.node = is_undeclared ? (uint16_t)number : 0,
		.kind = from->end == from->start ? CELL_NULL : CELL_STRING,
		.flags = flags,
	};
	record->cell_count++;
	for (unsigned role = 0; role < ROLE_COUNT; role++)
		if (column->roles >> role & 1)
			*cell_of_role[role] = row;
	return DROP_NONE;
}

/** The rest of a record that a column too many or a cell too many makes a drop: is it CSV at all? */
static enum drop_reason drop_record(
	struct view text,
	uint8_t separator,
	uint32_t at,
	enum drop_reason reason
)
{
	struct csv_cell cell;
	enum csv_step step;

	do
		step = csv_next_cell(text, separator, &at, &cell);
	while (step == CSV_CELL);
	return step == CSV_SYNTAX ? DROP_SYNTAX : reason;
}

static enum drop_reason parse_row(
	struct batch *b,
	uint32_t i,
	const struct csv_header *header,
	bool is_undeclared_wanted
)
{
	struct record *record = &b->record[i];
	struct view text = b->frame[i];
	uint32_t at = 0;
	uint32_t count = 0;
	struct csv_cell cell;
	enum csv_step step;

	if (text.size > EVENT_SIZE_MAX)
		return DROP_SIZE;
	if (!utf8_is_valid(text))
		return DROP_UTF8;
	while ((step = csv_next_cell(text, header->separator, &at, &cell)) == CSV_CELL) {
		const struct csv_column *column = &header->columns[count];
		enum drop_reason reason = DROP_NONE;

		if (count == header->column_count)
			reason = DROP_COLUMNS;
		else if (column->field != POLICY_NONE || is_undeclared_wanted)
			reason = add_cell(b, record, column, &cell, count);
		if (reason != DROP_NONE)
			return drop_record(text, header->separator, at, reason);
		count++;
	}
	if (step == CSV_SYNTAX)
		return DROP_SYNTAX;
	return count == header->column_count ? DROP_NONE : DROP_COLUMNS;
}

void csv_parse_batch(struct batch *b, const struct policy *policy, const struct csv_header *header)
{
	bool is_undeclared_wanted = policy->image->undeclared != POLICY_UNDECLARED_PASS;

	b->cell_count = 0;
	batch_foreach_live (b, n, i) {
		batch_fetch_ahead(b, n);
		b->record[i] = (struct record){
			.first_cell = b->cell_count,
			.key_cell = UINT32_MAX,
			.subject_cell = UINT32_MAX,
			.time_cell = UINT32_MAX,
			.consent_cell = UINT32_MAX,
		};
		b->reason[i] = parse_row(b, i, header, is_undeclared_wanted);
		b->reason_field[i] = POLICY_NONE;
		if (b->reason[i] == DROP_NONE)
			b->cell_count += b->record[i].cell_count;
		else
			b->record[i].cell_count = 0;
	}
	batch_settle_drops(b);
}
