#pragma once

#include "control/cli/exits.h"

/** A command's function: its arguments begin after verb and noun; argv[0] is "sealane VERB NOUN". */
typedef enum exit_code command_fn(int argc, char **argv);

struct command {
	const char *verb;
	const char *noun; // "" = none
	command_fn *run;
	const char *usage;
	const char *help;
};

#define COMMAND(verb, noun, run, usage, help) command_fn run;
#include "control/cli/commands.def"
#undef COMMAND

/** The table of commands.def. */
extern const struct command commands[];
extern const unsigned command_count;

/** Print `sealane: text` and how to call the command; returns EXIT_USAGE. */
enum exit_code usage_error(const char *verb, const char *noun, const char *format, ...)
	__attribute__((__format__(__printf__, 3, 4)));
