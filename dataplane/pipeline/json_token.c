#include "dataplane/pipeline/json_token.h"

/** The last four letters of a literal and its size. */
#define FORM(a, b, c, d, size)                                                                     \
	{                                                                                          \
		(a) | (b) << 8 | (c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(size) << 32,         \
			UINT64_MAX                                                                 \
	}

const struct json_form json_forms[CELL_OBJECT + 2] = {
	[0] = {.tail = 0, .mask = UINT64_MAX}, // no token has no size
	[1 + CELL_STRING] = {.mask = 0},
	[1 + CELL_TRUE] = FORM('t', 'r', 'u', 'e', 4),
	[1 + CELL_FALSE] = FORM('a', 'l', 's', 'e', 5),
	[1 + CELL_NULL] = FORM('n', 'u', 'l', 'l', 4),
};

const uint8_t json_first_bytes[256] = {
	['"'] = 1 + CELL_STRING,
	['-'] = 1 + CELL_NUMBER,
	['0' ... '9'] = 1 + CELL_NUMBER,
	['t'] = 1 + CELL_TRUE,
	['f'] = 1 + CELL_FALSE,
	['n'] = 1 + CELL_NULL,
};

/** Value of four hexadecimal digits; negative when one of them is none. */
static int32_t read_hex4(const uint8_t *text)
{
	int32_t value = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t c = text[i];
		int32_t digit = c >= '0' && c <= '9'             ? c - '0'
			: (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
								 : -1;

		if (digit < 0)
			return -1;
		value = value << 4 | digit;
	}
	return value;
}

static uint32_t skip_digits(const uint8_t *text, uint32_t at, uint32_t end)
{
	while (at < end && text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

bool json_is_number(const uint8_t *text, uint32_t start, uint32_t end)
{
	uint32_t at = start;
	uint32_t digits;

	if (at < end && text[at] == '-')
		at++;
	digits = at;
	at = skip_digits(text, at, end);
	if (at == digits || (text[digits] == '0' && at - digits > 1))
		return false;
	if (at < end && text[at] == '.') {
		digits = ++at;
		at = skip_digits(text, at, end);
		if (at == digits)
			return false;
	}
	if (at < end && (text[at] | 0x20) == 'e') {
		at++;
		if (at < end && (text[at] == '+' || text[at] == '-'))
			at++;
		digits = at;
		at = skip_digits(text, at, end);
		if (at == digits)
			return false;
	}
	return at == end;
}

/** Check one \u escape; *ret_size is that of the pair when it begins one. */
static enum drop_reason check_unicode(const uint8_t *escape, uint32_t *ret_size)
{
	// The closing quote is no digit: reading stops there at the latest.
	int32_t high = read_hex4(escape + 2);
	int32_t low;

	*ret_size = 6;
	if (high < 0)
		return DROP_SYNTAX;
	if (high < 0xd800 || high > 0xdfff)
		return DROP_NONE;
	if (high > 0xdbff || escape[6] != '\\' || escape[7] != 'u')
		return DROP_SURROGATE;
	low = read_hex4(escape + 8);
	*ret_size = 12;
	return low >= 0xdc00 && low <= 0xdfff ? DROP_NONE : DROP_SURROGATE;
}

enum drop_reason json_check_escapes(struct view text)
{
	const uint8_t *end = text.bytes + text.size;
	const uint8_t *at = text.bytes;
	enum drop_reason reason = DROP_NONE;

	while (reason == DROP_NONE && at < end
	       && (at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		uint32_t size = 2;

		if (at[1] == 'u')
			reason = check_unicode(at, &size);
		else if (at[1] == '\0' || strchr("\"\\/bfnrt", at[1]) == NULL)
			reason = DROP_SYNTAX;
		at += size;
	}
	return reason;
}
