#include "control/job.h"

#include "control/job_reference.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const job_keys[] = {
	"job",
	"about",
	"input",
	"purposes",
	"group",
	"sealed",
	"keys",
	"derived",
	"dead_letters",
	"max_bad",
	"vault",
	"policy",
	NULL,
};

char *job_text(const struct yaml_node *node)
{
	return node == NULL || node->kind == YAML_NULL
		? NULL
		: strndup((const char *)node->text.bytes, node->text.size);
}

char *job_resolve(const char *directory, const char *name)
{
	char *path;

	if (name[0] == '/' || strcmp(name, "-") == 0 || strcmp(directory, ".") == 0)
		return strdup(name);
	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

bool job_max_bad_read(const char *text, struct job_max_bad *ret_max_bad)
{
	struct job_max_bad max_bad = {0};
	char *end;
	uint64_t fraction = 0;
	uint64_t unit = 10000; // of a percent, in millionths

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	max_bad.rows = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	if (*end == '\0') {
		*ret_max_bad = max_bad;
		return true;
	}
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9' && unit > 1; end++) {
			unit /= 10;
			fraction += (uint64_t)(*end - '0') * unit;
		}
	}
	if (strcmp(end, "%") != 0 || max_bad.rows > 100)
		return false;
	max_bad.ppm = (uint32_t)(max_bad.rows * 10000 + fraction);
	max_bad.rows = 0;
	max_bad.is_share = true;
	if (max_bad.ppm > JOB_MAX_BAD_SCALE)
		return false;
	*ret_max_bad = max_bad;
	return true;
}

/** The `file` of a target; NULL after a problem. */
static char *read_target(
	const struct yaml_node *node,
	const char *name,
	const char *const allowed[],
	struct problems *problems
)
{
	const struct yaml_node *file;

	if (!yaml_expect(node, YAML_MAP, name, "write it as a map: {file: NAME}", problems)
	    || !yaml_check_keys(node, allowed, problems))
		return NULL;
	file = yaml_map_get(node, "file");
	if (file == NULL || !yaml_is_scalar(file) || file->text.size == 0) {
		problem_remedy(
			yaml_problem(
				problems,
				file != NULL ? file : node,
				SL_E_SYNTAX,
				"%s names no file",
				name
			),
			"add file: NAME (a .gz or .zst ending compresses, - is standard output)"
		);
		return NULL;
	}
	return job_text(file);
}

static void read_mask(
	const struct yaml_node *node,
	struct job_view *view,
	struct problems *problems
)
{
	static const char *const keys[] = {"form", "seed", NULL};
	const struct yaml_node *form = node;
	const struct yaml_node *seed = NULL;
	struct job_mask *mask = &view->masks[view->mask_count];

	if (node->kind == YAML_MAP) {
		if (!yaml_check_keys(node, keys, problems))
			return;
		form = yaml_map_get(node, "form");
		seed = yaml_map_get(node, "seed");
	}
	if (form == NULL || (!yaml_is_text(form, "hmac") && !yaml_is_text(form, "murmur3"))) {
		problem_remedy(
			yaml_problem(
				problems,
				form != NULL ? form : node,
				SL_E_SYNTAX,
				"a mask is hmac or murmur3"
			),
			"write `FIELD: hmac`, or `FIELD: {form: murmur3, seed: TEXT}` for masks in "
			"the reference service's form"
		);
		return;
	}
	mask->path = job_text(node->key);
	mask->is_murmur3 = yaml_is_text(form, "murmur3");
	mask->seed = job_text(seed);
	view->mask_count++;
}

struct job_view *job_view_room(
	struct job *job,
	const struct yaml_node *node,
	struct problems *problems
)
{
	if (job->view_count < VIEWS_MAX)
		return &job->views[job->view_count];
	yaml_problem(
		problems, node, SL_E_TOO_BIG, "a job has at most %d derived targets", VIEWS_MAX
	);
	return NULL;
}

void job_view_read_rules(
	const struct yaml_node *node,
	const struct purposes *purposes,
	struct job_view *view,
	struct problems *problems
)
{
	const struct yaml_node *wanted = yaml_map_get(node, "purposes");
	const struct yaml_node *consent = yaml_map_get(node, "consent");
	const struct yaml_node *masks = yaml_map_get(node, "mask");

	if (wanted == NULL || (wanted->kind == YAML_LIST && wanted->count == 0))
		problem_remedy(
			yaml_problem(
				problems,
				wanted != NULL ? wanted : node,
				SL_E_SYNTAX,
				"a derived target opens no purpose"
			),
			"add purposes: [NAME, …]"
		);
	else
		(void)purposes_read_set(purposes, wanted, problems, &view->purposes);
	if (consent != NULL && !yaml_is_text(consent, "granular")
	    && !yaml_is_text(consent, "cumulative"))
		problem_remedy(
			yaml_problem(
				problems, consent, SL_E_SYNTAX, "consent is granular or cumulative"
			),
			"granular passes events that consent to all purposes; cumulative those "
			"that consent to the highest or above"
		);
	view->is_cumulative = consent != NULL && yaml_is_text(consent, "cumulative");
	if (masks == NULL
	    || !yaml_expect(masks, YAML_MAP, "mask", "write it as a map: {FIELD: hmac}", problems))
		return;
	view->masks = calloc(JOB_MASKS_MAX, sizeof(*view->masks));
	for (const struct yaml_node *mask = masks->first; mask != NULL && view->masks != NULL;
	     mask = mask->next) {
		if (view->mask_count == JOB_MASKS_MAX) {
			yaml_problem(
				problems,
				mask,
				SL_E_TOO_BIG,
				"a derived target has at most %d masks",
				JOB_MASKS_MAX
			);
			return;
		}
		read_mask(mask, view, problems);
	}
}

