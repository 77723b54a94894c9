#include "dataplane/batch/contract_find.h"

#include "control/job.h"
#include "control/yaml.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/** Does this file say `contract: name`? Files that are no YAML are somebody else's. */
static bool has_contract(const char *file, const char *name)
{
	struct problems problems = {0};
	struct yaml *yaml;
	bool has = false;

	if (yaml_load_file(file, &problems, &yaml) == SL_OK) {
		const struct yaml_node *contract = yaml_map_get(yaml_root(yaml), "contract");

		has = contract != NULL && yaml_is_text(contract, name);
		yaml_unload(yaml);
	}
	problems_done(&problems);
	return has;
}

static void search(glob_t *files, const char *directory, const char *below)
{
	static const char *const endings[] = {"yaml", "yml", "json"};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		char *pattern;

		if (asprintf(&pattern, "%s/%s*.%s", directory, below, endings[i]) < 0)
			return;
		(void)!glob(pattern, GLOB_APPEND, NULL, files);
		free(pattern);
	}
}

static enum sl_status search_contract(
	const char *directory,
	const char *name,
	char **ret_file,
	struct problem *ret_problem
)
{
	glob_t files = {0};
	const char *found = NULL;
	enum sl_status status = SL_OK;

	// glob appends only to a list that an earlier call has begun.
	(void)!glob("/dev/null/none", GLOB_NOCHECK, NULL, &files);
	search(&files, directory, "");
	search(&files, directory, "contracts/");
	for (size_t i = 1; i < files.gl_pathc && status == SL_OK; i++) {
		if (!has_contract(files.gl_pathv[i], name))
			continue;
		if (found != NULL) {
			status = problem_set(
				ret_problem,
				SL_E_EXISTS,
				"contract %s stands in %s and in %s",
				name,
				found,
				files.gl_pathv[i]
			);
			problem_remedy(
				ret_problem, "keep one of them, or name the file in the job"
			);
		}
		found = files.gl_pathv[i];
	}
	if (status == SL_OK && found == NULL) {
		status = problem_set(ret_problem, SL_E_NOT_FOUND, "there is no contract %s", name);
		problem_remedy(
			ret_problem,
			"looked for a .yaml file with `contract: %s` in %s and %s/contracts; the "
			"job may also name the file",
			name,
			directory,
			directory
		);
	}
	if (status == SL_OK) {
		*ret_file = strdup(found);
		if (*ret_file == NULL)
			status =
				problem_set(ret_problem, SL_E_NOMEM, "no memory for a file's name");
	}
	globfree(&files);
	return status;
}

enum sl_status contract_find(
	const char *directory,
	const char *name,
	char **ret_file,
	struct problem *ret_problem
)
{
	char *file = job_resolve(directory, name);
	struct stat found;

	if (file == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a file's name");
	if (stat(file, &found) == 0 && S_ISREG(found.st_mode)) {
		*ret_file = file;
		return SL_OK;
	}
	free(file);
	return search_contract(directory, name, ret_file, ret_problem);
}
