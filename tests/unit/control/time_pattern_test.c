#include "control/time_pattern.h"
#include "tests/support/check.h"

#include <stdio.h>
#include <string.h>

// Items are written as kind:min-max, a literal as its text in quotes.
static const struct {
	const char *pattern;
	const char *items;
} patterns[] = {
	{"yyyy-MM-dd HH:mm:ss", "Y4-4 '-' M2-2 '-' D2-2 ' ' H2-2 ':' m2-2 ':' s2-2"},
	{"M/d/yyyy H:m", "M1-2 '/' D1-2 '/' Y4-4 ' ' H1-2 ':' m1-2"},
	{"yyyy-MM-dd HH.mm.ss.nnnnnn:Z",
	 "Y4-4 '-' M2-2 '-' D2-2 ' ' H2-2 '.' m2-2 '.' s2-2 '.' n6-9 ':' X1-1"},
	{"uuuu-MM-dd'T'HH:mm:ss.SSSXXX",
	 "Y4-4 '-' M2-2 '-' D2-2 'T' H2-2 ':' m2-2 ':' s2-2 '.' S3-3 X1-1"},
	{"yyyyMMddHHmmss", "Y4-4 M2-2 D2-2 H2-2 m2-2 s2-2"},
	{"dd MMM yy, h:mm a", "D2-2 ' ' N1-1 ' ' Y2-2 ', ' h1-2 ':' m2-2 ' ' a1-1"},
	{"EEEE, d MMMM yyyy HH:mm VV",
	 "E1-1 ', ' D1-2 ' ' L1-1 ' ' Y4-4 ' ' H2-2 ':' m2-2 ' ' V1-1"},
	{"yyyy-DDD", "Y4-4 '-' d3-3"},
	{"y''M'o''clock'd", "Y1-4 ''' M1-2 'o'clock' D1-2"},
	{"yyyy-MM-dd'T'HH:mm:ssx", "Y4-4 '-' M2-2 '-' D2-2 'T' H2-2 ':' m2-2 ':' s2-2 X1-1"},
};

static void print_items(const struct time_pattern *p, char *ret_text, size_t size)
{
	static const char letters[] = "'YMNLDdEHhamsSnXV";
	size_t used = 0;

	ret_text[0] = '\0';
	for (uint32_t i = 0; i < p->count; i++) {
		const struct policy_time_item *item = &p->items[i];
		const char *space = i == 0 ? "" : " ";

		if (item->kind == POLICY_TIME_LITERAL)
			used += (size_t)snprintf(
				ret_text + used,
				size - used,
				"%s'%.*s'",
				space,
				(int)item->text.size,
				(const char *)p->text + item->text.offset
			);
		else
			used += (size_t)snprintf(
				ret_text + used,
				size - used,
				"%s%c%d-%d",
				space,
				letters[item->kind],
				item->digits_min,
				item->digits_max
			);
	}
}

static void patterns_become_items(void)
{
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct time_pattern p;
		struct problem fault = {0};
		char items[512];

		CHECK_EQUAL(
			time_pattern_compile(view_of_text(patterns[i].pattern), &p, &fault), SL_OK
		);
		print_items(&p, items, sizeof(items));
		CHECK(strcmp(items, patterns[i].items) == 0);
		if (strcmp(items, patterns[i].items) != 0)
			printf("%s: %s %s\n", patterns[i].pattern, items, fault.what);
	}
}

