#pragma once

#include "control/api/policy.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

/** What is to be done with a value beyond a look at its kind. */
enum check_step {
	CHECK_TEXT = 1 << 0,   // its text is wanted: personal, checked, or read by a later stage
	CHECK_FORM = 1 << 1,   // CSV: a cell of any type but string
	CHECK_ITEMS = 1 << 2,  // an array's items have a type
	CHECK_ONE_OF = 1 << 3, // the constraints of policy_field
	CHECK_LENGTH = 1 << 4,
	CHECK_RANGE = 1 << 5,
	CHECK_MATCH = 1 << 6,
	CHECK_REQUIRED = 1 << 7, // it must be there: that it is has to be noted
	CHECK_WHOLE = 1 << 8     // JSON: a number without fraction and exponent
};

enum {
	CHECK_NOTHING = 0,
	CHECK_VALUE = CHECK_FORM | CHECK_ITEMS | CHECK_ONE_OF | CHECK_LENGTH | CHECK_RANGE
		| CHECK_MATCH // steps that check_value takes
};

/** What is to be checked of one field's values, so that most values need one look. */
struct field_check {
	uint16_t steps;      // enum check_step
	uint8_t kinds;       // bit k: enum cell_kind k may stand here
	uint8_t null_reason; // enum drop_reason of a null that may not stand here
};

/**
 * Work out what is to be checked of field f.
 *
 * Null may stand where the contract says nullable. For the key, time, subject and consent fields null is
 * left to the one who reads them, unless such a subject or consent is required.
 */
struct field_check field_check_of(const struct policy_image *image, uint32_t f);

/**
 * Check one value that is not null and whose kind may stand here.
 *
 * @param cell  of a declared field
 * @param token the value as it stands in the frame, quotes and all
 * @param text  decoded string, or the token
 * @return DROP_NONE, TYPE, ONE_OF, LENGTH, RANGE, MATCH or MATCH_LIMIT
 * Context   worker; no allocation, lock, log or system call (regex.h for hosts without JIT)
 */
enum drop_reason check_value(
	const struct policy *policy,
	const struct cell *cell,
	struct view token,
	struct view text
);

/** Whether type allows a JSON value that is text; CSV cells are all text. Only integer, number and boolean have a grammar. */
bool check_form(enum policy_type type, struct view text);
