#include "control/cli/command.h"
#include "control/cli/daemon.h"
#include "control/cli/overview.h"

#include <getopt.h>
#include <string.h>

enum {
	WIDTH = 160 // characters: wider terminals are no reason for longer lines
};

enum exit_code command_status(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{0},
	};
	const char *config = NULL;
	bool is_json = false;
	char run_directory[SETTINGS_PATH_MAX];
	struct problem problem;
	json_t *answer;
	enum sl_status status;
	int option;

	while ((option = getopt_long(argc, argv, "c:o:", options, NULL)) != -1) {
		if (option == 'c')
			config = optarg;
		else if (option == 'o' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0))
			is_json = optarg[0] == 'j';
		else
			return usage_error("status", "", "see `sealane help status`");
	}
	if (optind != argc)
		return usage_error("status", "", "there is no status of %s", argv[optind]);
	if (!daemon_run_directory(config, run_directory))
		return EXIT_DEFINITION;
	status = daemon_ask(
		run_directory, json_pack("{s:s}", "request", "status"), &answer, &problem
	);
	if (status != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_ENVIRONMENT;
	}
	if (is_json) {
		json_dumpf(answer, stdout, JSON_INDENT(1));
		putchar('\n');
	} else {
		const struct overview overview = {.status = answer, .width = WIDTH};

		overview_print(stdout, &overview);
	}
	json_decref(answer);
	return EXIT_DONE;
}
