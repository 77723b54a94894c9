#include "dataplane/pipeline/json.h"

// Between the text of a string and its spelling in JSON.

static uint32_t read_hex4(const uint8_t *text)
{
	uint32_t value = 0;

	for (int i = 0; i < 4; i++) {
		uint8_t c = text[i];

		value = value << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return value;
}

static size_t put_utf8(uint32_t code, uint8_t *ret_text)
{
	if (code < 0x80) {
		ret_text[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		ret_text[0] = (uint8_t)(0xc0 | code >> 6);
		ret_text[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		ret_text[0] = (uint8_t)(0xe0 | code >> 12);
		ret_text[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		ret_text[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	ret_text[0] = (uint8_t)(0xf0 | code >> 18);
	ret_text[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	ret_text[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	ret_text[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

static uint8_t short_escape(uint8_t letter)
{
	switch (letter) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return letter;
	}
}

size_t json_unescape(struct view inside, uint8_t *ret_text)
{
	const uint8_t *at = inside.bytes;
	const uint8_t *end = at + inside.size;
	size_t size = 0;

	while (at < end) {
		const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
		size_t plain = (size_t)((escape == NULL ? end : escape) - at);
		uint32_t code;

		memcpy(ret_text + size, at, plain);
		size += plain;
		if (escape == NULL)
			break;
		at = escape + 2;
		if (escape[1] != 'u') {
			ret_text[size++] = short_escape(escape[1]);
			continue;
		}
		code = read_hex4(at);
		at += 4;
		if (code >= 0xd800 && code <= 0xdbff) {
			code = 0x10000 + ((code - 0xd800) << 10) + (read_hex4(at + 2) - 0xdc00);
			at += 6;
		}
		size += put_utf8(code, ret_text + size);
	}
	return size;
}

/** Letter of the two-character escape of a byte; 0 = it has none. */
static uint8_t escape_letter(uint8_t c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

size_t json_escape(struct view text, uint8_t *ret_inside)
{
	static const char digits[] = "0123456789abcdef";
	size_t size = 0;

	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.bytes[i];
		uint8_t letter = escape_letter(c);

		if (letter != 0) {
			ret_inside[size++] = '\\';
			ret_inside[size++] = letter;
		} else if (c < 0x20) {
			memcpy(ret_inside + size, "\\u00", 4);
			ret_inside[size + 4] = (uint8_t)digits[c >> 4];
			ret_inside[size + 5] = (uint8_t)digits[c & 15];
			size += 6;
		} else {
			ret_inside[size++] = c;
		}
	}
	return size;
}