static void read_view(
	const struct yaml_node *node,
	const struct purposes *purposes,
	struct job *job,
	struct job_view *view,
	struct problems *problems
)
{
	static const char *const keys[] = {"file", "purposes", "consent", "mask", NULL};

	view->file = read_target(node, "a derived target", keys, problems);
	if (view->file == NULL)
		return;
	job->view_count++;
	job_view_read_rules(node, purposes, view, problems);
}

static void read_views(
	const struct yaml_node *root,
	const struct purposes *purposes,
	struct job *job,
	struct problems *problems
)
{
	const struct yaml_node *list = yaml_map_get(root, "derived");

	if (list == NULL || list->kind == YAML_NULL)
		return;
	if (!yaml_expect(
		    list,
		    YAML_LIST,
		    "derived",
		    "write it as a list of targets: - {file: NAME, purposes: [1]}",
		    problems
	    ))
		return;
	for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
		struct job_view *view = job_view_room(job, node, problems);

		if (view == NULL)
			return;
		read_view(node, purposes, job, view, problems);
	}
}

static void read_input(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	static const char *const keys[] = {"file", "contract", NULL};
	const struct yaml_node *input = yaml_map_get(root, "input");
	const struct yaml_node *contract = yaml_map_get(input, "contract");

	if (input == NULL) {
		problem_remedy(
			yaml_problem(problems, root, SL_E_SYNTAX, "the job has no input"),
			"add input: {file: NAME, contract: HANDLE/NAME/VERSION}"
		);
		return;
	}
	job->input = read_target(input, "input", keys, problems);
	if (job->input == NULL)
		return;
	if (contract == NULL || !yaml_is_scalar(contract) || contract->text.size == 0) {
		problem_remedy(
			yaml_problem(problems, input, SL_E_SYNTAX, "input names no contract"),
			"add contract: HANDLE/NAME/VERSION, or the contract's file"
		);
		return;
	}
	job->contract = job_text(contract);
}

static void read_keys(
	const struct yaml_node *root,
	const struct purposes *purposes,
	struct job *job,
	struct problems *problems
)
{
	static const char *const keys[] = {"file", "purposes", NULL};
	const struct yaml_node *node = yaml_map_get(root, "keys");
	const struct yaml_node *wanted = yaml_map_get(node, "purposes");

	job->keys_purposes = UINT64_MAX;
	if (node == NULL || node->kind == YAML_NULL)
		return;
	job->keys = read_target(node, "keys", keys, problems);
	if (wanted != NULL)
		(void)purposes_read_set(purposes, wanted, problems, &job->keys_purposes);
}

void job_policy_id(const struct yaml_node *node, struct job *job, struct problems *problems)
{
	if (node == NULL || node->kind == YAML_NULL || node->text.size == 0)
		return;
	if (node->text.size != UUID_TEXT_SIZE
	    || !uuid_read((const char *)node->text.bytes, job->policy_id))
		problem_remedy(
			yaml_problem(problems, node, SL_E_SYNTAX, "a policy's id is a UUID"),
			"write it as 8-4-4-4-12 hexadecimal digits, or leave it out for the "
			"default policy"
		);
}

static void read_policy(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	static const char *const keys[] = {"id", "retention_days", NULL};
	const struct yaml_node *node = yaml_map_get(root, "policy");
	const struct yaml_node *days = yaml_map_get(node, "retention_days");
	int64_t value = JOB_RETENTION_DAYS;

	if (node != NULL && node->kind != YAML_NULL
	    && (!yaml_expect(
			node,
			YAML_MAP,
			"policy",
			"write it as a map: {id: TEXT, retention_days: N}",
			problems
		)
		|| !yaml_check_keys(node, keys, problems)))
		return;
	if (days != NULL && (!yaml_int64(days, &value) || value < 1 || value > 36500))
		problem_remedy(
			yaml_problem(
				problems,
				days,
				SL_E_INVALID,
				"retention_days is a number of days from 1 to 36500"
			),
			"leave it out for the default, %d days",
			JOB_RETENTION_DAYS
		);
	job->retention_days = (uint32_t)value;
	job_policy_id(yaml_map_get(node, "id"), job, problems);
}

