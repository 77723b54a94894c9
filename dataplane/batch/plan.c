#include "dataplane/batch/plan.h"

#include "control/contract_keep.h"
#include "control/mask_key.h"
#include "control/policy_compile.h"
#include "crypto/secret.h"
#include "dataplane/batch/contract_find.h"

#include <stdlib.h>
#include <string.h>

/** A job's overrides in the compiler's words. */
struct overrides {
	struct contract_time time;
	struct contract_consent consent;
	struct policy_overrides policy;
};

static struct view text_view(const char *text)
{
	return text == NULL ? (struct view){0} : view_of_text(text);
}

static enum policy_time_form time_form(const char *form)
{
	if (strcmp(form, "rfc3339") == 0)
		return POLICY_TIME_RFC3339;
	if (strcmp(form, "epoch-s") == 0)
		return POLICY_TIME_EPOCH_S;
	if (strcmp(form, "epoch-ms") == 0)
		return POLICY_TIME_EPOCH_MS;
	return POLICY_TIME_PATTERN;
}

/** @param ret_rules freed by the caller; the texts are the job's */
static enum sl_status make_overrides(
	const struct job *job,
	struct overrides *ret,
	struct contract_consent_rule **ret_rules
)
{
	*ret = (struct overrides){0};
	*ret_rules = NULL;
	if (job->time_field != NULL) {
		ret->time = (struct contract_time){
			.field = text_view(job->time_field),
			.form = time_form(job->time_form),
			.pattern = text_view(job->time_form),
			.zone = text_view(job->time_zone),
		};
		ret->policy.time = &ret->time;
	}
	if (!job->has_consent)
		return SL_OK;
	*ret_rules = calloc(job->consent_rule_count + 1, sizeof(**ret_rules));
	if (*ret_rules == NULL)
		return SL_E_NOMEM;
	for (uint32_t i = 0; i < job->consent_rule_count; i++) {
		(*ret_rules)[i].text = text_view(job->consent_rules[i].text);
		(*ret_rules)[i].purposes = job->consent_rules[i].purposes;
	}
	ret->consent = (struct contract_consent){
		.field = text_view(job->consent_field),
		.rules = *ret_rules,
		.rule_count = job->consent_rule_count,
		.otherwise = job->consent_otherwise,
	};
	ret->policy.consent = &ret->consent;
	return SL_OK;
}

/** Mask specifications of all views, with room for their keys. */
struct mask_room {
	struct mask_spec specs[VIEWS_MAX][JOB_MASKS_MAX];
	uint8_t keys[VIEWS_MAX][JOB_MASKS_MAX][MASK_KEY_SIZE];
};

static void make_views(
	const struct plan *plan,
	struct mask_room *room,
	struct view_spec ret_views[static VIEWS_MAX]
)
{
	for (uint32_t v = 0; v < plan->job.view_count; v++) {
		const struct job_view *from = &plan->job.views[v];

		for (uint32_t m = 0; m < from->mask_count; m++) {
			const struct job_mask *mask = &from->masks[m];
			struct mask_spec *spec = &room->specs[v][m];

			*spec = (struct mask_spec
			){.path = text_view(mask->path),
			  .kind = POLICY_MASK_MURMUR3,
			  .seed = text_view(mask->seed)};
			if (mask->is_murmur3)
				continue;
			mask_key_make(
				plan->vault_open != NULL ? vault_mask_key(plan->vault_open) : NULL,
				mask->seed,
				room->keys[v][m]
			);
			spec->kind = POLICY_MASK_HMAC;
			spec->seed = view_of(room->keys[v][m], MASK_KEY_SIZE);
		}
		ret_views[v] = (struct view_spec){
			.name = text_view(from->file),
			.purposes = from->purposes,
			.kind = from->is_cumulative ? POLICY_CUMULATIVE : POLICY_GRANULAR,
			.masks = room->specs[v],
			.mask_count = from->mask_count,
		};
	}
}

/** Compile contract and views. Without the vault the masks' keys are zeros: good for finding faults only. */
static enum sl_status compile(struct plan *plan, struct problems *problems)
{
	struct view_spec views[VIEWS_MAX] = {0};
	struct mask_room *room = secret_new(sizeof(*room));
	struct contract_consent_rule *rules = NULL;
	struct overrides overrides;
	struct policy_image *image;
	enum sl_status status = SL_E_NOMEM;

	if (room != NULL)
		status = make_overrides(&plan->job, &overrides, &rules);
	if (status == SL_OK) {
		make_views(plan, room, views);
		status = policy_compile(
			plan->contract,
			views,
			plan->job.view_count,
			&overrides.policy,
			problems,
			&image
		);
	}
	free(rules);
	secret_free(room, sizeof(*room));
	if (status != SL_OK)
		return status;
	policy_image_free(plan->image);
	plan->image = image;
	return SL_OK;
}

static enum sl_status add_problem(
	struct problems *problems,
	const char *file,
	struct problem *problem
)
{
	if (problem->file[0] == '\0')
		problem_at_file(problem, file);
	problems_add(problems, problem);
	return problem->status;
}

static enum sl_status load_contract(
	struct plan *plan,
	const char *job_file,
	struct problems *problems
)
{
	struct problem problem;

	if (contract_find(plan->job.directory, plan->job.contract, &plan->contract_file, &problem)
	    != SL_OK)
		return add_problem(problems, job_file, &problem);
	SL_TRY(contract_load_file(plan->contract_file, plan->purposes, problems, &plan->contract));
	if (contract_check_active(plan->contract, &problem) != SL_OK)
		return add_problem(problems, plan->contract_file, &problem);
	if (plan->job.is_csv && plan->contract->format != POLICY_CSV) {
		(void)!problem_set(
			&problem, SL_E_INVALID, "the job reads CSV, its contract is for JSON"
		);
		problem_remedy(&problem, "write `format: csv` in the contract");
		return add_problem(problems, plan->contract_file, &problem);
	}
	return SL_OK;
}

