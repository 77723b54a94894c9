#include "dataplane/batch/contract_find.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void put(const char *name, const char *text)
{
	scratch_write(scratch_path(name), text, strlen(text));
}

static void a_file_is_found_by_its_name(void)
{
	struct problem problem;
	char *file;

	put("mine.yaml", "contract: a/b/1.0.0\n");
	CHECK_FATAL(contract_find(scratch_directory(), "mine.yaml", &file, &problem) == SL_OK);
	CHECK(strcmp(file, scratch_path("mine.yaml")) == 0);
	free(file);
	scratch_empty(scratch_directory());
}

static void a_contract_is_found_by_what_it_says(void)
{
	struct problem problem;
	char *file;

	put("a.yaml", "contract: a/b/1.0.0\n");
	put("b.yml", "contract: a/b/2.0.0\n");
	put("job.yaml", "job: x\n");
	put("broken.yaml", "a: [\n");
	CHECK_FATAL(contract_find(scratch_directory(), "a/b/2.0.0", &file, &problem) == SL_OK);
	CHECK(strcmp(file, scratch_path("b.yml")) == 0);
	free(file);
	CHECK_EQUAL(
		contract_find(scratch_directory(), "a/b/3.0.0", &file, &problem), SL_E_NOT_FOUND
	);
	CHECK(strstr(problem.what, "a/b/3.0.0") != NULL);
	CHECK(strstr(problem.remedy, scratch_directory()) != NULL);
	scratch_empty(scratch_directory());
}

static void two_files_with_one_contract_are_refused(void)
{
	struct problem problem;
	char *file;

	put("a.yaml", "contract: a/b/1.0.0\n");
	put("copy.yaml", "contract: a/b/1.0.0\n");
	CHECK_EQUAL(contract_find(scratch_directory(), "a/b/1.0.0", &file, &problem), SL_E_EXISTS);
	CHECK(strstr(problem.what, "copy.yaml") != NULL);
	scratch_empty(scratch_directory());
}

static const struct check_test tests[] = {
	{"a file is found by its name", a_file_is_found_by_its_name},
	{"a contract is found by what it says", a_contract_is_found_by_what_it_says},
	{"two files with one contract are refused", two_files_with_one_contract_are_refused},
};

CHECK_MAIN("batch/contract_find")