static void read_rest(
	const struct yaml_node *root,
	const struct purposes *purposes,
	struct job *job,
	struct problems *problems
)
{
	static const char *const keys[] = {"file", NULL};
	const struct yaml_node *sealed = yaml_map_get(root, "sealed");
	const struct yaml_node *dead = yaml_map_get(root, "dead_letters");
	const struct yaml_node *max_bad = yaml_map_get(root, "max_bad");
	char *text;

	if (sealed == NULL)
		problem_remedy(
			yaml_problem(problems, root, SL_E_SYNTAX, "the job has no sealed target"),
			"add sealed: {file: NAME}"
		);
	else
		job->sealed = read_target(sealed, "sealed", keys, problems);
	if (dead != NULL && dead->kind != YAML_NULL)
		job->dead_letters = read_target(dead, "dead_letters", keys, problems);
	read_keys(root, purposes, job, problems);
	read_views(root, purposes, job, problems);
	read_policy(root, job, problems);
	job->vault = job_text(yaml_map_get(root, "vault"));
	job->group = job_text(yaml_map_get(root, "group"));
	if (job->group == NULL)
		job->group = strdup(job->name != NULL ? job->name : "");
	text = job_text(max_bad);
	if (text != NULL && !job_max_bad_read(text, &job->max_bad))
		problem_remedy(
			yaml_problem(
				problems,
				max_bad,
				SL_E_SYNTAX,
				"max_bad is a number of rows or a share"
			),
			"write max_bad: 100, or max_bad: 0.1%%"
		);
	free(text);
}

static void read_job(
	const struct yaml_node *root,
	const struct purposes *purposes,
	struct job *job,
	struct problems *problems
)
{
	const struct yaml_node *name = yaml_map_get(root, "job");

	if (!yaml_check_keys(root, job_keys, problems))
		return;
	if (name == NULL || !yaml_is_scalar(name) || name->text.size == 0
	    || name->text.size > JOB_NAME_MAX)
		problem_remedy(
			yaml_problem(
				problems,
				name != NULL ? name : root,
				SL_E_SYNTAX,
				"the job has no name"
			),
			"add job: NAME, 1 to %d characters",
			JOB_NAME_MAX
		);
	else
		job->name = job_text(name);
	read_input(root, job, problems);
	read_rest(root, purposes, job, problems);
}

/** The folder of a file's name; "." for a bare name and for standard input. */
static char *directory_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (slash == NULL)
		return strdup(".");
	return strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

/** The purposes map of a job: named in it, or purposes.yaml in its folder, or none at all. */
static enum sl_status load_purposes(
	const struct yaml_node *root,
	const char *directory,
	struct purposes **ret_purposes,
	struct problems *problems
)
{
	const struct yaml_node *named = yaml_map_get(root, "purposes");
	char *name = named != NULL ? job_text(named) : strdup("purposes.yaml");
	char *path = name != NULL ? job_resolve(directory, name) : NULL;
	enum sl_status status = SL_OK;

	*ret_purposes = NULL;
	if (path == NULL)
		status = SL_E_NOMEM;
	else if (named != NULL || access(path, F_OK) == 0)
		status = purposes_load_file(path, problems, ret_purposes);
	free(path);
	free(name);
	return status;
}

enum sl_status job_load(
	const char *file,
	struct purposes **ret_purposes,
	struct job *ret_job,
	struct problems *problems
)
{
	struct purposes *purposes = NULL;
	struct yaml *yaml;
	struct job job = {0};
	uint32_t errors = problems->error_count;
	enum sl_status status;

	SL_TRY(yaml_load_file(file, problems, &yaml));
	job.directory = directory_of(file);
	if (job.directory == NULL)
		status = SL_E_NOMEM;
	else
		status = load_purposes(yaml_root(yaml), job.directory, &purposes, problems);
	if (status == SL_OK) {
		if (job_reference_is(yaml_root(yaml)))
			job_reference_read(yaml_root(yaml), &job, problems);
		else if (yaml_expect(
				 yaml_root(yaml),
				 YAML_MAP,
				 "a job",
				 "start with job: NAME",
				 problems
			 ))
			read_job(yaml_root(yaml), purposes, &job, problems);
		status = problems->error_count == errors ? SL_OK : SL_E_SYNTAX;
	}
	yaml_unload(yaml);
	if (status != SL_OK) {
		job_done(&job);
		purposes_free(purposes);
		return status;
	}
	*ret_job = job;
	*ret_purposes = purposes;
	return SL_OK;
}

void job_view_done(struct job_view *view)
{
	for (uint32_t i = 0; i < view->mask_count; i++) {
		free(view->masks[i].path);
		free(view->masks[i].seed);
	}
	free(view->masks);
	free(view->file);
}

void job_done(struct job *job)
{
	char *const texts[] = {
		job->name,
		job->directory,
		job->input,
		job->contract,
		job->group,
		job->sealed,
		job->keys,
		job->dead_letters,
		job->vault,
		job->time_field,
		job->time_form,
		job->time_zone,
		job->consent_field,
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	for (uint32_t i = 0; i < job->view_count; i++)
		job_view_done(&job->views[i]);
	for (uint32_t i = 0; i < job->consent_rule_count; i++)
		free(job->consent_rules[i].text);
	free(job->consent_rules);
	*job = (struct job){0};
}
