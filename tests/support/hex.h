#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline unsigned hex_digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10);
}

/** Bytes of hexadecimal text, at most capacity, or abort: vectors are right. Returns the size. */
static inline size_t hex_read(const char *text, uint8_t *bytes, size_t capacity)
{
	size_t size = strlen(text) / 2;

	if (size > capacity)
		abort();
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return size;
}
