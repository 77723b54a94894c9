#include "control/definitions.h"

#include "control/job.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static bool is_yaml(const char *name)
{
	const char *end = strrchr(name, '.');

	return name[0] != '.' && end != NULL
		&& (strcmp(end, ".yaml") == 0 || strcmp(end, ".yml") == 0);
}

static int keep_yaml(const struct dirent *entry)
{
	return is_yaml(entry->d_name);
}

/** A problem of the directory itself. */
static void refuse(
	struct problems *problems,
	const char *file,
	enum sl_status status,
	const char *what,
	const char *remedy
)
{
	struct problem problem;

	(void)!problem_set(&problem, status, "%s", what);
	problem_at_file(&problem, file);
	problem_remedy(&problem, "%s", remedy);
	problems_add(problems, &problem);
}

/** Half of the one and half of the other would be a policy that nobody has written. */
static void refuse_change(struct problems *problems, const char *directory)
{
	refuse(problems,
	       directory,
	       SL_E_BUSY,
	       "the definitions were changed while they were read",
	       "try again when nobody writes to them; best write a directory of its own, and apply "
	       "that");
}

/** A pipe would be waited for, and control with it. What is not there is somebody else's to tell. */
static bool is_file(const char *path, struct problems *problems)
{
	struct stat about;

	if (stat(path, &about) != 0 || S_ISREG(about.st_mode))
		return true;
	refuse(problems, path, SL_E_INVALID, "this is no regular file", "remove it, or rename it");
	return false;
}

typedef void file_fn(
	struct definitions *d,
	const char *path,
	const char *data_directory,
	struct problems *problems
);

/** Call for each YAML file of a folder, in order of names. @return files */
static uint32_t each_file(
	struct definitions *d,
	const char *folder,
	const char *data_directory,
	struct problems *problems,
	file_fn *read
)
{
	char *path = job_resolve(d->directory, folder);
	struct dirent **entries;
	int count = path != NULL ? scandir(path, &entries, keep_yaml, alphasort) : -1;

	if (count < 0) {
		struct problem problem;

		(void
		)!problem_set(&problem, status_of_errno(errno), "the folder can not be read: %m");
		problem_at_file(&problem, path != NULL ? path : folder);
		problem_remedy(
			&problem, "a directory of definitions has the folders contracts and streams"
		);
		problems_add(problems, &problem);
		free(path);
		return 0;
	}
	for (int i = 0; i < count; i++) {
		char *file = job_resolve(path, entries[i]->d_name);

		if (file != NULL && is_file(file, problems))
			read(d, file, data_directory, problems);
		free(file);
		free(entries[i]);
	}
	free(entries);
	free(path);
	return (uint32_t)count;
}

static void read_contract(
	struct definitions *d,
	const char *path,
	const char *data_directory,
	struct problems *problems
)
{
	struct contract_file *all;
	struct contract *contract;

	(void)data_directory;
	if (d->contract_count == DEFINITIONS_CONTRACTS_MAX) {
		refuse(problems, path, SL_E_TOO_BIG, "there are too many contracts", "remove some");
		return;
	}
	if (contract_load_file(path, d->purposes, problems, &contract) != SL_OK)
		return;
	for (uint32_t i = 0; i < d->contract_count; i++)
		if (view_equal(d->contracts[i].contract->ref, contract->ref)) {
			problem_remedy(
				yaml_problem(
					problems,
					yaml_root(contract->document),
					SL_E_EXISTS,
					"%s has the same contract already",
					d->contracts[i].path
				),
				"give a changed contract a version of its own"
			);
			contract_free(contract);
			return;
		}
	all = realloc(d->contracts, (d->contract_count + 1) * sizeof(*all));
	if (all != NULL)
		d->contracts = all;
	if (all == NULL || (all[d->contract_count].path = strdup(path)) == NULL) {
		refuse(problems, path, SL_E_NOMEM, "no memory for the contract", "");
		contract_free(contract);
		return;
	}
	all[d->contract_count++].contract = contract;
}

static void read_stream(
	struct definitions *d,
	const char *path,
	const char *data_directory,
	struct problems *problems
)
{
	if (d->stream_count == PLANE_STREAMS_MAX) {
		refuse(problems, path, SL_E_TOO_BIG, "there are more than 64 streams", "remove some"
		);
		return;
	}
	if (stream_load_file(
		    path, d->purposes, data_directory, problems, &d->streams[d->stream_count]
	    )
	    == SL_OK)
		d->stream_count++;
}

