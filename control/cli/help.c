#include "control/cli/command.h"
#include "control/cli/details.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
#define COMMAND(verb, noun, run, usage, help) {verb, noun, run, usage, help},
#include "control/cli/commands.def"
#undef COMMAND
};

const unsigned command_count = sizeof(commands) / sizeof(commands[0]);

static const char lesson[] =
	"Sealane seals the personal fields of events, each under its person's own key, and opens "
	"just\n"
	"those whose purpose the person consented to.\n"
	"\n"
	"A first run, with the example that comes with it:\n"
	"    sealane explain contract docs/examples/wikipedia/contract.yaml\n"
	"    sealane batch run docs/examples/wikipedia/job.yaml --output-dir out\n"
	"    sealane open out/sealed.ndjson.zst --keys out/keys.csv\n"
	"\n"
	"With events of your own:\n"
	"    1. write purposes.yaml: what personal data is used for     purposes: {1: analytics, "
	"2: research}\n"
	"    2. write contract.yaml: which fields are personal          sealane validate contract "
	"contract.yaml --sample events.ndjson\n"
	"    3. write job.yaml: what comes in, what goes out            sealane batch run "
	"job.yaml\n"
	"\n"
	"With events from the wire: sealane-control and sealane-dataplane; begin with "
	"docs/guides/appliance.md.\n"
	"\n"
	"Commands (sealane help VERB tells more):\n";

enum exit_code usage_error(const char *verb, const char *noun, const char *format, ...)
{
	va_list args;

	fputs("sealane: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	for (unsigned i = 0; i < command_count; i++)
		if (strcmp(commands[i].verb, verb) == 0
		    && (noun[0] == '\0' || strcmp(commands[i].noun, noun) == 0))
			fprintf(stderr,
				"usage: sealane %s%s%s %s\n",
				commands[i].verb,
				commands[i].noun[0] != '\0' ? " " : "",
				commands[i].noun,
				commands[i].usage);
	return EXIT_USAGE;
}

static void print_commands(void)
{
	for (unsigned i = 0; i < command_count; i++) {
		char name[32];

		snprintf(
			name,
			sizeof(name),
			"%s%s%s",
			commands[i].verb,
			commands[i].noun[0] != '\0' ? " " : "",
			commands[i].noun
		);
		printf("    %-19s %s\n", name, commands[i].help);
	}
}

enum exit_code command_help(int argc, char **argv)
{
	bool is_found = false;

	if (argc < 2) {
		fputs(lesson, stdout);
		print_commands();
		return EXIT_DONE;
	}
	for (unsigned i = 0; i < command_count; i++) {
		if (strcmp(commands[i].verb, argv[1]) != 0)
			continue;
		is_found = true;
		printf("usage: sealane %s%s%s %s\n    %s\n",
		       commands[i].verb,
		       commands[i].noun[0] != '\0' ? " " : "",
		       commands[i].noun,
		       commands[i].usage,
		       commands[i].help);
		fputs(details_of(commands[i].verb), stdout);
	}
	if (!is_found)
		return usage_error("help", "", "there is no command \"%s\"", argv[1]);
	return EXIT_DONE;
}
