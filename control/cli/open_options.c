#include "control/cli/open_options.h"

#include "control/cli/command.h"
#include "io/base/limits.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/** `1,2`: levels as a set. */
static bool read_purposes(const char *text, uint64_t *ret_set)
{
	uint64_t set = 0;

	for (;;) {
		char *end;
		unsigned long level = strtoul(text, &end, 10);

		if (text[0] < '0' || text[0] > '9' || level > PURPOSE_MAX)
			return false;
		set |= UINT64_C(1) << level;
		if (*end == '\0') {
			*ret_set = set;
			return true;
		}
		if (*end != ',')
			return false;
		text = end + 1;
	}
}

static bool read_option(int option, struct open_arguments *a)
{
	switch (option) {
	case 'k':
		a->keys = optarg;
		return true;
	case 'v':
		a->vault = optarg;
		return true;
	case 'r':
		a->root_key = optarg;
		return true;
	case 'c':
		a->contract = optarg;
		return true;
	case 'f':
		a->purposes_file = optarg;
		return true;
	case 'o':
		a->output = optarg;
		return true;
	case 'q':
		a->is_quiet = true;
		return true;
	case 'p':
		if (read_purposes(optarg, &a->purposes))
			return true;
		usage_error(
			"open",
			"",
			"--purposes takes numbers from 0 to %d with commas between them, not "
			"\"%s\"",
			PURPOSE_MAX,
			optarg
		);
		return false;
	default:
		usage_error("open", "", "see `sealane help open`");
		return false;
	}
}

static bool check(const struct open_arguments *a)
{
	if (a->keys != NULL && a->vault != NULL)
		usage_error("open", "", "--keys and --vault do not go together");
	else if (a->keys == NULL && a->vault == NULL)
		usage_error("open", "", "where are the keys? Add --keys FILE or --vault DIR");
	else if (a->root_key != NULL && a->vault == NULL)
		usage_error("open", "", "--root-key goes with --vault");
	else
		return true;
	return false;
}

bool open_arguments_read(int argc, char **argv, struct open_arguments *ret_arguments)
{
	static const struct option options[] = {
		{"keys", required_argument, NULL, 'k'},
		{"vault", required_argument, NULL, 'v'},
		{"root-key", required_argument, NULL, 'r'},
		{"purposes", required_argument, NULL, 'p'},
		{"contract", required_argument, NULL, 'c'},
		{"purposes-file", required_argument, NULL, 'f'},
		{"output", required_argument, NULL, 'o'},
		{"quiet", no_argument, NULL, 'q'},
		{0},
	};
	struct open_arguments a = {.output = "-", .purposes = UINT64_MAX};
	int option;

	while ((option = getopt_long(argc, argv, "o:q", options, NULL)) != -1)
		if (!read_option(option, &a))
			return false;
	if (optind + 1 != argc) {
		usage_error("open", "", optind == argc ? "which file?" : "one file at a time");
		return false;
	}
	a.file = argv[optind];
	if (!check(&a))
		return false;
	*ret_arguments = a;
	return true;
}
