#pragma once

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/** What is shown of a status: `sealane status` all of it, `sealane top` what fits on the screen. */
struct overview {
	const json_t *status; // a control's answer
	uint32_t width;       // characters of a line
	uint32_t line_max;    // lines; 0 = as many as there are
};

/** Print it. @return lines printed */
uint32_t overview_print(FILE *out, const struct overview *overview);

/** A count with three digits and a unit: 950, 1.23k, 45.6M. @return text */
const char *overview_count(double count, char *text, size_t size);

/** A duration likewise: 850ns, 12.3us, 4.56ms. */
const char *overview_ns(double ns, char *text, size_t size);
