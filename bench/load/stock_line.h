#pragma once

#include "io/base/view.h"

#include <stdbool.h>

/**
 * The inside of a string member at the top of a JSON object that is valid.
 *
 * @return false when there is none of the name, or it is no string
 */
bool stock_line_find(struct view line, const char *name, struct view *ret_inside);
