#pragma once

#include "control/api/policy.h"
#include "io/base/view.h"

#include <stdint.h>

/**
 * The purposes that a consent field's value stands for, as a set: bit p = consents to purpose p.
 *
 * A text that the policy's consent_rules name stands for what they say. Any other is read as a list of
 * purpose levels `[1, 2]` or as one level `1`, whether it is JSON or the text of a string or CSV cell;
 * `[]` is no consent at all. What can not be read so, and a level above PURPOSE_MAX, gives the policy's
 * consent_otherwise. (A value that is absent or null is the caller's: it gives consent_otherwise too.)
 *
 * @param text decoded string, or token text of any other value
 */
uint64_t consent_parse(const struct policy_image *image, struct view text);
