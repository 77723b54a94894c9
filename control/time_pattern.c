#include "control/time_pattern.h"

static const char letters_remedy[] =
	"letters that are known: y u M L d D E H h a m s S n X x Z VV; put text in quotes: 'T'";

/** What a run of one letter means. */
static const struct letter {
	char letter;
	uint8_t kind;      // enum policy_time_item_kind
	uint8_t count_max; // letters in a row
	uint8_t digits;    // of one letter alone: 1..digits; 0 = not digits
} letters[] = {
	{'y', POLICY_TIME_YEAR, 4, 4},
	{'u', POLICY_TIME_YEAR, 4, 4},
	{'M', POLICY_TIME_MONTH, 4, 2},
	{'L', POLICY_TIME_MONTH, 4, 2},
	{'d', POLICY_TIME_DAY, 2, 2},
	{'D', POLICY_TIME_DAY_OF_YEAR, 3, 3},
	{'E', POLICY_TIME_WEEKDAY, 4, 0},
	{'H', POLICY_TIME_HOUR, 2, 2},
	{'h', POLICY_TIME_HOUR_AMPM, 2, 2},
	{'a', POLICY_TIME_AMPM, 1, 0},
	{'m', POLICY_TIME_MINUTE, 2, 2},
	{'s', POLICY_TIME_SECOND, 2, 2},
	{'S', POLICY_TIME_FRACTION, 9, 1},
	{'n', POLICY_TIME_NANO, 9, 9},
	{'X', POLICY_TIME_OFFSET, 3, 0},
	{'x', POLICY_TIME_OFFSET, 3, 0},
	{'Z', POLICY_TIME_OFFSET, 3, 0},
	{'V', POLICY_TIME_ZONE, 2, 0},
};

/** Letters of Java that are refused for a reason worth telling. */
static const struct refused_letter {
	char letter;
	const char *remedy;
} refused_letters[] = {
	{'Y', "Y is the year of the week; write y"},
	{'z', "names such as CET are ambiguous; write xxx or VV"},
	{'v', "names such as CET are ambiguous; write xxx or VV"},
	{'O', "write xxx or Z for an offset"},
	{'k', "write H for hours 0 to 23"},
	{'K', "write h for hours 1 to 12 with a"},
	{'[', "optional parts are not known; put a literal [ in quotes"},
	{']', "optional parts are not known; put a literal ] in quotes"},
	{'{', "this sign is reserved; put it in quotes"},
	{'}', "this sign is reserved; put it in quotes"},
	{'#', "this sign is reserved; put it in quotes"},
};

