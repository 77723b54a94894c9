#include "dataplane/pipeline/time_pattern.h"

#include "dataplane/pipeline/calendar.h"

#include <stddef.h>

enum {
	KIND_COUNT = POLICY_TIME_ZONE + 1,
	ABSENT = -1,
	NUMBER_STOP = 1000000000, // a number that got this far is out of every range
	OFFSET_S_MAX = 18 * 3600  // java.time.ZoneOffset's
};

/** What was read so far. */
struct reading {
	const uint8_t *at;  // of the text
	const uint8_t *end; // of the text
	int32_t value
		[KIND_COUNT]; // by enum policy_time_item_kind, ABSENT: not read; month names as numbers
	int32_t offset_s;     // when has_offset
	bool has_offset;
};

// Items that are numbers, and their range.
static const struct range {
	int32_t low;
	int32_t high;
} ranges[KIND_COUNT] = {
	[POLICY_TIME_YEAR] = {0, 9999},
	[POLICY_TIME_MONTH] = {1, 12},
	[POLICY_TIME_DAY] = {1, 31},
	[POLICY_TIME_DAY_OF_YEAR] = {1, 366},
	[POLICY_TIME_HOUR] = {0, 23},
	[POLICY_TIME_HOUR_AMPM] = {1, 12},
	[POLICY_TIME_MINUTE] = {0, 59},
	[POLICY_TIME_SECOND] = {0, 59},
	[POLICY_TIME_FRACTION] = {0, 999999999},
	[POLICY_TIME_NANO] = {0, 999999999},
};

static const char *const months[] = {
	"January",
	"February",
	"March",
	"April",
	"May",
	"June",
	"July",
	"August",
	"September",
	"October",
	"November",
	"December",
};

static const char *const weekdays[] = {
	"Monday",
	"Tuesday",
	"Wednesday",
	"Thursday",
	"Friday",
	"Saturday",
	"Sunday",
};

static bool is_number(uint8_t kind)
{
	return ranges[kind].high != 0;
}

static bool take_text(struct reading *r, const void *bytes, size_t size)
{
	if ((size_t)(r->end - r->at) < size || memcmp(r->at, bytes, size) != 0)
		return false;
	r->at += size;
	return true;
}

static bool take_byte(struct reading *r, uint8_t byte)
{
	if (r->at == r->end || *r->at != byte)
		return false;
	r->at++;
	return true;
}

/** Take one of the names, whole or (size 3) its first letters, and return its row, or ABSENT. */
static int32_t take_name(struct reading *r, const char *const names[], size_t count, size_t size)
{
	for (size_t n = 0; n < count; n++)
		if (take_text(r, names[n], size != 0 ? size : strlen(names[n])))
			return (int32_t)n;
	return ABSENT;
}

/** Digits that the numbers of fixed width right behind this item need. */
static size_t digits_reserved(const struct policy_time_item items[], uint32_t i, uint32_t count)
{
	size_t digits = 0;

	for (i++; i < count && is_number(items[i].kind); i++) {
		if (items[i].digits_min != items[i].digits_max)
			break;
		digits += items[i].digits_min;
	}
	return digits;
}

/** A fraction's digits as nanoseconds. */
static int64_t scale_fraction(int64_t value, size_t digits)
{
	for (; digits < 9; digits++)
		value *= 10;
	return value;
}

static bool take_number(struct reading *r, const struct policy_time_item *item, size_t reserved)
{
	bool is_fraction = item->kind == POLICY_TIME_FRACTION;
	size_t digits = 0;
	int64_t value = 0;

	while (digits < item->digits_max + reserved && r->at + digits < r->end
	       && (uint8_t)(r->at[digits] - '0') <= 9)
		digits++;
	if (digits < item->digits_min + reserved)
		return false;
	digits -= reserved;
	for (size_t n = 0; n < digits; n++)
		if (!(is_fraction ? n >= 9 : value >= NUMBER_STOP))
			value = value * 10 + (r->at[n] - '0');
	r->at += digits;
	if (is_fraction)
		value = scale_fraction(value, digits);
	else if (item->kind == POLICY_TIME_YEAR && item->digits_max <= 2)
		value += 2000;
	if (value < ranges[item->kind].low || value > ranges[item->kind].high)
		return false;
	r->value[item->kind] = (int32_t)value;
	return true;
}

static bool take_two_digits(struct reading *r, int32_t *ret_value)
{
	if (r->end - r->at < 2 || (uint8_t)(r->at[0] - '0') > 9 || (uint8_t)(r->at[1] - '0') > 9)
		return false;
	*ret_value = (r->at[0] - '0') * 10 + (r->at[1] - '0');
	r->at += 2;
	return true;
}

/** Z, ±HH, ±HHMM, ±HH:MM */
static bool take_offset(struct reading *r)
{
	int32_t hours;
	int32_t minutes = 0;
	int32_t offset_s;
	bool is_negative;

	r->has_offset = true;
	if (take_byte(r, 'Z'))
		return true;
	is_negative = take_byte(r, '-');
	if ((!is_negative && !take_byte(r, '+')) || !take_two_digits(r, &hours))
		return false;
	if (!take_byte(r, ':'))
		(void)take_two_digits(r, &minutes);
	else if (!take_two_digits(r, &minutes))
		return false;
	offset_s = hours * 3600 + minutes * 60;
	if (minutes > 59 || offset_s > OFFSET_S_MAX)
		return false;
	r->offset_s = is_negative ? -offset_s : offset_s;
	return true;
}

/** The policy's own zone, UTC, or an offset. */
static bool take_zone(struct reading *r, struct view own_name)
{
	if (own_name.size != 0 && take_text(r, own_name.bytes, own_name.size))
		return true;
	if (take_text(r, "UTC", 3)) {
		r->has_offset = true;
		return true;
	}
	return take_offset(r);
}

