#include "dataplane/pipeline/decimal.h"

#include <stdint.h>

// A number is read as 0.d1d2d3… × 10^point with d1 not zero. Then sign, point and digits decide in this
// order, and no digit is ever computed with. Short integers, which most numbers are, go a shorter way.

enum {
	SMALL_SIZE_MAX = 18,   // of a text whose number surely fits into 64 bits
	EXPONENT_MAX = 1 << 30 // an exponent above counts as this; no text has as many digits
};

struct decimal {
	const uint8_t *digit; // first digit that is not zero; a `.` may lie between digits
	const uint8_t *end;   // past the last digit
	int64_t point;
	bool is_negative;
	bool is_zero;
};

static bool is_digit(uint8_t byte)
{
	return (uint8_t)(byte - '0') <= 9;
}

static const uint8_t *skip_digits(const uint8_t *at, const uint8_t *end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/** Skip `head` and at least one digit; NULL when there is none. */
static const uint8_t *skip_part(const uint8_t *at, const uint8_t *end)
{
	const uint8_t *past = skip_digits(at, end);

	return past == at ? NULL : past;
}

enum decimal_form decimal_form_of(struct view text)
{
	const uint8_t *at = text.bytes;
	const uint8_t *end = at + text.size;
	enum decimal_form form = DECIMAL_INTEGER;

	if (at < end && *at == '-')
		at++;
	if (at < end && *at == '0')
		at++;
	else if ((at = skip_part(at, end)) == NULL)
		return DECIMAL_NONE;
	if (at < end && *at == '.') {
		form = DECIMAL_REAL;
		if ((at = skip_part(at + 1, end)) == NULL)
			return DECIMAL_NONE;
	}
	if (at < end && (*at | 0x20) == 'e') {
		form = DECIMAL_REAL;
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		if ((at = skip_part(at, end)) == NULL)
			return DECIMAL_NONE;
	}
	return at == end ? form : DECIMAL_NONE;
}

/** at lies behind the `e`. */
static int64_t read_exponent(const uint8_t *at, const uint8_t *end)
{
	int64_t exponent = 0;
	bool is_negative = false;

	if (at < end && (*at == '+' || *at == '-'))
		is_negative = *at++ == '-';
	for (; at < end; at++)
		if (exponent < EXPONENT_MAX)
			exponent = exponent * 10 + (*at - '0');
	if (exponent > EXPONENT_MAX)
		exponent = EXPONENT_MAX;
	return is_negative ? -exponent : exponent;
}

static struct decimal read_decimal(struct view text)
{
	struct decimal d = {.is_zero = true};
	const uint8_t *at = text.bytes;
	const uint8_t *end = at + text.size;
	bool is_fraction = false;

	if (at < end && *at == '-') {
		d.is_negative = true;
		at++;
	}
	for (; at < end && (is_digit(*at) || *at == '.'); at++) {
		if (*at == '.') {
			is_fraction = true;
			continue;
		}
		if (d.is_zero && *at != '0') {
			d.is_zero = false;
			d.digit = at;
		}
		if (!is_fraction && !d.is_zero)
			d.point++;
		if (is_fraction && d.is_zero)
			d.point--;
	}
	d.end = at;
	if (at < end)
		d.point += read_exponent(at + 1, end);
	return d;
}

/** The next digit, 0 after the last. */
static int next_digit(struct decimal *d)
{
	if (d->digit < d->end && *d->digit == '.')
		d->digit++;
	return d->digit < d->end ? *d->digit++ - '0' : 0;
}

static int compare_magnitudes(struct decimal *a, struct decimal *b)
{
	if (a->point != b->point)
		return a->point < b->point ? -1 : 1;
	while (a->digit < a->end || b->digit < b->end) {
		int difference = next_digit(a) - next_digit(b);

		if (difference != 0)
			return difference;
	}
	return 0;
}

static int compare_any(struct view a_text, struct view b_text)
{
	struct decimal a = read_decimal(a_text);
	struct decimal b = read_decimal(b_text);
	int a_sign = a.is_zero ? 0 : a.is_negative ? -1 : 1;
	int b_sign = b.is_zero ? 0 : b.is_negative ? -1 : 1;

	if (a_sign != b_sign || a_sign == 0)
		return a_sign - b_sign;
	return a_sign * compare_magnitudes(&a, &b);
}

/** false: not an integer of a few digits. */
static bool read_small(struct view text, int64_t *ret_number)
{
	bool is_negative = text.size != 0 && text.bytes[0] == '-';
	size_t at = is_negative;
	int64_t number = 0;

	if (text.size == at || text.size > SMALL_SIZE_MAX)
		return false;
	for (; at < text.size; at++) {
		if (!is_digit(text.bytes[at]))
			return false;
		number = number * 10 + (text.bytes[at] - '0');
	}
	*ret_number = is_negative ? -number : number;
	return true;
}

int decimal_compare(struct view a_text, struct view b_text)
{
	int64_t a;
	int64_t b;

	if (read_small(a_text, &a) && read_small(b_text, &b))
		return (a > b) - (a < b);
	return compare_any(a_text, b_text);
}