static bool is_letter(uint8_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static enum sl_status refuse(
	struct problem *ret_problem,
	size_t index,
	const char *what,
	const char *remedy
)
{
	(void)!problem_set(ret_problem, SL_E_SYNTAX, "%s", what);
	problem_remedy(ret_problem, "%s", remedy);
	ret_problem->column = (uint32_t)index + 1;
	return SL_E_SYNTAX;
}

static enum sl_status refuse_letter(struct problem *ret_problem, struct view pattern, size_t index)
{
	const char *remedy = letters_remedy;
	char what[80];

	for (size_t i = 0; i < sizeof(refused_letters) / sizeof(refused_letters[0]); i++)
		if (refused_letters[i].letter == (char)pattern.bytes[index])
			remedy = refused_letters[i].remedy;
	snprintf(
		what,
		sizeof(what),
		"the pattern's '%c' (character %zu) is not known",
		pattern.bytes[index],
		index + 1
	);
	return refuse(ret_problem, index, what, remedy);
}

static void add_literal(struct time_pattern *p, uint8_t c)
{
	struct policy_time_item *last = p->count == 0 ? NULL : &p->items[p->count - 1];

	if (last == NULL || last->kind != POLICY_TIME_LITERAL) {
		last = &p->items[p->count++];
		*last = (struct policy_time_item){
			.text = {.offset = p->text_size},
			.kind = POLICY_TIME_LITERAL,
			.digits_min = 1,
			.digits_max = 1,
		};
	}
	p->text[p->text_size++] = c;
	last->text.size++;
}

/** The item of a run of letters. false: so many of this letter are not known. */
static bool item_of(const struct letter *l, size_t count, struct policy_time_item *ret_item)
{
	uint8_t n = (uint8_t)count;
	struct policy_time_item item = {.kind = l->kind, .digits_min = 1, .digits_max = 1};

	if (count > l->count_max)
		return false;
	switch (l->letter) {
	case 'y':
	case 'u':
		if (n == 3)
			return false;
		item.digits_min = n;
		item.digits_max = n == 1 ? l->digits : n;
		break;
	case 'M':
	case 'L':
		if (n > 2) {
			item.kind = n == 3 ? POLICY_TIME_MONTH_SHORT : POLICY_TIME_MONTH_LONG;
			break;
		}
		item.digits_min = n;
		item.digits_max = l->digits;
		break;
	case 'S':
		item.digits_min = item.digits_max = n;
		break;
	case 'n':
		item.digits_min = n;
		item.digits_max = l->digits;
		break;
	case 'V':
		if (n != 2)
			return false;
		break;
	default:
		if (l->digits != 0) {
			item.digits_min = n;
			item.digits_max = n == 1 ? l->digits : n;
		}
		break;
	}
	*ret_item = item;
	return true;
}

static bool is_number(const struct policy_time_item *item)
{
	switch ((enum policy_time_item_kind)item->kind) {
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
		return true;
	case POLICY_TIME_LITERAL:
	case POLICY_TIME_MONTH_SHORT:
	case POLICY_TIME_MONTH_LONG:
	case POLICY_TIME_WEEKDAY:
	case POLICY_TIME_AMPM:
	case POLICY_TIME_OFFSET:
	case POLICY_TIME_ZONE:
		break;
	}
	return false;
}

/** A run of one letter, from index on. */
static enum sl_status add_letters(
	struct time_pattern *p,
	struct view pattern,
	size_t *index,
	struct problem *ret_problem
)
{
	const struct letter *letter = NULL;
	struct policy_time_item item;
	size_t start = *index;
	size_t count = 0;

	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == (char)pattern.bytes[start])
			letter = &letters[i];
	if (letter == NULL)
		return refuse_letter(ret_problem, pattern, start);
	while (start + count < pattern.size && pattern.bytes[start + count] == pattern.bytes[start])
		count++;
	*index += count;
	if (!item_of(letter, count, &item))
		return refuse(
			ret_problem,
			start,
			"the pattern repeats a letter a number of times that has no meaning",
			"write yyyy or yy, M to MMMM, one or two of d H h m s, one to three X, VV"
		);
	if (p->count != 0 && is_number(&item) && is_number(&p->items[p->count - 1])
	    && p->items[p->count - 1].digits_min != p->items[p->count - 1].digits_max)
		return refuse(
			ret_problem,
			start,
			"two numbers touch, and the first has no fixed number of digits",
			"write the first with its full width, such as MM"
		);
	p->items[p->count++] = item;
	return SL_OK;
}

/** From an opening quote to past its closing one; two quotes stand for one. */
static enum sl_status add_quoted(
	struct time_pattern *p,
	struct view pattern,
	size_t *index,
	struct problem *ret_problem
)
{
	size_t i = *index + 1;

	if (i < pattern.size && pattern.bytes[i] == '\'') {
		*index += 2;
		add_literal(p, '\'');
		return SL_OK;
	}
	for (; i < pattern.size; i++) {
		if (pattern.bytes[i] == '\'') {
			if (i + 1 == pattern.size || pattern.bytes[i + 1] != '\'') {
				*index = i + 1;
				return SL_OK;
			}
			i++;
		}
		add_literal(p, pattern.bytes[i]);
	}
	return refuse(ret_problem, *index, "the pattern's quote has no end", "add a '");
}

