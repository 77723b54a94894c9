#pragma once

#include "control/api/policy.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// Timestamps of events to milliseconds since 1970-01-01T00:00:00Z. Digits beyond the millisecond are cut
// off. Dates must exist; nothing is rolled over: no 31 April, no 24:00.

enum {
	EPOCH_MS_MIN = INT64_C(-62167219200000), // ms: 0000-01-01T00:00:00Z
	EPOCH_MS_MAX = INT64_C(253402300799999)  // ms: 9999-12-31T23:59:59.999Z
};

/**
 * Read a timestamp in the policy's form (any but POLICY_TIME_NONE).
 *
 * @return false when the text does not have the form; *ret_ms is untouched then
 */
bool time_parse(const struct policy_image *image, struct view text, int64_t *ret_ms);

/**
 * RFC 3339 §5.6: date, `T`, `t` or space, time, any digits of fraction, `Z`, `z` or ±hh:mm. A leap
 * second (…:60) is taken in the last minute of a UTC day only, and stands for its last instant that
 * POSIX time can name: 23:59:59.999.
 *
 * Cost      about 15 ns
 */
bool time_parse_rfc3339(struct view text, int64_t *ret_ms);

/** A whole number of units since 1970, in the years 0..9999; unit_ms is 1000 or 1. */
bool time_parse_epoch(struct view text, int64_t unit_ms, int64_t *ret_ms);
