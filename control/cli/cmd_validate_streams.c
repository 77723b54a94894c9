#include "control/cli/command.h"
#include "control/plane_compile.h"
#include "crypto/secret.h"

#include <getopt.h>
#include <stdio.h>

// Without a daemon and its vault: keys are zeros, and names of files start at the root.

static void print_ok(const char *directory, const struct definitions *d)
{
	printf("%s: ok: %u %s, %u %s, %u %s\n",
	       directory,
	       d->stream_count,
	       d->stream_count == 1 ? "stream" : "streams",
	       d->contract_count,
	       d->contract_count == 1 ? "contract" : "contracts",
	       d->clients.count,
	       d->clients.count == 1 ? "client" : "clients");
	for (uint32_t i = 0; i < d->stream_count; i++) {
		const struct stream *s = &d->streams[i];

		printf("  %s: UDP port %u, %s datagrams, %s, %u derived %s\n",
		       s->name,
		       s->port,
		       s->mode == PLANE_SEALED ? "sealed" : "plain",
		       s->contract,
		       s->view_count,
		       s->view_count == 1 ? "view" : "views");
	}
}

static enum sl_status check(const char *directory, struct problems *problems)
{
	struct plane_keys *keys = secret_new(sizeof(*keys));
	struct plane_compiled compiled;
	struct definitions *d;
	enum sl_status status;

	if (keys == NULL)
		return SL_E_NOMEM;
	status = definitions_load(directory, "/", problems, &d);
	if (status == SL_OK) {
		status = plane_compile(d, keys, 1, problems, &compiled);
		if (status == SL_OK) {
			plane_compiled_free(&compiled);
			print_ok(directory, d);
		}
		definitions_free(d);
	}
	secret_free(keys, sizeof(*keys));
	return status;
}

enum exit_code command_validate_streams(int argc, char **argv)
{
	static const struct option options[] = {
		{"file", required_argument, NULL, 'f'},
		{0},
	};
	struct problems problems = {0};
	const char *directory = NULL;
	enum sl_status status;
	int option;

	while ((option = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
		if (option != 'f')
			return usage_error("validate", "streams", "see `sealane help validate`");
		directory = optarg;
	}
	if (directory == NULL && optind < argc)
		directory = argv[optind++];
	if (directory == NULL || optind != argc)
		return usage_error(
			"validate",
			"streams",
			directory == NULL ? "which directory?" : "one directory at a time"
		);
	status = check(directory, &problems);
	problems_print(stderr, &problems);
	problems_done(&problems);
	return status == SL_OK ? EXIT_DONE : EXIT_DEFINITION;
}
