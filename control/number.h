#pragma once

#include "io/base/view.h"

#include <stdbool.h>

enum {
	NUMBER_SIZE_MAX = 64 // bytes of canonical text
};

/**
 * Decimal text without exponent ([+-]digits[.digits]) in canonical form: [-]digits[.digits], no zeros in front
 * or behind, and 0 without a sign.
 *
 * @return bytes written; 0 = the text is no such number, or too long
 */
size_t number_canonical(struct view text, uint8_t ret_text[static NUMBER_SIZE_MAX]);

/** Compare two canonical decimals exactly: less than, equal to or greater than 0. */
int number_compare(struct view a, struct view b);
