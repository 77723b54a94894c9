#pragma once

#include "control/api/policy.h"

// Patterns of Java's DateTimeFormatter, as far as they name one moment without a locale's help:
//
//	y u year · M L month · d day · D day of year · E weekday (read, not checked) · H h a · m · s
//	S fraction · n nano of second · X x Z offset · VV zone · 'text' · any other sign stands for itself
//
// `yyyy` is four digits, `yy` is 2000 to 2099, one letter alone is as many digits as there are.

enum {
	TIME_PATTERN_SIZE_MAX = POLICY_TIME_ITEMS_MAX // bytes: an item has one at least
};

/** A compiled pattern; the texts of literals lie in `text`, their spans' offsets are from its start. */
struct time_pattern {
	struct policy_time_item items[POLICY_TIME_ITEMS_MAX];
	uint32_t count;
	uint8_t text[TIME_PATTERN_SIZE_MAX];
	uint32_t text_size;
};

/**
 * Compile a pattern.
 *
 * @param ret_problem out, on failure: what and remedy; `column` is the place in the pattern, from 1
 * Outcomes  SL_OK; SL_E_SYNTAX
 */
enum sl_status time_pattern_compile(
	struct view pattern,
	struct time_pattern *ret_pattern,
	struct problem *ret_problem
);
