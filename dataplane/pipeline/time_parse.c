#include "dataplane/pipeline/time_parse.h"

#include "dataplane/pipeline/calendar.h"
#include "dataplane/pipeline/time_pattern.h"
#include "io/base/attr.h"

#include <string.h>

enum {
	RFC3339_SIZE_MIN = 20, // bytes of 2006-01-02T15:04:05Z
	RFC3339_FRACTION = 19, // where the fraction or the offset begins
	EPOCH_DIGITS_MAX = 18  // digits that fit 63 bits, whatever they are
};

// Bytes are checked without branches: whatever is wrong leaves a bit in *bad, which is looked at once.

static inline int32_t read_two(const uint8_t *at, uint32_t *bad)
{
	uint32_t tens = at[0] - (uint32_t)'0';
	uint32_t ones = at[1] - (uint32_t)'0';

	*bad |= (uint32_t)(tens > 9) | (uint32_t)(ones > 9);
	return (int32_t)(tens * 10 + ones);
}

/**
 * Eight bytes like `0000-00-` as the numbers of their digits, other bytes as 0.
 *
 * A digit less '0' and a byte less itself stay below 0x80 when 0x76 (digits: 9 + 0x76) or 0x7f (others:
 * 0 + 0x7f) is added, and reach it otherwise; what carries into the next byte was wrong already.
 */
static inline uint64_t read_eight(
	const uint8_t *at,
	uint64_t form,
	uint64_t addends,
	uint64_t mask,
	uint64_t *bad
)
{
	uint64_t bytes;

	memcpy(&bytes, at, 8);
	bytes = (bytes & mask) ^ form;
	*bad |= (bytes | (bytes + addends)) & UINT64_C(0x8080808080808080);
	return bytes;
}

/** The number of the two digits at a byte of read_eight's. */
static inline int32_t pair_at(uint64_t pairs, unsigned byte)
{
	return (int32_t)(pairs >> (8 * byte) & 0xff);
}

/** Milliseconds of a `.digits` at *at, which moves past it; 0 when there is none. */
static int32_t read_fraction(const uint8_t **at, const uint8_t *end, uint32_t *bad)
{
	const uint8_t *digit = *at;
	int32_t scale = 100;
	int32_t ms = 0;

	if (*digit != '.')
		return 0;
	digit++;
	*bad |= digit == end || (uint8_t)(*digit - '0') > 9;
	for (; digit < end && (uint8_t)(*digit - '0') <= 9; digit++) {
		ms += scale * (*digit - '0');
		scale /= 10;
	}
	*at = digit;
	return ms;
}

/** Seconds east of Greenwich of the `Z` or `±hh:mm` that is all of [at, end). */
static int32_t read_offset(const uint8_t *at, const uint8_t *end, uint32_t *bad)
{
	int32_t hours;
	int32_t minutes;
	int32_t offset_s;

	if (end - at == 1) {
		*bad |= (*at | 0x20) != 'z';
		return 0;
	}
	if (end - at != 6) {
		*bad |= 1;
		return 0;
	}
	hours = read_two(at + 1, bad);
	minutes = read_two(at + 4, bad);
	*bad |= (uint32_t)(at[0] != '+' && at[0] != '-') | (uint32_t)(at[3] != ':')
		| (uint32_t)(hours > 23) | (uint32_t)(minutes > 59);
	offset_s = hours * 3600 + minutes * 60;
	return at[0] == '-' ? -offset_s : offset_s;
}

/** What stands behind the minutes. */
struct tail {
	int32_t second;
	int32_t ms;
	int32_t offset_s; // east of Greenwich
};

/** Read `:05`, a fraction if there is one, and the offset. */
static struct tail read_tail(struct view text, uint32_t *bad)
{
	const uint8_t *t = text.bytes;
	const uint8_t *at = t + RFC3339_FRACTION;
	const uint8_t *end = t + text.size;
	struct tail tail;

	*bad |= t[16] != ':';
	tail.second = read_two(t + 17, bad);
	tail.ms = read_fraction(&at, end, bad);
	*bad |= at == end;
	tail.offset_s = at < end ? read_offset(at, end, bad) : 0;
	return tail;
}

