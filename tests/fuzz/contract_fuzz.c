#include "control/contract_explain.h"
#include "dataplane/pipeline/policy.h"
// Targets: yaml_load_text, purposes_load_text, contract_load_text, policy_compile, contract_explain, policy_bind

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/** Every problem has a text and a place inside the file. */
static void check_problems(struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++)
		if (problems->items[i].what[0] == '\0' || problems->items[i].status == SL_OK)
			abort();
	problems_done(problems);
}

/** What control lets through, no dataplane refuses. */
static void bind(const struct policy_image *image)
{
	struct policy *policy;
	struct problem problem;

	if (policy_bind(image, &policy, &problem) == SL_OK)
		policy_unbind(policy);
	else if (problem.status != SL_E_NOMEM)
		abort();
}

static void compile(const struct contract *contract)
{
	const struct mask_spec mask = {
		.path = contract->fields[0].path,
		.kind = POLICY_MASK_MURMUR3,
	};
	const struct view_spec views[] = {
		{.purposes = 3, .kind = POLICY_CUMULATIVE, .masks = &mask, .mask_count = 1},
	};
	struct problems problems = {0};
	struct policy_image *image = NULL;
	enum sl_status status = policy_compile(contract, views, 1, NULL, &problems, &image);
	FILE *out = fopen("/dev/null", "w");

	// What policy_compile makes must please policy_image_check, whatever the contract is.
	if ((status == SL_OK) != (problems.error_count == 0) || status == SL_E_CORRUPT)
		abort();
	if (status == SL_OK)
		bind(image);
	if (out != NULL) {
		contract_explain(out, contract, NULL, views, 1);
		fclose(out);
	}
	check_problems(&problems);
	policy_image_free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct problems problems = {0};
	struct purposes *purposes = NULL;
	struct contract *contract = NULL;
	enum sl_status status;

	(void)!purposes_load_text(view_of(bytes, size), "p", &problems, &purposes);
	check_problems(&problems);
	purposes_free(purposes);
	status = contract_load_text(view_of(bytes, size), "c", NULL, &problems, &contract);
	if ((status == SL_OK) != (problems.error_count == 0))
		abort();
	check_problems(&problems);
	if (status == SL_OK)
		compile(contract);
	contract_free(contract);
	return 0;
}
