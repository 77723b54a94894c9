#include "control/cli/command.h"
#include "control/cli/daemon.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_applied(const char *directory, const json_t *answer)
{
	const uint64_t streams = (uint64_t)json_integer_value(json_object_get(answer, "streams"));
	const uint64_t epoch = (uint64_t)json_integer_value(json_object_get(answer, "epoch"));

	if (json_is_true(json_object_get(answer, "is_at_work")))
		printf("%s: at work on every core as epoch %" PRIu64 ": %" PRIu64 " %s\n",
		       directory,
		       epoch,
		       streams,
		       streams == 1 ? "stream" : "streams");
	else
		printf("%s: good: %" PRIu64 " %s; a dataplane gets it when it attaches\n",
		       directory,
		       streams,
		       streams == 1 ? "stream" : "streams");
}

/** Control may see less than who asks it: its user has other rights, its unit another file system. */
static void explain_sight(const char *path, const json_t *answer)
{
	const json_t *problem = json_array_get(json_object_get(answer, "problems"), 0);
	const char *file = json_string_value(json_object_get(problem, "file"));

	if (json_is_true(json_object_get(answer, "is_definition")) && file != NULL
	    && strcmp(file, path) == 0 && access(path, R_OK | X_OK) == 0)
		fputs("sealane: control can not see what this command can: as a service it has no "
		      "/home and no /root, and a\n"
		      "    /tmp of its own; and its user needs the right to read\n",
		      stderr);
}

/** Why it was not applied, or is not yet. */
static enum exit_code print_refusal(const char *path, const json_t *answer)
{
	daemon_print_problems(answer);
	explain_sight(path, answer);
	if (!json_is_true(json_object_get(answer, "is_pending")))
		fputs("sealane: nothing has changed: what was at work goes on\n", stderr);
	return json_is_true(json_object_get(answer, "is_definition")) ? EXIT_DEFINITION
								      : EXIT_ENVIRONMENT;
}

static enum exit_code apply(const char *run_directory, const char *directory)
{
	char *path = realpath(directory, NULL);
	struct problem problem;
	json_t *answer;
	enum sl_status status;
	enum exit_code code = EXIT_DONE;

	if (path == NULL) {
		fprintf(stderr, "%s: there is no such directory\n", directory);
		return EXIT_DEFINITION;
	}
	status = daemon_ask(
		run_directory,
		json_pack("{s:s, s:s}", "request", "apply", "directory", path),
		&answer,
		&problem
	);
	if (status != SL_OK) {
		free(path);
		problem_print(stderr, &problem);
		return EXIT_ENVIRONMENT;
	}
	if (daemon_is_ok(answer)) {
		print_applied(directory, answer);
		daemon_print_problems(answer);
	} else {
		code = print_refusal(path, answer);
	}
	free(path);
	json_decref(answer);
	return code;
}

enum exit_code command_apply(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"file", required_argument, NULL, 'f'},
		{0},
	};
	const char *config = NULL;
	const char *directory = NULL;
	char run_directory[SETTINGS_PATH_MAX];
	int option;

	while ((option = getopt_long(argc, argv, "c:f:", options, NULL)) != -1) {
		if (option == 'c')
			config = optarg;
		else if (option == 'f')
			directory = optarg;
		else
			return usage_error("apply", "", "see `sealane help apply`");
	}
	if (directory == NULL || optind != argc)
		return usage_error("apply", "", "which directory? -f DIR");
	if (!daemon_run_directory(config, run_directory))
		return EXIT_DEFINITION;
	return apply(run_directory, directory);
}
