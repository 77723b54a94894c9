#include "control/zone_rule.h"

enum {
	HOUR_S = 3600,
	DAY_S = 86400,
	OFFSET_HOURS_MAX = 26,
	TIME_HOURS_MAX = 167
};

/** A text being read; `is_bad` stays once it is set. */
struct scan {
	const uint8_t *at;
	const uint8_t *end;
	bool is_bad;
};

static bool skip(struct scan *s, uint8_t c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static void want(struct scan *s, uint8_t c)
{
	if (!skip(s, c))
		s->is_bad = true;
}

static int32_t scan_number(struct scan *s, int32_t min, int32_t max)
{
	const uint8_t *start = s->at;
	int32_t value = 0;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && value <= max)
		value = value * 10 + (*s->at++ - '0');
	if (s->at == start || value < min || value > max)
		s->is_bad = true;
	return value;
}

/** [+-]hh[:mm[:ss]] in seconds. */
static int32_t scan_time(struct scan *s, int32_t hours_max)
{
	bool is_negative = skip(s, '-');
	int32_t seconds;

	if (!is_negative)
		(void)skip(s, '+');
	seconds = scan_number(s, 0, hours_max) * HOUR_S;
	if (skip(s, ':'))
		seconds += scan_number(s, 0, 59) * 60;
	if (skip(s, ':'))
		seconds += scan_number(s, 0, 59);
	return is_negative ? -seconds : seconds;
}

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/** CET or <+03>: not used, but must be there. */
static void scan_name(struct scan *s)
{
	const uint8_t *start = s->at;

	if (skip(s, '<')) {
		while (s->at < s->end && *s->at != '>')
			s->at++;
		want(s, '>');
		return;
	}
	while (s->at < s->end && is_letter(*s->at))
		s->at++;
	if (s->at - start < 3)
		s->is_bad = true;
}

static struct zone_change scan_change(struct scan *s)
{
	struct zone_change c = {.kind = 'N', .time_s = 2 * HOUR_S};

	want(s, ',');
	if (skip(s, 'M')) {
		c.kind = 'M';
		c.month = scan_number(s, 1, 12);
		want(s, '.');
		c.week = scan_number(s, 1, 5);
		want(s, '.');
		c.day = scan_number(s, 0, 6);
	} else if (skip(s, 'J')) {
		c.kind = 'J';
		c.day = scan_number(s, 1, 365);
	} else {
		c.day = scan_number(s, 0, 365);
	}
	if (skip(s, '/'))
		c.time_s = scan_time(s, TIME_HOURS_MAX);
	return c;
}

bool zone_rule_read(struct view text, struct zone_rule *ret_rule)
{
	struct scan s = {.at = text.bytes, .end = text.bytes + text.size};
	struct zone_rule rule = {0};

	// POSIX counts westward.
	scan_name(&s);
	rule.standard_s = -scan_time(&s, OFFSET_HOURS_MAX);
	if (!s.is_bad && s.at < s.end) {
		rule.has_daylight = true;
		rule.daylight_s = rule.standard_s + HOUR_S;
		scan_name(&s);
		if (s.at < s.end && *s.at != ',')
			rule.daylight_s = -scan_time(&s, OFFSET_HOURS_MAX);
		rule.start = scan_change(&s);
		rule.end = scan_change(&s);
	}
	if (s.is_bad || s.at != s.end)
		return false;
	*ret_rule = rule;
	return true;
}

/** Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int32_t month, int32_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

static bool is_leap(int32_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/** The week-th weekday of a month; week 5 is the last one. */
static int64_t day_in_month(const struct zone_change *c, int32_t year)
{
	int64_t first = days_of(year, c->month, 1);
	int64_t next_month =
		c->month == 12 ? days_of(year + 1, 1, 1) : days_of(year, c->month + 1, 1);
	// 1970-01-01 was a Thursday, day 4.
	int64_t weekday = ((first + 4) % 7 + 7) % 7;
	int64_t day = first + (c->day - weekday + 7) % 7 + (c->week - 1) * 7;

	return day >= next_month ? day - 7 : day;
}

int64_t zone_change_at(const struct zone_change *change, int32_t year, int32_t offset_s)
{
	int64_t day;

	if (change->kind == 'M')
		day = day_in_month(change, year);
	else if (change->kind == 'J')
		day = days_of(year, 1, 1) + change->day - 1 + (is_leap(year) && change->day >= 60);
	else
		day = days_of(year, 1, 1) + change->day;
	return day * DAY_S + change->time_s - offset_s;
}
