#include "io/base/cursor.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "tests/support/check.h"

#include <errno.h>
#include <string.h>

static void every_status_has_a_text(void)
{
	for (unsigned i = 0; i < SL_STATUS_COUNT; i++)
		CHECK(status_text((enum sl_status)i)[0] != '\0');
	CHECK(strcmp(status_text(SL_STATUS_COUNT), "unknown status") == 0);
}

static void errno_is_translated(void)
{
	CHECK_EQUAL(status_of_errno(0), SL_OK);
	CHECK_EQUAL(status_of_errno(ENOSPC), SL_E_NO_SPACE);
	CHECK_EQUAL(status_of_errno(EACCES), SL_E_DENIED);
	CHECK_EQUAL(status_of_errno(ENOENT), SL_E_NOT_FOUND);
	CHECK_EQUAL(status_of_errno(EIO), SL_E_IO);
}

static void problems_beyond_the_list_are_counted(void)
{
	struct problems list = {0};
	struct problem p;

	CHECK_EQUAL(problem_set(&p, SL_E_SYNTAX, "bad %d", 7), SL_E_SYNTAX);
	for (int i = 0; i < PROBLEMS_MAX + 5; i++)
		problem_remedy(problems_add(&list, &p), "mend it");
	CHECK_EQUAL(list.count, PROBLEMS_MAX);
	CHECK_EQUAL(list.error_count, PROBLEMS_MAX + 5);
	CHECK(strcmp(list.items[0].what, "bad 7") == 0);
	CHECK(strcmp(list.items[0].remedy, "mend it") == 0);
	problems_done(&list);
}

static void a_long_file_name_keeps_its_end(void)
{
	char name[2 * PROBLEM_FILE_MAX];
	struct problem p;

	memset(name, 'd', sizeof(name));
	memcpy(name + sizeof(name) - 5, "/end", 5);
	(void)!problem_set(&p, SL_E_IO, "x");
	problem_at_file(&p, name);
	CHECK_EQUAL(strlen(p.file), PROBLEM_FILE_MAX - 1);
	CHECK(strcmp(p.file + strlen(p.file) - 4, "/end") == 0);
}

static void a_cursor_takes_what_is_there(void)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
	struct cursor c = cursor_over(view_of(bytes, sizeof(bytes)));
	uint8_t copy[2] = {0};

	CHECK_EQUAL(cursor_u8(&c), 1);
	CHECK_EQUAL(cursor_be16(&c), 0x0203);
	cursor_copy(&c, copy, sizeof(copy));
	CHECK(copy[0] == 4 && copy[1] == 5);
	cursor_limit(&c, 1);
	CHECK_EQUAL(cursor_left(&c), 1);
	CHECK(view_equal(cursor_rest(&c), view_of(bytes + 5, 1)));
	CHECK(cursor_take(&c, 0) == bytes + 5 && !c.is_short);
	CHECK(cursor_take(&c, 1) == bytes + 5 && cursor_left(&c) == 0 && !c.is_short);
}

/** Short once, short for good: nothing is read from then on. */
static void a_short_cursor_stays_short(void)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct cursor c = cursor_over(view_of(bytes, sizeof(bytes)));
	uint16_t copy = 7;

	CHECK(cursor_take(&c, 4) == NULL && c.is_short);
	CHECK(cursor_u8(&c) == 0 && cursor_be16(&c) == 0 && cursor_left(&c) == 0);
	cursor_copy(&c, &copy, sizeof(copy));
	CHECK_EQUAL(copy, 7);
	c = cursor_over(view_of(bytes, sizeof(bytes)));
	cursor_limit(&c, 4);
	CHECK(c.is_short);
	c = cursor_over((struct view){0});
	CHECK(cursor_left(&c) == 0 && !c.is_short && cursor_u8(&c) == 0 && c.is_short);
	c = cursor_over(view_of(bytes, 1));
	CHECK(cursor_be16(&c) == 0 && c.is_short);
	c = cursor_over(view_of(bytes, 1));
	CHECK(cursor_take(&c, SIZE_MAX) == NULL);
}

static const struct check_test tests[] = {
	{"every status has a text", every_status_has_a_text},
	{"errno is translated", errno_is_translated},
	{"problems beyond the list are counted", problems_beyond_the_list_are_counted},
	{"a long file name keeps its end", a_long_file_name_keeps_its_end},
	{"a cursor takes what is there", a_cursor_takes_what_is_there},
	{"a short cursor stays short", a_short_cursor_stays_short},
};

CHECK_MAIN("io/base")
