#include "control/job_reference.h"

#include <stdlib.h>
#include <string.h>

/** A member by its snake_case or camelCase name. */
static const struct yaml_node *get(const struct yaml_node *map, const char *snake)
{
	const struct yaml_node *node = yaml_map_get(map, snake);
	char camel[64];
	size_t n = 0;

	if (node != NULL)
		return node;
	for (const char *at = snake; *at != '\0' && n < sizeof(camel) - 1; at++) {
		if (*at == '_' && at[1] != '\0')
			camel[n++] = (char)(*++at - 'a' + 'A');
		else
			camel[n++] = *at;
	}
	camel[n] = '\0';
	return yaml_map_get(map, camel);
}

bool job_reference_is(const struct yaml_node *root)
{
	return get(root, "source_data") != NULL;
}

/** The file of a data location: [path_prefix/]file_name. NULL after a problem. */
static char *read_location(
	const struct yaml_node *root,
	const struct yaml_node *data,
	const char *name,
	struct problems *problems
)
{
	const struct yaml_node *file = get(data, "file_name");
	const struct yaml_node *prefix = get(data, "path_prefix");
	char *path;

	if (file == NULL || !yaml_is_scalar(file) || file->text.size == 0) {
		problem_remedy(
			yaml_problem(
				problems,
				data != NULL ? data : root,
				SL_E_SYNTAX,
				"%s names no file",
				name
			),
			"add file_name (only files are read here; a database is not)"
		);
		return NULL;
	}
	if (prefix == NULL || prefix->text.size == 0)
		return job_text(file);
	if (asprintf(
		    &path, "%s/%s", (const char *)prefix->text.bytes, (const char *)file->text.bytes
	    )
	    < 0)
		return NULL;
	return path;
}

/** A target: {target: location} or the location itself. */
static char *read_target(const struct yaml_node *root, const char *key, struct problems *problems)
{
	const struct yaml_node *data = get(root, key);
	const struct yaml_node *target = get(data, "target");

	return read_location(root, target != NULL ? target : data, key, problems);
}

static void read_format(const struct yaml_node *source, struct job *job, struct problems *problems)
{
	const struct yaml_node *csv = get(get(source, "data_type"), "csv");
	const struct yaml_node *charset = get(csv, "charset");

	job->is_csv = true; // the only file type of the form, whether it is named or not
	if (get(get(source, "data_type"), "database") != NULL)
		problem_remedy(
			yaml_problem(
				problems, source, SL_E_UNSUPPORTED, "the input is a database table"
			),
			"export the table as CSV and name the file"
		);
	if (charset != NULL && strcasecmp((const char *)charset->text.bytes, "utf-8") != 0
	    && strcasecmp((const char *)charset->text.bytes, "utf8") != 0)
		problem_remedy(
			yaml_problem(
				problems,
				charset,
				SL_E_UNSUPPORTED,
				"only the charset UTF-8 is read"
			),
			"convert the file first: iconv -f CHARSET -t UTF-8"
		);
}

static void read_contract(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	const struct yaml_node *ref = get(root, "event_contract_ref");
	const struct yaml_node *handle;
	const struct yaml_node *name;
	const struct yaml_node *version;

	if (ref == NULL)
		ref = get(root, "data_contract_ref");
	handle = get(ref, "handle");
	name = get(ref, "name");
	version = get(ref, "version");
	if (handle == NULL || name == NULL || version == NULL) {
		problem_remedy(
			yaml_problem(
				problems,
				ref != NULL ? ref : root,
				SL_E_SYNTAX,
				"event_contract_ref is not complete"
			),
			"add handle, name and version"
		);
		return;
	}
	if (asprintf(
		    &job->contract,
		    "%s/%s/%s",
		    (const char *)handle->text.bytes,
		    (const char *)name->text.bytes,
		    (const char *)version->text.bytes
	    )
	    < 0)
		job->contract = NULL;
}

static void read_encryption(
	const struct yaml_node *root,
	struct job *job,
	struct problems *problems
)
{
	const struct yaml_node *encryption = get(root, "encryption");
	const struct yaml_node *time = get(encryption, "timestamp_config");

	job->group = job_text(get(encryption, "batch_job_group_id"));
	if (job->group == NULL)
		job->group = strdup("");
	job->time_field = job_text(get(time, "field"));
	job->time_form = job_text(get(time, "format"));
	job->time_zone = job_text(get(get(time, "default_time_zone"), "id"));
	if (job->time_field == NULL || job->time_form == NULL)
		problem_remedy(
			yaml_problem(
				problems,
				encryption != NULL ? encryption : root,
				SL_E_SYNTAX,
				"timestamp_config is not complete"
			),
			"add encryption.timestamp_config with field, format and default_time_zone"
		);
}

