#pragma once

#include "control/api/policy.h"
#include "crypto/field.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The paths of members that a contract does not declare: what their sealed form is bound to. Whoever
// opens them must build the same path.

enum {
	UNDECLARED_NAME_KEPT = 230 // bytes of a path that is too long; `~cut` stands for the rest
};

/**
 * The path of an undeclared member: the names from the event down to it, `/` between them, `~0` and `~1` for `~` and
 * `/` in a name, `*` for a list step of the contract. A path above PATH_SIZE_MAX bytes keeps its first
 * UNDECLARED_NAME_KEPT bytes, and `~cut` follows, which no name can contain.
 *
 * @param node      row of the image's nodes: the object that the member stands in
 * @param name      the member's decoded name; CSV: the column's
 * @param is_string whether the value is a string; `~json` follows the path of any other
 */
void undeclared_path(
	const struct policy_image *image,
	uint16_t node,
	struct view name,
	bool is_string,
	struct field_path *ret_path
);
