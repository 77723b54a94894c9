#include "control/cli/command.h"
#include "crypto/secret.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/** Does one of the arguments ask for help? */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static enum exit_code run_command(const struct command *command, int argc, char **argv)
{
	const int words = command->noun[0] != '\0' ? 2 : 1;
	char name[64];

	if (wants_help(argc, argv)) {
		char *help[] = {argv[0], argv[1], NULL};

		return command_help(2, help);
	}
	snprintf(
		name,
		sizeof(name),
		"sealane %s%s%s",
		command->verb,
		words == 2 ? " " : "",
		command->noun
	);
	argv[words] = name;
	return command->run(argc - words, argv + words);
}

int main(int argc, char **argv)
{
	bool is_verb = false;

	secret_forbid_core_files();
	if (argc < 2 || (argv[1][0] == '-' && wants_help(argc, argv)))
		return (int)command_help(1, argv);
	if (strcmp(argv[1], "--version") == 0)
		argv[1] = "version";
	for (unsigned i = 0; i < command_count; i++) {
		if (strcmp(commands[i].verb, argv[1]) != 0)
			continue;
		is_verb = true;
		if (commands[i].noun[0] == '\0'
		    || (argc > 2 && strcmp(commands[i].noun, argv[2]) == 0)
		    || (argc > 2 && wants_help(argc, argv)))
			return (int)run_command(&commands[i], argc, argv);
	}
	if (is_verb && argc > 2)
		return (int)usage_error(argv[1], "", "\"%s\" is nothing to %s", argv[2], argv[1]);
	if (is_verb)
		return (int)usage_error(argv[1], "", "%s what?", argv[1]);
	return (int
	)usage_error("help", "", "there is no command \"%s\"; sealane help lists them", argv[1]);
}