static void read_consent(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	const struct yaml_node *consent = get(root, "consent");
	const struct yaml_node *extractor = get(consent, "consent_level_extractor");
	const struct yaml_node *patterns = get(extractor, "field_patterns");
	const struct yaml_node *otherwise = get(consent, "default_consent_levels");

	if (consent == NULL)
		return;
	job->has_consent = true;
	if (otherwise != NULL)
		(void)purposes_read_set(NULL, otherwise, problems, &job->consent_otherwise);
	job->consent_field = job_text(get(extractor, "field"));
	if (patterns == NULL || patterns->count == 0)
		return;
	job->consent_rules = calloc(patterns->count, sizeof(*job->consent_rules));
	for (const struct yaml_node *rule = patterns->first;
	     rule != NULL && job->consent_rules != NULL;
	     rule = rule->next) {
		struct job_consent_rule *to = &job->consent_rules[job->consent_rule_count];
		const struct yaml_node *levels = get(rule, "consent_levels");

		if (levels == NULL) {
			yaml_problem(
				problems, rule, SL_E_SYNTAX, "a field pattern has no consent_levels"
			);
			continue;
		}
		if (purposes_read_set(NULL, levels, problems, &to->purposes)) {
			to->text = job_text(rule->key);
			job->consent_rule_count++;
		}
	}
}

/** masked_fields: {seed, hash_type, field_patterns: {"handle/name/version": {field_patterns: [path, …]}}} */
static void read_masks(
	const struct yaml_node *node,
	struct job *job,
	struct job_view *view,
	struct problems *problems
)
{
	const struct yaml_node *patterns = get(node, "field_patterns");
	const struct yaml_node *own =
		job->contract != NULL ? yaml_map_get(patterns, job->contract) : NULL;
	const struct yaml_node *paths = get(own, "field_patterns");

	// Masks of other contracts have no effect: the reference's rule.
	if (paths == NULL || paths->kind != YAML_LIST)
		return;
	if (paths->count > JOB_MASKS_MAX) {
		yaml_problem(
			problems,
			paths,
			SL_E_TOO_BIG,
			"a derived target has at most %d masks",
			JOB_MASKS_MAX
		);
		return;
	}
	view->masks = calloc(JOB_MASKS_MAX, sizeof(*view->masks));
	for (const struct yaml_node *path = paths->first; path != NULL && view->masks != NULL;
	     path = path->next) {
		struct job_mask *mask = &view->masks[view->mask_count++];
		char *seed = job_text(get(node, "seed"));

		mask->path = job_text(path);
		mask->is_murmur3 = true;
		mask->seed = seed != NULL ? seed : strdup("");
	}
}

static void read_views(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	const struct yaml_node *list = get(root, "derived_data");

	if (list == NULL || list->kind != YAML_LIST)
		return;
	for (const struct yaml_node *node = list->first; node != NULL; node = node->next) {
		struct job_view *view = job_view_room(job, node, problems);
		const struct yaml_node *levels = get(node, "consent_levels");
		const struct yaml_node *kind = get(node, "consent_level_type");

		if (view == NULL)
			return;
		view->file = read_location(node, get(node, "target"), "derived_data", problems);
		if (view->file == NULL)
			continue;
		job->view_count++;
		if (levels == NULL || levels->count == 0)
			yaml_problem(
				problems, node, SL_E_SYNTAX, "derived_data has no consent_levels"
			);
		else
			(void)purposes_read_set(NULL, levels, problems, &view->purposes);
		view->is_cumulative = kind != NULL && yaml_is_text(kind, "CUMULATIVE");
		read_masks(get(node, "masked_fields"), job, view, problems);
	}
}

void job_reference_read(const struct yaml_node *root, struct job *job, struct problems *problems)
{
	const struct yaml_node *source = get(root, "source_data");
	const struct yaml_node *id = get(get(root, "ref"), "id");

	job->name = id != NULL ? job_text(id) : strdup("batch-job");
	job->input = read_location(root, source, "source_data", problems);
	job->retention_days = JOB_RETENTION_DAYS;
	job_policy_id(get(root, "policy_id"), job, problems);
	job->keys_purposes = UINT64_MAX;
	read_format(source, job, problems);
	read_contract(root, job, problems);
	read_encryption(root, job, problems);
	read_consent(root, job, problems);
	job->sealed = read_target(root, "encrypted_data", problems);
	job->keys = read_target(root, "encryption_keys_data", problems);
	read_views(root, job, problems);
}