/** The default name of the dead letters: beside the sealed file, with its compression. */
static char *dead_name(const char *sealed)
{
	static const char *const endings[] = {".gz", ".zst"};
	size_t size = strlen(sealed);
	const char *ending = "";
	char *name;

	if (strcmp(sealed, "-") == 0)
		return strdup("dead-letters.ndjson");
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t ending_size = strlen(endings[i]);

		if (size > ending_size && strcmp(sealed + size - ending_size, endings[i]) == 0)
			ending = endings[i];
	}
	size -= strlen(ending);
	if (size > 7 && memcmp(sealed + size - 7, ".ndjson", 7) == 0)
		size -= 7;
	else if (size > 4 && memcmp(sealed + size - 4, ".csv", 4) == 0)
		size -= 4;
	return asprintf(&name, "%.*s.dead-letters.ndjson%s", (int)size, sealed, ending) < 0 ? NULL
											    : name;
}

/** Names as the job runs with them: overrides start from the current folder, the rest from the job's. */
static enum sl_status resolve_names(
	struct plan *plan,
	const struct plan_overrides *o,
	const char *vault_default
)
{
	const struct job *job = &plan->job;
	const char *base = o->output_dir != NULL ? o->output_dir : job->directory;
	char *dead = job->dead_letters != NULL ? strdup(job->dead_letters) : dead_name(job->sealed);
	bool is_good = dead != NULL;

	plan->input = o->input != NULL ? strdup(o->input) : job_resolve(job->directory, job->input);
	if (o->vault != NULL || job->vault == NULL)
		plan->vault = strdup(o->vault != NULL ? o->vault : vault_default);
	else
		plan->vault = job_resolve(job->directory, job->vault);
	plan->names.sealed = job_resolve(base, job->sealed);
	plan->names.keys = job->keys != NULL ? job_resolve(base, job->keys) : NULL;
	plan->names.dead = is_good ? job_resolve(base, dead) : NULL;
	plan->names.view_count = job->view_count;
	for (uint32_t v = 0; v < job->view_count; v++) {
		plan->names.view[v] = job_resolve(base, job->views[v].file);
		is_good = is_good && plan->names.view[v] != NULL;
	}
	free(dead);
	is_good = is_good && plan->input != NULL && plan->vault != NULL
		&& plan->names.sealed != NULL && plan->names.dead != NULL
		&& (job->keys == NULL || plan->names.keys != NULL);
	return is_good ? SL_OK : SL_E_NOMEM;
}

enum sl_status plan_load(
	const char *job_file,
	const struct plan_overrides *overrides,
	const char *vault_default,
	struct plan *ret_plan,
	struct problems *problems
)
{
	struct plan plan = {0};
	enum sl_status status;

	SL_TRY(job_load(job_file, &plan.purposes, &plan.job, problems));
	status = load_contract(&plan, job_file, problems);
	if (status == SL_OK)
		status = compile(&plan, problems);
	if (status == SL_OK)
		status = resolve_names(&plan, overrides, vault_default);
	if (status != SL_OK) {
		plan_done(&plan);
		return status;
	}
	*ret_plan = plan;
	return SL_OK;
}

static bool has_hmac(const struct job *job)
{
	for (uint32_t v = 0; v < job->view_count; v++)
		for (uint32_t m = 0; m < job->views[v].mask_count; m++)
			if (!job->views[v].masks[m].is_murmur3)
				return true;
	return false;
}

enum sl_status plan_open_keys(
	struct plan *plan,
	const struct plan_overrides *overrides,
	struct problem *ret_problem
)
{
	const struct vault_options vault = {
		.dir = plan->vault, .root_key_file = overrides->root_key, .may_create = true};
	struct keyring_options keyring = {
		.group = text_view(plan->job.group),
		.contract = plan->contract->ref,
		.retention_days = plan->job.retention_days,
	};
	struct problems problems = {0};

	SL_TRY(vault_open(&vault, &plan->vault_open, ret_problem));
	SL_TRY(contract_keep(plan->vault_open, plan->contract, plan->purposes, ret_problem));
	if (has_hmac(&plan->job) && compile(plan, &problems) != SL_OK) {
		*ret_problem = problems.items[0];
		problems_done(&problems);
		return ret_problem->status;
	}
	problems_done(&problems);
	memcpy(keyring.policy_id, plan->job.policy_id, sizeof(keyring.policy_id));
	keyring.purposes = policy_rows(plan->image, plan->image->purposes);
	keyring.purpose_count = plan->image->purposes.count;
	return keyring_open(plan->vault_open, &keyring, &plan->keyring, ret_problem);
}

void plan_done(struct plan *plan)
{
	struct problem problem;

	// What the job needed is durable already; what fails here costs the next opening time, nothing else.
	(void)!keyring_close(plan->keyring, &problem);
	vault_close(plan->vault_open);
	policy_image_free(plan->image);
	contract_free(plan->contract);
	purposes_free(plan->purposes);
	free(plan->contract_file);
	free(plan->input);
	free(plan->vault);
	free((char *)plan->names.sealed);
	free((char *)plan->names.keys);
	free((char *)plan->names.dead);
	for (uint32_t v = 0; v < plan->names.view_count; v++)
		free((char *)plan->names.view[v]);
	job_done(&plan->job);
	*plan = (struct plan){0};
}