/** Names and ports are a stream's own. */
static void check_twins(
	const struct stream *s,
	const struct stream *before,
	struct problems *problems
)
{
	if (strcmp(s->name, before->name) == 0)
		problem_remedy(
			yaml_problem(
				problems,
				s->root,
				SL_E_EXISTS,
				"%s has a stream %s already",
				yaml_file(before->document),
				s->name
			),
			"give each stream a name of its own"
		);
	if (s->port == before->port)
		problem_remedy(
			yaml_problem(
				problems,
				s->port_node,
				SL_E_EXISTS,
				"the stream %s listens on port %u already",
				before->name,
				s->port
			),
			"give each stream a port of its own"
		);
}

/** Would two sinks write the same files, or the same spool? */
static bool collide(const struct stream_sink *a, const struct stream_sink *b)
{
	if (a->spool != NULL && b->spool != NULL && strcmp(a->spool, b->spool) == 0)
		return true;
	return a->directory != NULL && b->directory != NULL
		&& strcmp(a->directory, b->directory) == 0 && strcmp(a->prefix, b->prefix) == 0;
}

static void check_sinks(
	const struct stream *s,
	const struct stream *other,
	struct problems *problems
)
{
	const uint32_t own = STREAM_FIRST_VIEW + s->view_count;
	const uint32_t others = STREAM_FIRST_VIEW + other->view_count;

	for (uint32_t i = 0; i < own; i++)
		for (uint32_t k = 0; k < (s == other ? i : others); k++)
			if (collide(&s->sinks[i], &other->sinks[k]))
				problem_remedy(
					yaml_problem(
						problems,
						s->sinks[i].node,
						SL_E_EXISTS,
						"another output of the stream %s has the same "
						"files or "
						"spool",
						other->name
					),
					"name another directory, or a prefix: NAME of its own"
				);
}

static void bind_contract(struct definitions *d, uint32_t row, struct problems *problems)
{
	const struct stream *s = &d->streams[row];
	struct problem problem;
	uint32_t i = 0;

	while (i < d->contract_count
	       && !view_equal(d->contracts[i].contract->ref, view_of_text(s->contract)))
		i++;
	d->of_stream[row] = i;
	if (i == d->contract_count)
		problem_remedy(
			yaml_problem(
				problems,
				s->contract_node,
				SL_E_NOT_FOUND,
				"there is no contract %s",
				s->contract
			),
			"put its file into %s/contracts, or correct the name",
			d->directory
		);
	else if (contract_check_active(d->contracts[i].contract, &problem) != SL_OK)
		problem_remedy(
			yaml_problem(
				problems, s->contract_node, problem.status, "%s", problem.what
			),
			"%s",
			problem.remedy
		);
	else if (d->contracts[i].contract->format != POLICY_JSON)
		problem_remedy(
			yaml_problem(
				problems,
				s->contract_node,
				SL_E_UNSUPPORTED,
				"the contract %s is for CSV, a stream's events are JSON",
				s->contract
			),
			"write format: json in the contract"
		);
}

static void read_purposes(struct definitions *d, struct problems *problems)
{
	char *path = job_resolve(d->directory, "purposes.yaml");

	if (path != NULL && access(path, F_OK) == 0 && is_file(path, problems))
		(void)!purposes_load_file(path, problems, &d->purposes);
	free(path);
}

static void read_clients(struct definitions *d, struct problems *problems)
{
	char *path = job_resolve(d->directory, "clients.yaml");

	if (path != NULL && is_file(path, problems))
		(void)!clients_load(
			path, d->directory, d->streams, d->stream_count, problems, &d->clients
		);
	free(path);
}

/** What tells a file from another one of its name, or from itself after a change. */
struct file_state {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	struct timespec changed; // by the kernel; nobody can set it
};

static uint64_t add_file(uint64_t state, const char *folder, const char *name)
{
	char *path = job_resolve(folder, name);
	struct file_state file = {0};
	struct stat about;

	if (path != NULL && stat(path, &about) == 0) {
		file.device = about.st_dev;
		file.inode = about.st_ino;
		file.size = about.st_size;
		file.changed = about.st_ctim;
	}
	free(path);
	state = XXH3_64bits_withSeed(name, strlen(name), state);
	return XXH3_64bits_withSeed(&file, sizeof(file), state);
}

