#include "control/quantity.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t size;
};

static const struct unit byte_units[] = {
	{"", 1},
	{"B", 1},
	{"kB", 1000},
	{"MB", 1000000},
	{"GB", 1000000000},
	{"TB", 1000000000000},
	{"KiB", UINT64_C(1) << 10},
	{"MiB", UINT64_C(1) << 20},
	{"GiB", UINT64_C(1) << 30},
	{"TiB", UINT64_C(1) << 40},
	{NULL, 0},
};

static const struct unit time_units[] = {
	{"ms", 1},
	{"s", 1000},
	{"m", 60000},
	{"min", 60000},
	{"h", 3600000},
	{"d", 86400000},
	{NULL, 0},
};

/** Digits, perhaps a space, a unit. false: another form, or beyond 64 bits. */
static bool read_amount(struct view text, const struct unit *units, uint64_t *ret_amount)
{
	uint64_t number = 0;
	struct view left;
	size_t at = 0;

	for (; at < text.size && text.bytes[at] >= '0' && text.bytes[at] <= '9'; at++)
		if (__builtin_mul_overflow(number, 10, &number)
		    || __builtin_add_overflow(number, text.bytes[at] - '0', &number))
			return false;
	if (at == 0)
		return false;
	if (at + 1 < text.size && text.bytes[at] == ' ')
		at++;
	left = view_of(text.bytes + at, text.size - at);
	if (number == 0 && left.size == 0) {
		*ret_amount = 0;
		return true;
	}
	for (; units->name != NULL; units++)
		if (view_equal(left, view_of_text(units->name)))
			return !__builtin_mul_overflow(number, units->size, ret_amount);
	return false;
}

/** The largest unit that an amount is a whole number of. */
static void write_amount(uint64_t amount, const struct unit *units, char *ret_text, size_t size)
{
	const struct unit *best = &units[0];

	for (const struct unit *u = units; u->name != NULL; u++)
		if (amount >= u->size && amount % u->size == 0 && u->size >= best->size)
			best = u;
	snprintf(
		ret_text,
		size,
		"%" PRIu64 "%s%s",
		amount / best->size,
		units == byte_units && best->name[0] != '\0' ? " " : "",
		amount == 0 ? "" : best->name
	);
}

static bool read_in_range(
	const struct yaml_node *node,
	const struct unit *units,
	struct quantity_range range,
	struct problems *problems,
	const char *form,
	uint64_t *ret_amount
)
{
	char least[40];
	char most[40];
	uint64_t amount;

	if (yaml_is_scalar(node) && node->kind != YAML_NULL
	    && read_amount(node->text, units, &amount) && amount >= range.least
	    && amount <= range.most) {
		*ret_amount = amount;
		return true;
	}
	write_amount(range.least, units, least, sizeof(least));
	write_amount(range.most, units, most, sizeof(most));
	problem_remedy(
		yaml_problem(
			problems,
			node,
			SL_E_INVALID,
			"%s is %s from %s to %s",
			range.name,
			form,
			least,
			most
		),
		units == byte_units ? "write it with its unit: 256 MiB"
				    : "write it with its unit: 24h, 30m, 10s or 500ms"
	);
	return false;
}

bool quantity_read_bytes(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_bytes
)
{
	return read_in_range(node, byte_units, range, problems, "a size", ret_bytes);
}

bool quantity_read_ms(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_ms
)
{
	return read_in_range(node, time_units, range, problems, "a time", ret_ms);
}

bool quantity_read_number(
	const struct yaml_node *node,
	struct quantity_range range,
	struct problems *problems,
	uint64_t *ret_number
)
{
	int64_t value;

	if (yaml_int64(node, &value) && value >= 0 && (uint64_t)value >= range.least
	    && (uint64_t)value <= range.most) {
		*ret_number = (uint64_t)value;
		return true;
	}
	problem_remedy(
		yaml_problem(
			problems,
			node,
			SL_E_INVALID,
			"%s is a number from %" PRIu64 " to %" PRIu64,
			range.name,
			range.least,
			range.most
		),
		"write digits only, or leave it out for the default"
	);
	return false;
}

bool quantity_network(struct view text, uint8_t ret_address[static 16], uint32_t *ret_prefix)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char copy[INET6_ADDRSTRLEN + 4];
	uint8_t address[16];
	uint32_t bits = 128;
	uint64_t prefix = 0;
	char *slash;

	if (text.size == 0 || text.size >= sizeof(copy) || memchr(text.bytes, 0, text.size) != NULL)
		return false;
	memcpy(copy, text.bytes, text.size);
	copy[text.size] = '\0';
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash++ = '\0';
	if (inet_pton(AF_INET, copy, address + 12) == 1) {
		memcpy(address, mapped, sizeof(mapped));
		bits = 32;
	} else if (inet_pton(AF_INET6, copy, address) != 1) {
		return false;
	}
	prefix = bits;
	if (slash != NULL
	    && (*slash == '\0' || !read_amount(view_of_text(slash), byte_units, &prefix)
		|| prefix > bits || strspn(slash, "0123456789") != strlen(slash)))
		return false;
	memcpy(ret_address, address, sizeof(address));
	*ret_prefix = (uint32_t)prefix + 128 - bits;
	return true;
}
