#pragma once

#include <stdbool.h>
#include <stdint.h>

// The proleptic Gregorian calendar without the C library's, which locks and reads files.

enum {
	DAY_S = 86400 // seconds of a day
};

static inline bool calendar_is_leap(int32_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/** Days of a month; month 1..12. */
static inline int32_t calendar_month_days(int32_t year, int32_t month)
{
	// Twelve numbers 28 + 0..3 in two bits each, January lowest.
	int32_t days = 28 + (0x3bbeecc >> (month * 2) & 3);

	return month == 2 && calendar_is_leap(year) ? 29 : days;
}

/** Days from 1970-01-01 to a date of the years 0..9999, negative before. */
static inline int64_t calendar_day(int32_t year, int32_t month, int32_t day)
{
	// A year that begins in March has its leap day at the end, and 153 days in each five months.
	int32_t y = month <= 2 ? year + 399 : year + 400;
	int32_t from_march = month <= 2 ? month + 9 : month - 3;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + day - 865566;
}