static uint64_t add_folder(uint64_t state, const char *directory, const char *folder)
{
	char *path = job_resolve(directory, folder);
	struct dirent **entries;
	int count = path != NULL ? scandir(path, &entries, keep_yaml, alphasort) : -1;

	for (int i = 0; i < count; i++) {
		state = add_file(state, path, entries[i]->d_name);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	free(path);
	return state;
}

/** The same number before and after: nobody has changed what was read in between. */
static uint64_t state_of(const char *directory)
{
	uint64_t state = add_file(0, directory, "purposes.yaml");

	state = add_folder(state, directory, "contracts");
	state = add_folder(state, directory, "streams");
	return add_file(state, directory, "clients.yaml");
}

/** What only all streams together show. */
static void check_together(struct definitions *d, struct problems *problems)
{
	for (uint32_t row = 0; row < d->stream_count; row++) {
		bind_contract(d, row, problems);
		for (uint32_t before = 0; before < row; before++)
			check_twins(&d->streams[row], &d->streams[before], problems);
		for (uint32_t other = 0; other <= row; other++)
			check_sinks(&d->streams[row], &d->streams[other], problems);
	}
}

/** Is there one, and may we read it? What is wrong is told once, not for each of its folders. */
static bool is_directory(const char *directory, struct problems *problems)
{
	DIR *folder = opendir(directory);
	struct problem problem;

	if (folder != NULL) {
		closedir(folder);
		return true;
	}
	(void)!problem_set(&problem, status_of_errno(errno), "the directory can not be read: %m");
	problem_at_file(&problem, directory);
	if (problem.status == SL_E_DENIED)
		problem_remedy(
			&problem,
			"give the user that reads it (control's own, for apply) the right to"
		);
	else
		problem_remedy(
			&problem, "name a directory that has the folders contracts and streams"
		);
	problems_add(problems, &problem);
	return false;
}

static void read_all(struct definitions *d, const char *data_directory, struct problems *problems)
{
	const uint32_t errors = problems->error_count;

	if (!is_directory(d->directory, problems))
		return;
	read_purposes(d, problems);
	// Without the purposes' names every contract would seem wrong.
	if (problems->error_count != errors)
		return;
	each_file(d, "contracts", data_directory, problems, read_contract);
	if (each_file(d, "streams", data_directory, problems, read_stream) == 0
	    && problems->error_count == errors)
		refuse(problems,
		       d->directory,
		       SL_E_NOT_FOUND,
		       "the directory has no stream",
		       "add streams/NAME.yaml");
	// What a broken file would have said is missing: no word about what refers to it.
	if (problems->error_count != errors)
		return;
	check_together(d, problems);
	read_clients(d, problems);
}

enum sl_status definitions_load(
	const char *directory,
	const char *data_directory,
	struct problems *problems,
	struct definitions **ret_definitions
)
{
	struct definitions *d = calloc(1, sizeof(*d));
	const uint32_t errors = problems->error_count;
	const uint64_t state = state_of(directory);

	if (d != NULL) {
		d->directory = strdup(directory);
		d->streams = calloc(PLANE_STREAMS_MAX, sizeof(*d->streams));
	}
	if (d == NULL || d->directory == NULL || d->streams == NULL) {
		refuse(problems, directory, SL_E_NOMEM, "no memory for the definitions", "");
		definitions_free(d);
		return SL_E_NOMEM;
	}
	read_all(d, data_directory, problems);
	if (state_of(directory) != state)
		refuse_change(problems, directory);
	if (problems->error_count != errors) {
		definitions_free(d);
		return SL_E_INVALID;
	}
	*ret_definitions = d;
	return SL_OK;
}

void definitions_free(struct definitions *d)
{
	if (d == NULL)
		return;
	for (uint32_t i = 0; i < d->contract_count; i++) {
		contract_free(d->contracts[i].contract);
		free(d->contracts[i].path);
	}
	for (uint32_t i = 0; i < d->stream_count && d->streams != NULL; i++)
		stream_done(&d->streams[i]);
	clients_done(&d->clients);
	purposes_free(d->purposes);
	free(d->contracts);
	free(d->streams);
	free(d->directory);
	free(d);
}
