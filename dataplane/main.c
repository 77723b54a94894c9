#include "crypto/secret.h"
#include "dataplane/runtime/plane.h"

#include <getopt.h>
#include <stdio.h>

// sealane-dataplane: the process that takes events from the wire. All it works by comes from control.

static const char control_default[] = "/run/sealane/dataplane.sock";

static const char usage[] = "usage: sealane-dataplane [--control SOCKET]\n"
			    "       sealane-dataplane --help | --version\n";

/** Exit codes, as those of `sealane` (control/cli/exits.h). */
enum {
	DONE = 0,
	ENVIRONMENT = 1,
	USAGE = 2,
	UNDELIVERED = 6 // none of theirs: who starts it again after a failure must not after this
};

static int help(void)
{
	printf("%s\n"
	       "Takes events from a port, seals their personal fields and hands them to sinks.\n"
	       "Settings, policy and keys come from sealane-control, which it waits for.\n"
	       "\n"
	       "  --control SOCKET  control's socket for the dataplane [%s]\n"
	       "\n"
	       "SIGTERM: takes nothing more, brings all it has to the sinks, ends.\n"
	       "Needs, besides its user: CAP_NET_ADMIN (to make the host interface), CAP_NET_RAW "
	       "(ports\n"
	       "af_packet and af_xdp), CAP_IPC_LOCK (keys and DMA memory), CAP_BPF (af_xdp).\n",
	       usage,
	       control_default);
	return DONE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"control", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},
		{0},
	};
	struct plane_options plane = {.control = control_default};
	struct problem problem;
	uint64_t lost;
	int option;

	while ((option = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option == 'v') {
			printf("sealane-dataplane %s\n", SEALANE_VERSION);
			return DONE;
		}
		if (option != 'c') {
			fputs(usage, stderr);
			return USAGE;
		}
		plane.control = optarg;
	}
	if (optind != argc) {
		fputs(usage, stderr);
		return USAGE;
	}
	secret_forbid_reading();
	if (plane_run(&plane, &lost, &problem) == SL_OK)
		return DONE;
	problem_print(stderr, &problem);
	return lost != 0 ? UNDELIVERED : ENVIRONMENT;
}