/** Which part of a moment an item tells; parts that are told twice are refused. */
static uint32_t part_of(const struct policy_time_item *item)
{
	switch ((enum policy_time_item_kind)item->kind) {
	case POLICY_TIME_MONTH_SHORT:
	case POLICY_TIME_MONTH_LONG:
		return 1u << POLICY_TIME_MONTH;
	case POLICY_TIME_NANO:
		return 1u << POLICY_TIME_FRACTION;
	case POLICY_TIME_ZONE:
		return 1u << POLICY_TIME_OFFSET;
	case POLICY_TIME_LITERAL:
		return 0;
	case POLICY_TIME_YEAR:
	case POLICY_TIME_MONTH:
	case POLICY_TIME_DAY:
	case POLICY_TIME_DAY_OF_YEAR:
	case POLICY_TIME_WEEKDAY:
	case POLICY_TIME_HOUR:
	case POLICY_TIME_HOUR_AMPM:
	case POLICY_TIME_AMPM:
	case POLICY_TIME_MINUTE:
	case POLICY_TIME_SECOND:
	case POLICY_TIME_FRACTION:
	case POLICY_TIME_OFFSET:
		break;
	}
	return 1u << item->kind;
}

/** The parts together must tell one moment. Returns NULL, or what is wrong. */
static const char *fault_of(uint32_t parts)
{
	bool has_date = (parts >> POLICY_TIME_MONTH & parts >> POLICY_TIME_DAY & 1) != 0;
	bool has_day_of_year = (parts >> POLICY_TIME_DAY_OF_YEAR & 1) != 0;
	bool has_hour = (parts >> POLICY_TIME_HOUR & 1) != 0;
	bool has_hour_ampm = (parts >> POLICY_TIME_HOUR_AMPM & 1) != 0;
	bool has_minute = (parts >> POLICY_TIME_MINUTE & 1) != 0;
	bool has_second = (parts >> POLICY_TIME_SECOND & 1) != 0;

	if ((parts >> POLICY_TIME_YEAR & 1) == 0)
		return "the pattern has no year";
	if (has_date == has_day_of_year)
		return "the pattern must have month and day, or the day of the year, not both";
	if (has_hour_ampm != ((parts >> POLICY_TIME_AMPM & 1) != 0))
		return "the pattern must have h and a together";
	if (has_hour && has_hour_ampm)
		return "the pattern has both H and h";
	if (has_minute && !has_hour && !has_hour_ampm)
		return "the pattern has minutes without hours";
	if (has_second && !has_minute)
		return "the pattern has seconds without minutes";
	if ((parts >> POLICY_TIME_FRACTION & 1) != 0 && !has_second)
		return "the pattern has a fraction without seconds";
	return NULL;
}

static enum sl_status check_parts(const struct time_pattern *p, struct problem *ret_problem)
{
	uint32_t parts = 0;
	const char *fault;

	for (uint32_t i = 0; i < p->count; i++) {
		uint32_t part = part_of(&p->items[i]);

		if ((parts & part) != 0)
			return refuse(
				ret_problem, 0, "the pattern tells one thing twice", "remove one"
			);
		parts |= part;
	}
	fault = fault_of(parts);
	if (fault != NULL)
		return refuse(ret_problem, 0, fault, "for example yyyy-MM-dd HH:mm:ss");
	return SL_OK;
}

enum sl_status time_pattern_compile(
	struct view pattern,
	struct time_pattern *ret_pattern,
	struct problem *ret_problem
)
{
	struct time_pattern p = {0};
	size_t i = 0;

	if (pattern.size == 0 || pattern.size > TIME_PATTERN_SIZE_MAX)
		return refuse(
			ret_problem,
			0,
			"the pattern is empty or longer than 100 bytes",
			"for example yyyy-MM-dd HH:mm:ss"
		);
	while (i < pattern.size) {
		uint8_t c = pattern.bytes[i];

		if (is_letter(c)) {
			SL_TRY(add_letters(&p, pattern, &i, ret_problem));
		} else if (c == '\'') {
			SL_TRY(add_quoted(&p, pattern, &i, ret_problem));
		} else if (c == '[' || c == ']' || c == '{' || c == '}' || c == '#') {
			return refuse_letter(ret_problem, pattern, i);
		} else {
			add_literal(&p, c);
			i++;
		}
	}
	SL_TRY(check_parts(&p, ret_problem));
	*ret_pattern = p;
	return SL_OK;
}
