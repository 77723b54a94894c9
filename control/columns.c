#include "control/columns.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/** Bytes of the character at text; length of a word is counted in characters. */
static size_t length_of(const char *text, size_t size)
{
	size_t length = 0;

	for (size_t i = 0; i < size; i++)
		length += ((unsigned char)text[i] & 0xc0) != 0x80;
	return length;
}

static void put_clean(FILE *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)text[i];
		// C1 control characters are two bytes of UTF-8: c2 80 to c2 9f.
		unsigned char next = i + 1 < size ? (unsigned char)text[i + 1] : 0;

		if (c == 0xc2 && next < 0xa0) {
			fputc('?', out);
			i++;
			continue;
		}
		fputc(c < 0x20 || c == 0x7f ? '?' : c, out);
	}
}

static void begin_line(FILE *out, uint32_t indent)
{
	fprintf(out, "\n%*s", (int)indent, "");
}

static void put_words(FILE *out, uint32_t indent, const char *text)
{
	size_t column = indent;

	while (*text != '\0') {
		size_t size = strcspn(text, " ");
		size_t length = length_of(text, size);

		if (column > indent && column + 1 + length > COLUMNS_WIDTH) {
			begin_line(out, indent);
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		// A word longer than the line is cut into lines.
		while (column + length > COLUMNS_WIDTH) {
			size_t part = 0;

			while (length_of(text, part + 1) <= COLUMNS_WIDTH - column)
				part++;
			put_clean(out, text, part);
			begin_line(out, indent);
			column = indent;
			text += part;
			size -= part;
			length = length_of(text, size);
		}
		put_clean(out, text, size);
		column += length;
		text += size;
		text += strspn(text, " ");
	}
}

void columns_print(FILE *out, uint32_t indent, const char *label, const char *format, ...)
{
	size_t length = length_of(label, strlen(label));
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (length > COLUMNS_WIDTH)
		put_words(out, 2, label);
	else
		put_clean(out, label, strlen(label));
	if (length + 1 > indent && indent != 0)
		begin_line(out, indent);
	else
		fprintf(out, "%*s", (int)(indent - length), "");
	if (text != NULL)
		put_words(out, indent, text);
	fputc('\n', out);
	free(text);
}
