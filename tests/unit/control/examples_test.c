#include "control/contract.h"
#include "control/policy_compile.h"
#include "tests/support/check.h"
#include "tests/support/data.h"

#include <stdio.h>

static const struct {
	const char *path;
	uint32_t personal_count;
} examples[] = {
	{"../../docs/examples/wikipedia/contract.yaml", 9},
	{"../../docs/examples/clickstream/contract.yaml", 6},
};

static void shipped_contracts_have_no_problem(void)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const char *path = data_path(examples[i].path);
		struct problems problems = {0};
		struct purposes *purposes = NULL;
		struct contract *contract = NULL;
		struct policy_image *image = NULL;
		uint32_t personal_count = 0;

		CHECK_EQUAL(purposes_load_beside(path, &problems, &purposes), SL_OK);
		CHECK(purposes != NULL);
		CHECK_EQUAL(contract_load_file(path, purposes, &problems, &contract), SL_OK);
		problems_print(stdout, &problems);
		CHECK_EQUAL(problems.error_count + problems.warning_count, 0);
		CHECK_FATAL(contract != NULL);
		CHECK_EQUAL(policy_compile(contract, NULL, 0, NULL, &problems, &image), SL_OK);
		for (uint32_t row = 0; row < contract->field_count; row++)
			personal_count += contract->fields[row].is_personal;
		CHECK_EQUAL(personal_count, examples[i].personal_count);
		policy_image_free(image);
		contract_free(contract);
		purposes_free(purposes);
	}
}

static const struct check_test tests[] = {
	{"shipped contracts have no problem", shipped_contracts_have_no_problem},
};

CHECK_MAIN("control/examples")
