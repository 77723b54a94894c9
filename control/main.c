#include "control/config.h"
#include "control/server.h"
#include "crypto/secret.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

// sealane-control: the process that holds the vault and feeds the dataplane.

static const char config_default[] = "/etc/sealane/sealane.yaml";

/** Exit codes, as those of `sealane` (control/cli/exits.h). */
enum {
	DONE = 0,
	ENVIRONMENT = 1,
	USAGE = 2,
	DEFINITION = 3
};

static const char *const event_drops[] = {
	"none",
#define DROP(name, counter, help) counter,
#include "dataplane/drops.def"
#undef DROP
};

static const char *const frame_drops[] = {
	"none",
#define FRAME_DROP(name, counter, help) counter,
#include "dataplane/frame_drops.def"
#undef FRAME_DROP
};

static const struct server_names names = {
	.event_drops = event_drops,
	.event_drop_count = sizeof(event_drops) / sizeof(event_drops[0]),
	.frame_drops = frame_drops,
	.frame_drop_count = sizeof(frame_drops) / sizeof(frame_drops[0]),
};

static const char usage[] =
	"usage: sealane-control [-c FILE]             serve\n"
	"       sealane-control --check-config [FILE] read the configuration, and end\n"
	"       sealane-control --help | --version\n";

static int help(void)
{
	printf("%s\n"
	       "Holds the vault of data keys and the definitions, and feeds the dataplane. The\n"
	       "configuration is %s unless -c names another; its keys, all of which\n"
	       "may be left out but device:\n\n",
	       usage,
	       config_default);
	config_explain(stdout);
	return DONE;
}

/** What a checked configuration says, in short. */
static int tell(const char *file, const struct config *config)
{
	const struct view kind = config_word("port", config->settings.port_kind);
	const uint32_t workers = config->settings.worker_count;

	printf("%s: ok: port %.*s%s%s, %u %s, vault %s, definitions %s, sockets in %s\n",
	       file,
	       (int)kind.size,
	       (const char *)kind.bytes,
	       config->settings.port_device[0] != '\0' ? " " : "",
	       config->settings.port_device,
	       workers,
	       workers == 1 ? "worker" : "workers",
	       config->vault,
	       config->definitions,
	       config->run_directory);
	return DONE;
}

static int serve(const char *file, bool is_check)
{
	struct problems problems = {0};
	struct problem problem = {0};
	struct config config;
	enum sl_status status = config_load(file, &config, &problems);

	problems_print(stderr, &problems);
	problems_done(&problems);
	if (status != SL_OK)
		return DEFINITION;
	if (is_check)
		return tell(file, &config);
	secret_forbid_reading();
	if (server_run(&config, &names, &problem) == SL_OK)
		return DONE;
	problem_print(stderr, &problem);
	return ENVIRONMENT;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"check-config", no_argument, NULL, 'k'},
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	const char *file = config_default;
	bool is_check = false;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option == 'v') {
			puts("sealane-control " SEALANE_VERSION);
			return DONE;
		}
		if (option == 'k')
			is_check = true;
		else if (option == 'c')
			file = optarg;
		else
			return fputs(usage, stderr) < 0 ? ENVIRONMENT : USAGE;
	}
	if (is_check && optind < argc)
		file = argv[optind++];
	if (optind != argc)
		return fputs(usage, stderr) < 0 ? ENVIRONMENT : USAGE;
	return serve(file, is_check);
}
