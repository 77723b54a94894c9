#pragma once

#include "control/api/policy.h"
#include "io/base/view.h"

#include <stdbool.h>

/**
 * Is every item of a JSON array of the type? Null is of no type but POLICY_ANY.
 *
 * @param array the array's token: valid JSON, from `[` to `]`
 * Cost         one look at every byte
 */
bool check_items(struct view array, enum policy_type item_type);

/** Which values of JSON, as bits of enum cell_kind without null, a declared type takes. */
unsigned check_kinds_of(enum policy_type type);
