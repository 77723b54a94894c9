#include "control/number.h"

/** A decimal taken apart; digits without zeros in front (whole) or behind (part). */
struct number {
	bool is_negative;
	struct view whole;
	struct view part;
};

static size_t count_digits(struct view text, size_t from)
{
	size_t i = from;

	while (i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9')
		i++;
	return i - from;
}

static bool take_apart(struct view text, struct number *ret_number)
{
	struct number d = {0};
	size_t at = 0;
	bool has_digits;

	if (text.size != 0 && (text.bytes[0] == '-' || text.bytes[0] == '+')) {
		d.is_negative = text.bytes[0] == '-';
		at = 1;
	}
	if (at == text.size)
		return false;
	d.whole = view_of(text.bytes + at, count_digits(text, at));
	at += d.whole.size;
	has_digits = d.whole.size != 0;
	if (at < text.size && text.bytes[at] == '.') {
		at++;
		d.part = view_of(text.bytes + at, count_digits(text, at));
		at += d.part.size;
		has_digits = has_digits || d.part.size != 0;
	}
	if (at != text.size || !has_digits)
		return false;
	while (d.whole.size != 0 && d.whole.bytes[0] == '0')
		d.whole = view_of(d.whole.bytes + 1, d.whole.size - 1);
	while (d.part.size != 0 && d.part.bytes[d.part.size - 1] == '0')
		d.part.size--;
	d.is_negative = d.is_negative && (d.whole.size != 0 || d.part.size != 0);
	*ret_number = d;
	return true;
}

size_t number_canonical(struct view text, uint8_t ret_text[static NUMBER_SIZE_MAX])
{
	struct room room = {.bytes = ret_text, .capacity = NUMBER_SIZE_MAX};
	struct number d;

	if (!take_apart(text, &d) || d.whole.size + d.part.size + 3 > NUMBER_SIZE_MAX)
		return 0;
	if (d.is_negative)
		room_put_byte(&room, '-');
	if (d.whole.size == 0)
		room_put_byte(&room, '0');
	room_put_view(&room, d.whole);
	if (d.part.size != 0) {
		room_put_byte(&room, '.');
		room_put_view(&room, d.part);
	}
	return room.size;
}

/** Without signs. */
static int compare_sizes(const struct number *a, const struct number *b)
{
	size_t shorter = a->part.size < b->part.size ? a->part.size : b->part.size;
	int order;

	if (a->whole.size != b->whole.size)
		return a->whole.size < b->whole.size ? -1 : 1;
	order = a->whole.size == 0 ? 0 : memcmp(a->whole.bytes, b->whole.bytes, a->whole.size);
	if (order == 0 && shorter != 0)
		order = memcmp(a->part.bytes, b->part.bytes, shorter);
	if (order == 0)
		order = (a->part.size > b->part.size) - (a->part.size < b->part.size);
	return order;
}

int number_compare(struct view a, struct view b)
{
	struct number x = {0};
	struct number y = {0};

	(void)take_apart(a, &x);
	(void)take_apart(b, &y);
	if (x.is_negative != y.is_negative)
		return x.is_negative ? -1 : 1;
	return x.is_negative ? compare_sizes(&y, &x) : compare_sizes(&x, &y);
}
