#include "crypto/mask.h"
#include "crypto/secret.h"
#include "dataplane/pipeline/match_state.h"
#include "dataplane/pipeline/policy.h"
#include "dataplane/pipeline/regex.h"

#include <stdlib.h>

static const char json_suffix[] = "~json";

static uint32_t count_masks(const struct policy *policy)
{
	uint32_t count = 0;

	for (uint32_t v = 0; v < policy->image->views.count; v++)
		count += policy->views[v].masks.count;
	return count;
}

static enum sl_status out_of_memory(struct problem *ret_problem)
{
	return problem_set(ret_problem, SL_E_NOMEM, "no memory for the policy");
}

static enum sl_status bind_paths(
	const struct policy *policy,
	uint32_t f,
	struct problem *ret_problem
)
{
	struct policy_bound_field *bound = &policy->bound[f];
	struct view path = policy_view_of(policy->image, policy->fields[f].path);
	uint8_t bytes[FIELD_PATH_MAX];
	struct room joined = {.bytes = bytes, .capacity = sizeof(bytes)};

	if (path.size <= PATH_SIZE_MAX && field_path_init(path, &bound->path)) {
		room_put_view(&joined, path);
		room_put(&joined, json_suffix, sizeof(json_suffix) - 1);
		if (field_path_init(view_of(bytes, joined.size), &bound->path_json))
			return SL_OK;
	}
	return problem_set(
		ret_problem,
		SL_E_SYNTAX,
		"the path of field %u has %zu bytes, not 1 to %d",
		f,
		path.size,
		PATH_SIZE_MAX
	);
}

static enum sl_status bind_match(
	const struct policy *policy,
	uint32_t f,
	struct problem *ret_problem
)
{
	struct view pattern = policy_view_of(policy->image, policy->fields[f].match);
	struct view path = policy_view_of(policy->image, policy->fields[f].path);
	struct regex_fault fault;
	enum sl_status status;

	if (pattern.size == 0)
		return SL_OK;
	status = regex_compile(pattern, &policy->bound[f].match, &fault);
	if (status != SL_E_SYNTAX)
		return status == SL_OK ? SL_OK : out_of_memory(ret_problem);
	(void)!problem_set(
		ret_problem,
		SL_E_SYNTAX,
		"the regular expression of field %.*s is wrong at its byte %zu: %s",
		(int)path.size,
		(const char *)path.bytes,
		fault.offset + 1,
		fault.text
	);
	problem_remedy(ret_problem, "write it as pcre2pattern(3) says");
	return SL_E_SYNTAX;
}

static void bind_masks(const struct policy *policy)
{
	uint32_t row = 0;

	for (uint32_t v = 0; v < policy->image->views.count; v++) {
		const struct policy_mask *masks =
			policy_rows(policy->image, policy->views[v].masks);

		policy->view_first_mask[v] = row;
		for (uint32_t m = 0; m < policy->views[v].masks.count; m++, row++)
			if (masks[m].kind == POLICY_MASK_HMAC)
				mask_hmac_prepare(
					policy_view_of(policy->image, masks[m].seed).bytes,
					policy->mask_state[row]
				);
	}
}

/** Take all memory. Tables without rows get one, so that NULL means that there was no memory. */
static enum sl_status take_memory(struct policy *policy, struct problem *ret_problem)
{
	const struct policy_image *image = policy->image;
	uint32_t mask_count = count_masks(policy);

	policy->bound = calloc(image->fields.count + 1, sizeof(*policy->bound));
	policy->view_first_mask = calloc(image->views.count + 1, sizeof(*policy->view_first_mask));
	policy->match = calloc(1, sizeof(*policy->match));
	if (mask_count != 0)
		policy->mask_state = secret_new(mask_count * sizeof(*policy->mask_state));
	if (policy->bound == NULL || policy->view_first_mask == NULL || policy->match == NULL
	    || (mask_count != 0 && policy->mask_state == NULL)
	    || regex_memory_new(&policy->match->regex) != SL_OK)
		return out_of_memory(ret_problem);
	return SL_OK;
}

static enum sl_status bind_image(struct policy *policy, struct problem *ret_problem)
{
	SL_TRY(take_memory(policy, ret_problem));
	for (uint32_t f = 0; f < policy->image->fields.count; f++) {
		SL_TRY(bind_paths(policy, f, ret_problem));
		SL_TRY(bind_match(policy, f, ret_problem));
	}
	bind_masks(policy);
	match_state_init(policy->match, policy->image);
	return SL_OK;
}

enum sl_status policy_bind(
	const struct policy_image *image,
	struct policy **ret_policy,
	struct problem *ret_problem
)
{
	struct policy *policy = calloc(1, sizeof(*policy));
	enum sl_status status;

	if (policy == NULL)
		return out_of_memory(ret_problem);
	*policy = (struct policy){
		.image = image,
		.fields = policy_fields(image),
		.nodes = policy_nodes(image),
		.purposes = policy_rows(image, image->purposes),
		.views = policy_rows(image, image->views),
	};
	status = bind_image(policy, ret_problem);
	if (status != SL_OK)
		policy_unbind(policy);
	else
		*ret_policy = policy;
	return status;
}

void policy_unbind(struct policy *policy)
{
	if (policy == NULL)
		return;
	if (policy->bound != NULL)
		for (uint32_t f = 0; f < policy->image->fields.count; f++)
			regex_free(policy->bound[f].match);
	if (policy->match != NULL)
		regex_memory_free(policy->match->regex);
	secret_free(policy->mask_state, count_masks(policy) * sizeof(*policy->mask_state));
	free(policy->match);
	free(policy->view_first_mask);
	free(policy->bound);
	free(policy);
}