/** The same for the form that machines write, `:05.999Z`; false when it is another. */
static inline bool read_tail_fast(struct view text, struct tail *ret_tail)
{
	uint64_t wrong = 0;
	uint64_t digits;

	if (text.size != RFC3339_FRACTION + 5)
		return false;
	digits = read_eight(
		text.bytes + 16,
		UINT64_C(0x5a3030302e30303a),
		UINT64_C(0x7f7676767f76767f),
		~UINT64_C(0),
		&wrong
	);
	ret_tail->second = (int32_t)((digits >> 8 & 0xf) * 10 + (digits >> 16 & 0xf));
	ret_tail->ms = (int32_t
	)((digits >> 32 & 0xf) * 100 + (digits >> 40 & 0xf) * 10 + (digits >> 48 & 0xf));
	ret_tail->offset_s = 0;
	return wrong == 0;
}

bool time_parse_rfc3339(struct view text, int64_t *ret_ms)
{
	const uint8_t *t = text.bytes;
	struct tail tail;
	uint64_t wrong = 0;
	uint32_t bad = 0;
	int64_t utc_s;

	if (text.size < RFC3339_SIZE_MIN)
		return false;
	// `0000-00-`, then `00?00:00` whose third byte is looked at below. Lowest byte first.
	uint64_t date = read_eight(
		t, UINT64_C(0x2d30302d30303030), UINT64_C(0x7f76767f76767676), ~UINT64_C(0), &wrong
	);
	uint64_t clock = read_eight(
		t + 8,
		UINT64_C(0x30303a3030003030),
		UINT64_C(0x76767f76767f7676),
		~UINT64_C(0xff0000),
		&wrong
	);

	if (unlikely(!read_tail_fast(text, &tail)))
		tail = read_tail(text, &bad);
	// Digits are below 10, so that no sum carries.
	date = date * 10 + (date >> 8);
	clock = clock * 10 + (clock >> 8);
	int32_t year = pair_at(date, 0) * 100 + pair_at(date, 2);
	int32_t month = pair_at(date, 5);
	int32_t day = pair_at(clock, 0);
	int32_t hour = pair_at(clock, 3);
	int32_t minute = pair_at(clock, 6);

	bad |= (uint32_t)(wrong != 0) | (uint32_t)((t[10] | 0x20) != 't' && t[10] != ' ')
		| (uint32_t)(hour > 23) | (uint32_t)(minute > 59) | (uint32_t)(tail.second > 60);
	if (bad != 0 || month < 1 || month > 12 || day < 1
	    || day > calendar_month_days(year, month))
		return false;
	bool is_leap_second = tail.second == 60;

	utc_s = calendar_day(year, month, day) * DAY_S + hour * 3600 + minute * 60 + tail.second
		- is_leap_second - tail.offset_s;
	if (is_leap_second && ((utc_s + 1) % DAY_S) != 0)
		return false;
	*ret_ms = utc_s * 1000 + (is_leap_second ? 999 : tail.ms);
	return true;
}

bool time_parse_epoch(struct view text, int64_t unit_ms, int64_t *ret_ms)
{
	const uint8_t *at = text.bytes;
	const uint8_t *end = at + text.size;
	bool is_negative = at < end && *at == '-';
	int64_t units = 0;

	at += is_negative;
	if (at == end || end - at > EPOCH_DIGITS_MAX)
		return false;
	for (; at < end; at++) {
		if ((uint8_t)(*at - '0') > 9)
			return false;
		units = units * 10 + (*at - '0');
	}
	if (is_negative)
		units = -units;
	if (units < EPOCH_MS_MIN / unit_ms || units > EPOCH_MS_MAX / unit_ms)
		return false;
	*ret_ms = units * unit_ms;
	return true;
}

bool time_parse(const struct policy_image *image, struct view text, int64_t *ret_ms)
{
	switch ((enum policy_time_form)image->time_form) {
	case POLICY_TIME_RFC3339:
		return time_parse_rfc3339(text, ret_ms);
	case POLICY_TIME_EPOCH_S:
		return time_parse_epoch(text, 1000, ret_ms);
	case POLICY_TIME_EPOCH_MS:
		return time_parse_epoch(text, 1, ret_ms);
	case POLICY_TIME_PATTERN:
		return time_parse_pattern(image, text, ret_ms);
	case POLICY_TIME_NONE:
		break;
	}
	return false;
}
