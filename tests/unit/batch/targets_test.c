#include "dataplane/batch/targets.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct room room_of(const char *text)
{
	return (struct room
	){.bytes = (uint8_t *)text, .size = strlen(text), .capacity = strlen(text)};
}

static struct target_names names_in_scratch(void)
{
	return (struct target_names){
		.sealed = scratch_path("sub/sealed"),
		.keys = scratch_path("sub/keys"),
		.dead = scratch_path("sub/dead"),
		.view = {scratch_path("sub/view")},
		.view_count = 1,
	};
}

static void clean(void)
{
	scratch_empty(scratch_path("sub"));
	rmdir(scratch_path("sub"));
}

static void nothing_is_seen_before_all_is_published(void)
{
	const struct target_names names = names_in_scratch();
	struct result result = {
		.out = {.sealed = room_of("sealed\n"),
			.dead = room_of("dead\n"),
			.view[0] = room_of("view\n")},
	};
	struct targets *targets;
	struct problem problem;
	struct stat mode;

	CHECK_FATAL(targets_open(&names, "in", &targets, &problem) == SL_OK);
	CHECK(!targets_has_stream(targets));
	CHECK_FATAL(targets_put(targets, &result, &problem) == SL_OK);
	CHECK_FATAL(targets_put_keys(targets, view_of_text("keys\n"), &problem) == SL_OK);
	CHECK_EQUAL(access(names.sealed, F_OK), -1);
	CHECK(targets_has_dead(targets));
	CHECK_EQUAL(targets_sealed_size(targets), 7);
	CHECK_FATAL(targets_publish(targets, &problem) == SL_OK);
	CHECK(scratch_holds(names.sealed, "sealed\n", 7));
	CHECK(scratch_holds(names.dead, "dead\n", 5));
	CHECK(scratch_holds(names.view[0], "view\n", 5));
	CHECK(scratch_holds(names.keys, "keys\n", 5));
	CHECK(stat(names.keys, &mode) == 0 && (mode.st_mode & 0777) == 0600);
	targets_free(targets);
	CHECK_EQUAL(scratch_count(scratch_path("sub")), 4);
	clean();
}

static void what_is_not_published_leaves_nothing(void)
{
	const struct target_names names = names_in_scratch();
	struct result result = {
		.out = {.sealed = room_of("sealed\n"), .view[0] = room_of("view\n")}};
	struct targets *targets;
	struct problem problem;

	CHECK_FATAL(targets_open(&names, "in", &targets, &problem) == SL_OK);
	CHECK_FATAL(targets_put(targets, &result, &problem) == SL_OK);
	targets_free(targets);
	CHECK_EQUAL(scratch_count(scratch_path("sub")), 0);
	clean();
}

static void there_is_no_dead_letter_file_without_a_bad_row(void)
{
	const struct target_names names = names_in_scratch();
	struct result result = {.out = {.sealed = room_of("sealed\n")}};
	struct targets *targets;
	struct problem problem;

	CHECK_FATAL(targets_open(&names, "in", &targets, &problem) == SL_OK);
	CHECK_FATAL(targets_put(targets, &result, &problem) == SL_OK);
	CHECK_FATAL(targets_publish(targets, &problem) == SL_OK);
	CHECK(!targets_has_dead(targets));
	CHECK_EQUAL(access(names.dead, F_OK), -1);
	targets_free(targets);
	clean();
}

static void clashes_are_refused(void)
{
	struct target_names names = names_in_scratch();
	struct targets *targets;
	struct problem problem;

	scratch_write(scratch_path("in"), "x\n", 2);
	names.sealed = scratch_path("in");
	CHECK_EQUAL(targets_open(&names, scratch_path("in"), &targets, &problem), SL_E_INVALID);
	CHECK(strstr(problem.what, "its own input") != NULL);
	CHECK_FATAL(symlink(scratch_path("in"), scratch_path("link")) == 0);
	names.sealed = scratch_path("link");
	CHECK_EQUAL(targets_open(&names, scratch_path("in"), &targets, &problem), SL_E_INVALID);
	names.sealed = names.view[0];
	CHECK_EQUAL(targets_open(&names, scratch_path("in"), &targets, &problem), SL_E_INVALID);
	CHECK(strstr(problem.what, "same name") != NULL);
	scratch_empty(scratch_directory());
}

static const struct check_test tests[] = {
	{"nothing is seen before all is published", nothing_is_seen_before_all_is_published},
	{"what is not published leaves nothing", what_is_not_published_leaves_nothing},
	{"there is no dead-letter file without a bad row",
	 there_is_no_dead_letter_file_without_a_bad_row},
	{"clashes are refused", clashes_are_refused},
};

CHECK_MAIN("batch/targets")