static const struct {
	const char *pattern;
	uint32_t column;
	const char *part;
	const char *remedy;
} faults[] = {
	{"", 1, "empty", ""},
	{"YYYY-MM-dd", 1, "'Y' (character 1)", "write y"},
	{"yyyy-MM-dd z", 12, "'z' (character 12)", "VV"},
	{"yyyy-MM-dd HH:mm:ss.Q", 21, "'Q' (character 21)", "letters that are known"},
	{"yyyy-MM-dd[ HH]", 11, "'[' (character 11)", "optional"},
	{"yyyy-MM-dd kk", 12, "'k'", "write H"},
	{"yyyy-MM-dd {", 12, "'{'", "quotes"},
	{"yyyy-MM-dd 'T", 12, "no end", "add a '"},
	{"yyyy-MMMMM-dd", 6, "repeats", ""},
	{"yyy-MM-dd", 1, "repeats", ""},
	{"yyyyy-MM-dd", 1, "repeats", ""},
	{"yyyy-MM-ddd", 9, "repeats", ""},
	{"yyyy-MM-dd V", 12, "repeats", ""},
	{"yyyy-MM-dd VVV", 12, "repeats", ""},
	{"yyyy-MM-dd HH aa:mm", 15, "repeats", ""},
	{"yyyy-MM-dd XXXX", 12, "repeats", ""},
	{"yMMdd", 2, "two numbers touch", "full width"},
	{"yyyyMdd", 6, "two numbers touch", ""},
	{"MM-dd", 1, "no year", "for example"},
	{"yyyy-MM", 1, "month and day", ""},
	{"yyyy", 1, "month and day", ""},
	{"yyyy-MM-dd DDD", 1, "month and day", ""},
	{"yyyy-MM-dd hh", 1, "h and a", ""},
	{"yyyy-MM-dd a", 1, "h and a", ""},
	{"yyyy-MM-dd HH hh a", 1, "both H and h", ""},
	{"yyyy-MM-dd mm", 1, "without hours", ""},
	{"yyyy-MM-dd HH:ss", 1, "without minutes", ""},
	{"yyyy-MM-dd HH:mm.SSS", 1, "without seconds", ""},
	{"yyyy-MM-dd yyyy", 1, "twice", ""},
	{"yyyy-MM-dd MMM", 1, "twice", ""},
	{"yyyy-MM-dd HH:mm:ss.SSS n", 1, "twice", ""},
	{"yyyy-MM-dd HH:mm:ssX VV", 1, "twice", ""},
};

static void what_has_no_meaning_is_refused(void)
{
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct time_pattern p;
		struct problem fault = {0};
		enum sl_status status =
			time_pattern_compile(view_of_text(faults[i].pattern), &p, &fault);
		bool is_good = status == SL_E_SYNTAX && fault.column == faults[i].column
			&& strstr(fault.what, faults[i].part) != NULL
			&& strstr(fault.remedy, faults[i].remedy) != NULL
			&& fault.remedy[0] != '\0';

		CHECK(is_good);
		if (!is_good)
			printf("%s: %u %s | %s\n",
			       faults[i].pattern,
			       fault.column,
			       fault.what,
			       fault.remedy);
	}
}

static void the_longest_pattern_fits(void)
{
	char pattern[TIME_PATTERN_SIZE_MAX + 2];
	struct problem fault;
	struct time_pattern p;

	for (int i = 0; i < TIME_PATTERN_SIZE_MAX; i++)
		pattern[i] = i % 2 == 0 ? 'a' : '-';
	pattern[TIME_PATTERN_SIZE_MAX] = '\0';
	CHECK_EQUAL(time_pattern_compile(view_of_text(pattern), &p, &fault), SL_E_SYNTAX);
	memset(pattern, '-', sizeof(pattern));
	memcpy(pattern, "yyyyMMdd", 8);
	CHECK_EQUAL(
		time_pattern_compile(view_of(pattern, TIME_PATTERN_SIZE_MAX), &p, &fault), SL_OK
	);
	CHECK_EQUAL(
		time_pattern_compile(view_of(pattern, TIME_PATTERN_SIZE_MAX + 1), &p, &fault),
		SL_E_SYNTAX
	);
}

static const struct check_test tests[] = {
	{"patterns become items", patterns_become_items},
	{"what has no meaning is refused", what_has_no_meaning_is_refused},
	{"the longest pattern fits", the_longest_pattern_fits},
};

CHECK_MAIN("control/time_pattern")
