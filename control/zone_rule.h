#pragma once

#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The footer of a TZif file: a POSIX TZ rule (RFC 8536, 3.3.1) that goes on for ever.

/** When a year's change happens: second of local time since the year's day it falls on. */
struct zone_change {
	char kind;      // 'M' month.week.day, 'J' day 1..365 without leap days, 'N' day 0..365
	int32_t month;  // M: 1..12
	int32_t week;   // M: 1..5, 5 = last
	int32_t day;    // M: 0 (Sunday)..6; J, N: day of the year
	int32_t time_s; // -167..167 hours, in seconds
};

struct zone_rule {
	int32_t standard_s; // seconds east of Greenwich
	int32_t daylight_s; // likewise
	bool has_daylight;
	struct zone_change start; // of daylight time
	struct zone_change end;
};

/** @return false when the text is no rule */
bool zone_rule_read(struct view text, struct zone_rule *ret_rule);

/** UTC second at which a change happens in a year, when local time before it is UTC + offset_s. */
int64_t zone_change_at(const struct zone_change *change, int32_t year, int32_t offset_s);
