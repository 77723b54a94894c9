#include "bench/load/stock_line.h"

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/** Behind the quote that ends the string whose inside begins at from; NULL when none does. */
static const uint8_t *skip_string(const uint8_t *from, const uint8_t *end)
{
	while (from < end && *from != '"')
		from += *from == '\\' && end - from > 1 ? 2 : 1;
	return from < end ? from + 1 : NULL;
}

static const uint8_t *skip_spaces(const uint8_t *from, const uint8_t *end)
{
	while (from < end && is_space(*from))
		from++;
	return from;
}

bool stock_line_find(struct view line, const char *name, struct view *ret_inside)
{
	const uint8_t *end = line.bytes + line.size;
	const struct view wanted = view_of_text(name);
	bool is_wanted = false; // the name came, and its colon
	int depth = 0;

	for (const uint8_t *at = line.bytes; at < end;) {
		const uint8_t *from = at++;
		const uint8_t *behind;
		struct view inside;

		depth += *from == '{' || *from == '[';
		depth -= *from == '}' || *from == ']';
		if (*from != '"') {
			is_wanted = is_wanted && is_space(*from);
			continue;
		}
		at = skip_string(from + 1, end);
		if (at == NULL)
			return false;
		inside = view_of(from + 1, (size_t)(at - from) - 2);
		if (depth != 1)
			continue;
		if (is_wanted) {
			*ret_inside = inside;
			return true;
		}
		behind = skip_spaces(at, end);
		if (behind < end && *behind == ':') {
			is_wanted = view_equal(inside, wanted);
			at = behind + 1;
		}
	}
	return false;
}
