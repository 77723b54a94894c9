#pragma once

#include "control/api/policy.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * Read a timestamp by the policy's compiled DateTimeFormatter pattern, as java.time does with a strict
 * calendar: the text is the pattern's from first to last byte, names are English and case matters.
 * A pattern names a year with month and day or day of year; a time that it does not name is 0.
 * A number takes as many digits as it may, but leaves numbers of fixed width behind it theirs (`yyyyMMdd`).
 * A year of at most two digits is of 2000..2099.
 *
 * Without an offset the time is local to the policy's zone: an hour that the clocks go through twice is
 * the earlier one, and an hour that they jump over is moved forward by the jump.
 *
 * @return false when the text does not have the form; *ret_ms is untouched then
 */
bool time_parse_pattern(const struct policy_image *image, struct view text, int64_t *ret_ms);

/** UTC of a local time in a zone, both in seconds since 1970; no step at all is UTC. */
int64_t time_zone_to_utc(const struct policy_zone_step steps[], uint32_t count, int64_t local_s);
