#pragma once

#include "io/base/view.h"

#include <stdbool.h>

/** Is the text valid UTF-8: shortest forms only, no surrogates, nothing beyond U+10FFFF? */
bool utf8_is_valid(struct view text);
