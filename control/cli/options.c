#include "control/cli/options.h"

#include "control/cli/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	WORKERS_MAX = 256
};

char *vault_directory_default(void)
{
	const char *named = getenv("SEALANE_VAULT");
	const char *data = getenv("XDG_DATA_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;

	if (named != NULL && named[0] != '\0')
		return strdup(named);
	if (data != NULL && data[0] == '/')
		return asprintf(&path, "%s/sealane/vault", data) < 0 ? NULL : path;
	return asprintf(&path, "%s/.local/share/sealane/vault", home != NULL ? home : "") < 0
		? NULL
		: path;
}

static unsigned workers_default(void)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	// One processor is left to reading, writing and keys.
	return processors <= 2 ? 1 : (unsigned)processors - 1;
}

static bool read_workers(const char *text, unsigned *ret_count)
{
	char *end;
	unsigned long count = strtoul(text, &end, 10);

	if (text[0] < '0' || text[0] > '9' || *end != '\0' || count == 0 || count > WORKERS_MAX) {
		usage_error(
			"batch",
			"run",
			"-j takes a number from 1 to %d, not \"%s\"",
			WORKERS_MAX,
			text
		);
		return false;
	}
	*ret_count = (unsigned)count;
	return true;
}

static bool read_option(int option, struct batch_arguments *a)
{
	switch (option) {
	case 'i':
		a->overrides.input = optarg;
		return true;
	case 'd':
		a->overrides.output_dir = optarg;
		return true;
	case 'v':
		a->overrides.vault = optarg;
		return true;
	case 'r':
		a->overrides.root_key = optarg;
		return true;
	case 'm':
		a->overrides.has_max_bad = true;
		if (job_max_bad_read(optarg, &a->overrides.max_bad))
			return true;
		usage_error(
			"batch",
			"run",
			"--max-bad takes a number of rows or a share like 0.1%%, not \"%s\"",
			optarg
		);
		return false;
	case 'j':
		return read_workers(optarg, &a->worker_count);
	case 'o':
		a->is_json = strcmp(optarg, "json") == 0;
		if (a->is_json || strcmp(optarg, "text") == 0)
			return true;
		usage_error("batch", "run", "-o takes text or json, not \"%s\"", optarg);
		return false;
	default:
		usage_error("batch", "run", "see `sealane help batch`");
		return false;
	}
}

bool batch_arguments_read(int argc, char **argv, struct batch_arguments *ret_arguments)
{
	static const struct option options[] = {
		{"input", required_argument, NULL, 'i'},
		{"output-dir", required_argument, NULL, 'd'},
		{"vault", required_argument, NULL, 'v'},
		{"root-key", required_argument, NULL, 'r'},
		{"max-bad", required_argument, NULL, 'm'},
		{"jobs", required_argument, NULL, 'j'},
		{"output", required_argument, NULL, 'o'},
		{0},
	};
	struct batch_arguments a = {.worker_count = workers_default()};
	int option;

	while ((option = getopt_long(argc, argv, "j:o:", options, NULL)) != -1)
		if (!read_option(option, &a))
			return false;
	if (optind + 1 != argc) {
		usage_error("batch", "run", optind == argc ? "which job?" : "one job at a time");
		return false;
	}
	a.job_file = argv[optind];
	*ret_arguments = a;
	return true;
}
