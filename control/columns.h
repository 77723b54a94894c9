#pragma once

#include "io/base/attr.h"

#include <stdint.h>
#include <stdio.h>

// Text for people in columns: wrapped at words, with the later lines under the first.

enum {
	COLUMNS_WIDTH = 100 // characters of a line
};

/**
 * Write `label` padded to `indent` characters, then the text, wrapped. Control characters become `?`.
 * A label that does not fit gets a line of its own.
 */
void columns_print(FILE *out, uint32_t indent, const char *label, const char *format, ...)
	PRINTF_LIKE(4, 5);
