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

static const struct check_test tests[] = {
	{"every status has a text", every_status_has_a_text},
	{"errno is translated", errno_is_translated},
	{"problems beyond the list are counted", problems_beyond_the_list_are_counted},
	{"a long file name keeps its end", a_long_file_name_keeps_its_end},
};

CHECK_MAIN("io/base")
