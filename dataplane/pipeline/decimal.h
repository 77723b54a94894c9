#pragma once

#include "io/base/view.h"

#include <stdbool.h>

// Numbers as their decimal text: exact at any size, no floating point.

enum decimal_form {
	DECIMAL_NONE,    // not a number
	DECIMAL_INTEGER, // no fraction, no exponent
	DECIMAL_REAL     // a fraction or an exponent
};

/** What the text is by the number grammar of RFC 8259 §6. */
enum decimal_form decimal_form_of(struct view text);

/**
 * Compare two numbers in the grammar of RFC 8259 §6 by their value; 1e3 equals 1000.0, -0 equals 0.
 *
 * @return below 0, 0, above 0
 * Cost      linear in the digits of both, whatever the exponents
 */
int decimal_compare(struct view a, struct view b);