static bool take_item(
	struct reading *r,
	const struct policy_image *image,
	const struct policy_time_item items[],
	uint32_t i
)
{
	const struct policy_time_item *item = &items[i];
	struct view text;

	switch ((enum policy_time_item_kind)item->kind) {
	case POLICY_TIME_LITERAL:
		text = policy_view_of(image, item->text);
		return take_text(r, text.bytes, text.size);
	case POLICY_TIME_YEAR:
	case POLICY_TIME_MONTH:
	case POLICY_TIME_DAY:
	case POLICY_TIME_DAY_OF_YEAR:
	case POLICY_TIME_HOUR:
	case POLICY_TIME_HOUR_AMPM:
	case POLICY_TIME_MINUTE:
	case POLICY_TIME_SECOND:
	case POLICY_TIME_FRACTION:
	case POLICY_TIME_NANO:
		return take_number(r, item, digits_reserved(items, i, image->time_items.count));
	case POLICY_TIME_MONTH_SHORT:
		return (r->value[POLICY_TIME_MONTH] = take_name(r, months, 12, 3) + 1) > 0;
	case POLICY_TIME_MONTH_LONG:
		return (r->value[POLICY_TIME_MONTH] = take_name(r, months, 12, 0) + 1) > 0;
	case POLICY_TIME_WEEKDAY:
		return take_name(r, weekdays, 7, 0) != ABSENT
			|| take_name(r, weekdays, 7, 3) != ABSENT;
	case POLICY_TIME_AMPM:
		r->value[POLICY_TIME_AMPM] = take_byte(r, 'P') ? 12
			: take_byte(r, 'A')                    ? 0
							       : ABSENT;
		return r->value[POLICY_TIME_AMPM] != ABSENT && take_byte(r, 'M');
	case POLICY_TIME_OFFSET:
		return take_offset(r);
	case POLICY_TIME_ZONE:
		return take_zone(r, policy_view_of(image, image->zone_name));
	}
	return false;
}

static bool find_day(const int32_t value[KIND_COUNT], int64_t *ret_day)
{
	int32_t year = value[POLICY_TIME_YEAR];
	int32_t month = value[POLICY_TIME_MONTH];
	int32_t day = value[POLICY_TIME_DAY];
	int32_t day_of_year = value[POLICY_TIME_DAY_OF_YEAR];

	if (year == ABSENT)
		return false;
	if (month != ABSENT && day != ABSENT) {
		if (day > calendar_month_days(year, month))
			return false;
		*ret_day = calendar_day(year, month, day);
		return true;
	}
	if (day_of_year == ABSENT || (day_of_year == 366 && !calendar_is_leap(year)))
		return false;
	*ret_day = calendar_day(year, 1, 1) + day_of_year - 1;
	return true;
}

static int32_t or_zero(int32_t value)
{
	return value == ABSENT ? 0 : value;
}

static bool find_hour(const int32_t value[KIND_COUNT], int32_t *ret_hour)
{
	*ret_hour = or_zero(value[POLICY_TIME_HOUR]);
	if (value[POLICY_TIME_HOUR] != ABSENT || value[POLICY_TIME_HOUR_AMPM] == ABSENT)
		return true;
	if (value[POLICY_TIME_AMPM] == ABSENT)
		return false;
	*ret_hour = value[POLICY_TIME_HOUR_AMPM] % 12 + value[POLICY_TIME_AMPM];
	return true;
}

// With at[] the steps' instants and o[] their offsets, step i ends, in its own local time, at
// at[i+1] + o[i]. The first step that ends after the local time is the earlier one of an overlap. In a gap
// it is the step behind the gap, which the local time lies before the beginning of; reading the time with
// the offset before the gap moves it forward by the gap's length.
int64_t time_zone_to_utc(const struct policy_zone_step steps[], uint32_t count, int64_t local_s)
{
	uint32_t low = 0;
	uint32_t high = count == 0 ? 0 : count - 1;

	if (count == 0)
		return local_s;
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (local_s - steps[middle].offset_s < steps[middle + 1].at_s)
			high = middle;
		else
			low = middle + 1;
	}
	if (low > 0 && local_s - steps[low].offset_s < steps[low].at_s)
		low--;
	return local_s - steps[low].offset_s;
}

bool time_parse_pattern(const struct policy_image *image, struct view text, int64_t *ret_ms)
{
	const struct policy_time_item *items = policy_rows(image, image->time_items);
	struct reading r = {.at = text.bytes, .end = text.bytes + text.size};
	int32_t hour;
	int32_t nanoseconds;
	int64_t day;
	int64_t local_s;

	for (uint32_t kind = 0; kind < KIND_COUNT; kind++)
		r.value[kind] = ABSENT;
	for (uint32_t i = 0; i < image->time_items.count; i++)
		if (!take_item(&r, image, items, i))
			return false;
	if (r.at != r.end || !find_day(r.value, &day) || !find_hour(r.value, &hour))
		return false;
	local_s = day * DAY_S + hour * 3600 + or_zero(r.value[POLICY_TIME_MINUTE]) * 60
		+ or_zero(r.value[POLICY_TIME_SECOND]);
	nanoseconds = r.value[POLICY_TIME_FRACTION] != ABSENT ? r.value[POLICY_TIME_FRACTION]
							      : or_zero(r.value[POLICY_TIME_NANO]);
	if (r.has_offset)
		local_s -= r.offset_s;
	else
		local_s = time_zone_to_utc(
			policy_rows(image, image->zone), image->zone.count, local_s
		);
	*ret_ms = local_s * 1000 + nanoseconds / 1000000;
	return true;
}
