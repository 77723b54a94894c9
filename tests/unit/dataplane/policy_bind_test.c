#include "dataplane/pipeline/policy.h"
#include "tests/support/check.h"
#include "tests/support/policy_builder.h"

#include <string.h>

static const uint8_t mask_key[MASK_KEY_SIZE] = "0123456789abcdef0123456789abcde";

static const struct build_mask first_masks[] = {
	{.path = "user", .kind = POLICY_MASK_MURMUR3, .seed = "seed", .seed_size = 4},
	{.path = "name", .kind = POLICY_MASK_HMAC, .seed = mask_key, .seed_size = MASK_KEY_SIZE},
	{0},
};

static const struct build_mask second_masks[] = {
	{.path = "user", .kind = POLICY_MASK_HMAC, .seed = mask_key, .seed_size = MASK_KEY_SIZE},
	{0},
};

static const struct build_view views[] = {
	{.name = "first", .masks = first_masks},
	{.name = "none"},
	{.name = "second", .masks = second_masks},
	{0},
};

static const struct build_field fields[] = {
	{.path = "user", .type = POLICY_STRING},
	{.path = "name", .type = POLICY_STRING, .match = "^[a-z]+$"},
	{.path = "a/*/b"},
	{0},
};

static bool path_is(const struct field_path *path, const char *text)
{
	return view_equal(view_of(field_path_bytes(path), path->size), view_of_text(text));
}

static void everything_is_made_ready(void)
{
	struct policy_image *image =
		policy_build(&(struct build){.fields = fields, .views = views});
	uint8_t state[MASK_HMAC_STATE_SIZE];
	uint8_t zeros[MASK_HMAC_STATE_SIZE] = {0};
	struct problem problem;
	struct policy *policy;

	CHECK_FATAL(policy_bind(image, &policy, &problem) == SL_OK);
	CHECK(path_is(&policy->bound[0].path, "user"));
	CHECK(path_is(&policy->bound[0].path_json, "user~json"));
	CHECK(path_is(&policy->bound[2].path, "a/*/b"));
	CHECK(path_is(&policy->bound[2].path_json, "a/*/b~json"));
	CHECK(policy->bound[0].match == NULL);
	CHECK(policy->bound[1].match != NULL);

	mask_hmac_prepare(mask_key, state);
	CHECK_EQUAL(policy->view_first_mask[0], 0);
	CHECK_EQUAL(policy->view_first_mask[1], 2);
	CHECK_EQUAL(policy->view_first_mask[2], 2);
	CHECK(memcmp(policy->mask_state[0], zeros, sizeof(zeros)) == 0);
	CHECK(memcmp(policy->mask_state[1], state, sizeof(state)) == 0);
	CHECK(memcmp(policy->mask_state[2], state, sizeof(state)) == 0);
	policy_unbind(policy);
	free(image);
	policy_unbind(NULL);
}

static void the_longest_path_fits(void)
{
	char path[PATH_SIZE_MAX + 1];
	char path_json[PATH_SIZE_MAX + 6];
	struct build_field one[] = {{.path = path}, {0}};
	struct policy_image *image;
	struct problem problem;
	struct policy *policy;

	memset(path, 'p', PATH_SIZE_MAX);
	path[PATH_SIZE_MAX] = '\0';
	memcpy(path_json, path, PATH_SIZE_MAX);
	memcpy(path_json + PATH_SIZE_MAX, "~json", 6);
	image = policy_build(&(struct build){.fields = one});
	CHECK_FATAL(policy_bind(image, &policy, &problem) == SL_OK);
	CHECK(path_is(&policy->bound[0].path, path));
	CHECK(path_is(&policy->bound[0].path_json, path_json));
	policy_unbind(policy);
	free(image);
}

static void a_wrong_expression_is_told(void)
{
	static const struct build_field wrong[] = {
		{.path = "user"},
		{.path = "a/b", .match = "^(x$"},
		{0},
	};
	struct policy_image *image = policy_build(&(struct build){.fields = wrong, .views = NULL});
	struct policy *policy = NULL;
	struct problem problem;

	CHECK_EQUAL(policy_bind(image, &policy, &problem), SL_E_SYNTAX);
	CHECK(policy == NULL);
	CHECK_EQUAL(problem.status, SL_E_SYNTAX);
	CHECK(strstr(problem.what, "a/b") != NULL);
	CHECK(strstr(problem.what, "byte 5") != NULL);
	CHECK(problem.remedy[0] != '\0');
	free(image);
}

static const struct check_test tests[] = {
	{"everything is made ready", everything_is_made_ready},
	{"the longest path fits", the_longest_path_fits},
	{"a wrong expression is told", a_wrong_expression_is_told},
};

CHECK_MAIN("dataplane/policy_bind")
