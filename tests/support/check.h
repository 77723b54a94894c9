#pragma once

#include <CUnit/Basic.h>

#include <stdlib.h>

/** One test of a suite. */
struct check_test {
	const char *name;
	void (*run)(void);
};

/** Run a suite; the exit code is 0 only when at least one test ran and none failed. */
static inline int check_run(const char *suite_name, const struct check_test tests[], size_t count)
{
	CU_pSuite suite;
	unsigned failed;
	unsigned run;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return EXIT_FAILURE;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (size_t i = 0; i < count; i++)
		if (suite == NULL || CU_add_test(suite, tests[i].name, tests[i].run) == NULL)
			return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_NORMAL);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	return run == 0 || failed != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/** The whole main of a test program: a table named `tests`. */
#define CHECK_MAIN(suite_name)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		return check_run(suite_name, tests, sizeof(tests) / sizeof(tests[0]));             \
	}

#define CHECK(condition)              CU_ASSERT(condition)
#define CHECK_FATAL(condition)        CU_ASSERT_FATAL(condition)
#define CHECK_EQUAL(actual, expected) CU_ASSERT_EQUAL(actual, expected)
