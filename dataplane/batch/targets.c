#include "dataplane/batch/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
	TARGET_KEYS_MODE = 0600, // who reads the keys reads everything
	TARGETS_MAX = VIEWS_MAX + 3
};

struct targets {
	struct target_names names;
	struct output *keys;
	struct output *dead;
	struct output *view[VIEWS_MAX];
	struct output *sealed;
};

static bool is_stream(const char *name)
{
	return name != NULL && strcmp(name, "-") == 0;
}

/** Make the folders above a file. */
static enum sl_status make_folders(const char *name, struct problem *ret_problem)
{
	char *path = strdup(name);
	enum sl_status status = SL_OK;

	if (path == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a file's name");
	for (char *slash = strchr(path + 1, '/'); slash != NULL && status == SL_OK;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST) {
			status = problem_set(
				ret_problem,
				status_of_errno(errno),
				"the folder %s can not be made: %s",
				path,
				strerror(errno)
			);
			problem_at_file(ret_problem, name);
			problem_remedy(
				ret_problem,
				"choose another folder with --output-dir, or make it first"
			);
		}
		*slash = '/';
	}
	free(path);
	return status;
}

static enum sl_status open_target(
	const char *name,
	uint32_t mode,
	struct output **ret_output,
	struct problem *ret_problem
)
{
	const struct output_options options = {.mode = mode};

	return output_open(name, &options, ret_output, ret_problem);
}

static bool is_same_place(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/** The folder of a file's name. */
static bool stat_folder(const char *name, struct stat *ret_folder)
{
	const char *slash = strrchr(name, '/');
	char *folder = slash == NULL ? strdup(".") : strndup(name, (size_t)(slash - name) + 1);
	bool is_there = folder != NULL && stat(folder, ret_folder) == 0;

	free(folder);
	return is_there;
}

static const char *base_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash == NULL ? name : slash + 1;
}

/** Do both names lead to the same file, be it there already or not? */
static bool is_same_file(const char *a, const char *b)
{
	struct stat of_a;
	struct stat of_b;

	if (strcmp(a, b) == 0)
		return true;
	if (is_stream(a) || is_stream(b))
		return false;
	if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0 && S_ISREG(of_a.st_mode))
		return is_same_place(&of_a, &of_b);
	return strcmp(base_of(a), base_of(b)) == 0 && stat_folder(a, &of_a) && stat_folder(b, &of_b)
		&& is_same_place(&of_a, &of_b);
}

/** Make all folders, so that names can be compared by where they lead, and refuse a file that is named twice. */
static enum sl_status refuse_clashes(
	const struct target_names *names,
	const char *input_name,
	struct problem *ret_problem
)
{
	const char *all[TARGETS_MAX];
	size_t count = 0;

	all[count++] = names->sealed;
	all[count++] = names->dead;
	if (names->keys != NULL)
		all[count++] = names->keys;
	for (uint32_t v = 0; v < names->view_count; v++)
		all[count++] = names->view[v];
	for (size_t i = 0; i < count; i++)
		if (!is_stream(all[i]))
			SL_TRY(make_folders(all[i], ret_problem));
	for (size_t i = 0; i < count; i++) {
		if (!is_stream(all[i]) && is_same_file(all[i], input_name)) {
			(void)!problem_set(
				ret_problem, SL_E_INVALID, "the job would replace its own input"
			);
			problem_at_file(ret_problem, all[i]);
			problem_remedy(ret_problem, "give the target another name");
			return SL_E_INVALID;
		}
		for (size_t j = 0; j < i; j++) {
			if (!is_same_file(all[i], all[j]))
				continue;
			(void)!problem_set(
				ret_problem,
				SL_E_INVALID,
				"two targets of the job have the same name"
			);
			problem_at_file(ret_problem, all[i]);
			problem_remedy(ret_problem, "give every target a file of its own");
			return SL_E_INVALID;
		}
	}
	return SL_OK;
}

enum sl_status targets_open(
	const struct target_names *names,
	const char *input_name,
	struct targets **ret_targets,
	struct problem *ret_problem
)
{
	struct targets *t;
	enum sl_status status;

	SL_TRY(refuse_clashes(names, input_name, ret_problem));
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the targets");
	t->names = *names;
	status = open_target(names->sealed, 0, &t->sealed, ret_problem);
	if (status == SL_OK && names->keys != NULL)
		status = open_target(names->keys, TARGET_KEYS_MODE, &t->keys, ret_problem);
	for (uint32_t v = 0; v < names->view_count && status == SL_OK; v++)
		status = open_target(names->view[v], 0, &t->view[v], ret_problem);
	if (status != SL_OK) {
		targets_free(t);
		return status;
	}
	*ret_targets = t;
	return SL_OK;
}

static enum sl_status put_room(
	struct output *output,
	const struct room *room,
	struct problem *ret_problem
)
{
	if (room->size == 0)
		return SL_OK;
	return output_put(output, view_of(room->bytes, room->size), ret_problem);
}

enum sl_status targets_put_header(struct targets *t, struct view line, struct problem *ret_problem)
{
	SL_TRY(output_put(t->sealed, line, ret_problem));
	for (uint32_t v = 0; v < t->names.view_count; v++)
		SL_TRY(output_put(t->view[v], line, ret_problem));
	return SL_OK;
}

enum sl_status targets_put(
	struct targets *t,
	const struct result *result,
	struct problem *ret_problem
)
{
	if (result->out.dead.size != 0 && t->dead == NULL)
		SL_TRY(open_target(t->names.dead, 0, &t->dead, ret_problem));
	if (t->dead != NULL)
		SL_TRY(put_room(t->dead, &result->out.dead, ret_problem));
	for (uint32_t v = 0; v < t->names.view_count; v++)
		SL_TRY(put_room(t->view[v], &result->out.view[v], ret_problem));
	return put_room(t->sealed, &result->out.sealed, ret_problem);
}

enum sl_status targets_put_keys(struct targets *t, struct view text, struct problem *ret_problem)
{
	return output_put(t->keys, text, ret_problem);
}

bool targets_has_stream(const struct targets *t)
{
	bool has =
		is_stream(t->names.sealed) || is_stream(t->names.keys) || is_stream(t->names.dead);

	for (uint32_t v = 0; v < t->names.view_count; v++)
		has = has || is_stream(t->names.view[v]);
	return has;
}

enum sl_status targets_publish(struct targets *t, struct problem *ret_problem)
{
	struct output *all[TARGETS_MAX];
	size_t count = 0;

	// The sealed file comes last: when it is there, everything is.
	if (t->keys != NULL)
		all[count++] = t->keys;
	if (t->dead != NULL)
		all[count++] = t->dead;
	for (uint32_t v = 0; v < t->names.view_count; v++)
		all[count++] = t->view[v];
	all[count++] = t->sealed;
	for (size_t i = 0; i < count; i++)
		SL_TRY(output_finish(all[i], ret_problem));
	for (size_t i = 0; i < count; i++)
		SL_TRY(output_publish(all[i], ret_problem));
	return SL_OK;
}

uint64_t targets_sealed_size(const struct targets *t)
{
	return output_put_size(t->sealed);
}

bool targets_has_dead(const struct targets *t)
{
	return t->dead != NULL;
}

void targets_free(struct targets *t)
{
	if (t == NULL)
		return;
	output_free(t->keys);
	output_free(t->dead);
	for (uint32_t v = 0; v < t->names.view_count; v++)
		output_free(t->view[v]);
	output_free(t->sealed);
	free(t);
}
