#include "control/cli/command.h"
#include "control/cli/daemon.h"

#include <getopt.h>
#include <stdio.h>

enum exit_code command_stop(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"dataplane", no_argument, NULL, 'd'},
		{"all", no_argument, NULL, 'a'},
		{0},
	};
	const char *config = NULL;
	bool is_all = true;
	char run_directory[SETTINGS_PATH_MAX];
	struct problem problem;
	json_t *answer;
	bool was_there;
	int option;

	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (option == 'c')
			config = optarg;
		else if (option == 'd' || option == 'a')
			is_all = option == 'a';
		else
			return usage_error("stop", "", "see `sealane help stop`");
	}
	if (optind != argc)
		return usage_error("stop", "", "\"%s\" can not be stopped", argv[optind]);
	if (!daemon_run_directory(config, run_directory))
		return EXIT_DEFINITION;
	if (daemon_ask(
		    run_directory,
		    json_pack(
			    "{s:s, s:s}", "request", "stop", "what", is_all ? "all" : "dataplane"
		    ),
		    &answer,
		    &problem
	    )
	    != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_ENVIRONMENT;
	}
	was_there = json_is_true(json_object_get(answer, "was_there"));
	if (daemon_is_ok(answer))
		printf("%s%s\n",
		       was_there ? "the dataplane has drained and ended"
				 : "no dataplane is attached",
		       is_all ? "; control ends" : "");
	else
		daemon_print_problems(answer);
	option = daemon_is_ok(answer);
	json_decref(answer);
	return option ? EXIT_DONE : EXIT_ENVIRONMENT;
}
