#include "control/log.h"
#include "control/server_inner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char topic[] = "control";

enum {
	FILE_PATH_MAX = 2 * SETTINGS_PATH_MAX
};

/** What the file says; "" where it says nothing. */
struct applied {
	char configured[SETTINGS_PATH_MAX + 2]; // the configuration's directory when it was written
	char directory[PLANE_PATH_MAX + 2];     // what was applied then
};

static void path_of_file(const struct server *s, char ret_path[static FILE_PATH_MAX])
{
	snprintf(ret_path, FILE_PATH_MAX, "%s/applied", vault_dir(s->vault));
}

static void read_file(const struct server *s, struct applied *ret_applied)
{
	struct applied a = {0};
	char path[FILE_PATH_MAX];
	FILE *file;

	*ret_applied = a;
	path_of_file(s, path);
	file = fopen(path, "re");
	if (file == NULL)
		return;
	if (fgets(a.configured, sizeof(a.configured), file) != NULL
	    && fgets(a.directory, sizeof(a.directory), file) != NULL) {
		a.configured[strcspn(a.configured, "\n")] = '\0';
		a.directory[strcspn(a.directory, "\n")] = '\0';
		*ret_applied = a;
	}
	fclose(file);
}

/** That which was applied last, unless the configuration has changed its mind since. */
char *applied_directory(const struct server *s)
{
	struct applied applied;

	read_file(s, &applied);
	if (applied.directory[0] == '/' && strcmp(applied.configured, s->config->definitions) == 0)
		return strdup(applied.directory);
	return strdup(s->config->definitions);
}

/** 0, or errno */
static int write_file(const struct server *s, const char *path, const char *directory)
{
	char part[FILE_PATH_MAX + 8];
	int error = 0;
	FILE *file;

	snprintf(part, sizeof(part), "%s.partial", path);
	file = fopen(part, "we");
	if (file == NULL)
		return errno;
	if (fprintf(file, "%s\n%s\n", s->config->definitions, directory) < 0 || fflush(file) != 0
	    || fsync(fileno(file)) != 0)
		error = errno;
	if (fclose(file) != 0 && error == 0)
		error = errno;
	if (error == 0 && rename(part, path) != 0)
		error = errno;
	if (error == 0 && vault_sync_dir(s->vault) != 0)
		error = errno;
	return error;
}

static enum sl_status remember(
	const struct server *s,
	const char *directory,
	struct problem *ret_warning
)
{
	struct applied applied;
	char path[FILE_PATH_MAX];
	char *other;
	int error;

	// Not whether it would hold: a line of an older configuration must not come back with that.
	read_file(s, &applied);
	if (strcmp(applied.configured, s->config->definitions) == 0
	    && strcmp(applied.directory, directory) == 0)
		return SL_OK;
	path_of_file(s, path);
	error = write_file(s, path, directory);
	if (error == 0)
		return SL_OK;
	other = applied_directory(s);
	(void)!problem_set(
		ret_warning,
		status_of_errno(error),
		"this can not be written (%s): after a restart %s holds",
		strerror(error),
		other != NULL ? other : "the directory of before"
	);
	free(other);
	problem_at_file(ret_warning, path);
	problem_remedy(ret_warning, "make it possible, and apply again");
	ret_warning->is_warning = true;
	log_problem(LOG_LEVEL_WARN, topic, ret_warning);
	return ret_warning->status;
}

enum sl_status applied_is(struct server *s, const char *directory, struct problem *ret_warning)
{
	// directory may be our own: the copy comes first.
	char *copy = strdup(directory);
	enum sl_status status = remember(s, directory, ret_warning);

	if (copy != NULL) {
		free(s->directory);
		s->directory = copy;
	}
	return status;
}
