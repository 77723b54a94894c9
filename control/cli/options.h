#pragma once

#include "dataplane/batch/plan.h"

#include <stdbool.h>

/** Where keys live when nothing says so: $SEALANE_VAULT, else ~/.local/share/sealane/vault. Caller frees; NULL = no memory. */
char *vault_directory_default(void);

/** What `sealane batch run` was told. */
struct batch_arguments {
	const char *job_file;
	struct plan_overrides overrides;
	unsigned worker_count;
	bool is_json;
};

/** Read the command line; false: a usage error was printed. */
bool batch_arguments_read(int argc, char **argv, struct batch_arguments *ret_arguments);
