#include "dataplane/pipeline/check_items.h"

#include "dataplane/pipeline/batch.h"

// The array has passed the parser, so its grammar is not checked again: only the bounds are.

unsigned check_kinds_of(enum policy_type type)
{
	switch (type) {
	case POLICY_STRING:
		return 1U << CELL_STRING;
	case POLICY_INTEGER:
	case POLICY_NUMBER:
		return 1U << CELL_NUMBER;
	case POLICY_BOOLEAN:
		return 1U << CELL_TRUE | 1U << CELL_FALSE;
	case POLICY_ARRAY:
		return 1U << CELL_ARRAY;
	case POLICY_OBJECT:
		return 1U << CELL_OBJECT;
	case POLICY_ANY:
		break;
	}
	return 1U << CELL_STRING | 1U << CELL_NUMBER | 1U << CELL_TRUE | 1U << CELL_FALSE
		| 1U << CELL_ARRAY | 1U << CELL_OBJECT;
}

static enum cell_kind kind_of(uint8_t first)
{
	switch (first) {
	case '"':
		return CELL_STRING;
	case '[':
		return CELL_ARRAY;
	case '{':
		return CELL_OBJECT;
	case 't':
		return CELL_TRUE;
	case 'f':
		return CELL_FALSE;
	case 'n':
		return CELL_NULL;
	default:
		return CELL_NUMBER;
	}
}

/** From an opening quote past the closing one. */
static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at < end ? at + 1 : end;
}

/** From a value's first byte to the `,` or `]` behind it; white space before that belongs to it. */
static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end)
{
	unsigned depth = 0;

	while (at < end) {
		if (*at == '"') {
			at = skip_string(at, end);
			continue;
		}
		if (depth == 0 && (*at == ',' || *at == ']'))
			break;
		if (*at == '[' || *at == '{')
			depth++;
		if (*at == ']' || *at == '}')
			depth--;
		at++;
	}
	return at;
}

static const uint8_t *skip_spaces(const uint8_t *at, const uint8_t *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

static bool has_fraction(const uint8_t *at, const uint8_t *end)
{
	for (; at < end; at++)
		if (*at == '.' || (*at | 0x20) == 'e')
			return true;
	return false;
}

bool check_items(struct view array, enum policy_type item_type)
{
	unsigned kinds = check_kinds_of(item_type);
	const uint8_t *end = array.bytes + array.size;
	const uint8_t *at = skip_spaces(array.bytes + 1, end);

	if (item_type == POLICY_ANY)
		return true;
	while (at < end && *at != ']') {
		const uint8_t *past = skip_value(at, end);

		if ((kinds >> kind_of(*at) & 1) == 0)
			return false;
		if (item_type == POLICY_INTEGER && has_fraction(at, past))
			return false;
		if (past == end || *past == ']')
			break;
		at = skip_spaces(past + 1, end);
	}
	return true;
}
