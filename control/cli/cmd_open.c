#include "control/cli/command.h"
#include "control/cli/definition.h"
#include "control/cli/open_options.h"
#include "dataplane/batch/open.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/** Where the keys come from, and what else was read before the file. */
struct sources {
	struct keys_file *keys;
	struct vault *vault;
	struct purposes *purposes;
	struct contract *contract;
};

static void close_sources(struct sources *s)
{
	keys_file_free(s->keys);
	vault_close(s->vault);
	contract_free(s->contract);
	purposes_free(s->purposes);
}

static enum exit_code read_contract(const struct open_arguments *a, struct sources *s)
{
	struct problems problems = {0};
	enum sl_status status = SL_OK;

	if (a->contract != NULL)
		status = definition_load(
			a->contract, a->purposes_file, &problems, &s->purposes, &s->contract
		);
	if (status != SL_OK)
		problems_print(stderr, &problems);
	problems_done(&problems);
	return status == SL_OK ? EXIT_DONE : EXIT_DEFINITION;
}

static enum exit_code open_keys_source(const struct open_arguments *a, struct sources *s)
{
	const struct vault_options options = {.dir = a->vault, .root_key_file = a->root_key};
	struct problem problem;
	enum sl_status status;
	bool is_environment;

	if (a->keys != NULL)
		status = keys_file_read(a->keys, &s->keys, &problem);
	else
		status = vault_open(&options, &s->vault, &problem);
	if (status == SL_OK)
		return EXIT_DONE;
	problem_print(stderr, &problem);
	is_environment = status == SL_E_DENIED || status == SL_E_IO || status == SL_E_NOMEM
		|| status == SL_E_BUSY || status == SL_E_NO_SPACE
		|| (status == SL_E_NOT_FOUND && a->keys != NULL);
	return is_environment ? EXIT_ENVIRONMENT : EXIT_KEYS;
}

static void print_counts(const struct open_counts *c)
{
	static const char *const reasons[OPEN_STATE_COUNT] = {
		[OPEN_NOT_ASKED] = "their purpose was not asked for",
		[OPEN_NO_LINK] = "their key link is unknown here",
		[OPEN_NO_KEY] = "no key of their purpose",
		[OPEN_FORGED] = "changed, or sealed under another key",
	};

	fprintf(stderr,
		"%" PRIu64 " events, %" PRIu64 " fields opened",
		c->events,
		c->fields[OPEN_OPENED]);
	if (c->letters != 0)
		fprintf(stderr, ", %" PRIu64 " events from dead letters", c->letters);
	fputc('\n', stderr);
	for (int state = 0; state < OPEN_STATE_COUNT; state++)
		if (reasons[state] != NULL && c->fields[state] != 0)
			fprintf(stderr,
				"    not opened: %" PRIu64 " fields, %s\n",
				c->fields[state],
				reasons[state]);
	if (c->replaced != 0)
		fprintf(stderr,
			"    of them became what the contract says (unreadable): %" PRIu64 "\n",
			c->replaced);
}

/** Has the program behind our standard output gone? */
static bool is_reader_gone(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

static enum exit_code run(const struct open_arguments *a, const struct sources *s)
{
	const struct open_setup setup = {
		.keys = s->keys,
		.vault = s->vault,
		.contract = s->contract,
		.purposes = a->purposes,
	};
	struct open_counts counts;
	struct problem problem;
	enum sl_status status = open_file(&setup, a->file, a->output, &counts, &problem);

	// Whoever reads our output may stop when they have seen enough: end as any filter does.
	if (status == SL_E_IO && strcmp(a->output, "-") == 0 && is_reader_gone()) {
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (status != SL_OK)
		problem_print(stderr, &problem);
	if (!a->is_quiet && (status == SL_OK || status == SL_E_FORGED))
		print_counts(&counts);
	return exit_of_status(status);
}

enum exit_code command_open(int argc, char **argv)
{
	struct open_arguments arguments;
	struct sources sources = {0};
	enum exit_code code;

	if (!open_arguments_read(argc, argv, &arguments))
		return EXIT_USAGE;
	code = read_contract(&arguments, &sources);
	if (code == EXIT_DONE)
		code = open_keys_source(&arguments, &sources);
	if (code == EXIT_DONE)
		code = run(&arguments, &sources);
	close_sources(&sources);
	return code;
}
