#pragma once

#include <stdbool.h>
#include <stdint.h>

/** What `sealane open` was told. */
struct open_arguments {
	const char *file;
	const char *keys;     // NULL: vault
	const char *vault;    // NULL: keys
	const char *root_key; // NULL: in the vault
	const char *contract; // NULL: none given
	const char *purposes_file;
	const char *output;
	uint64_t purposes; // bit p = may be opened
	bool is_quiet;
};

/** Read the command line; false: a usage error was printed. */
bool open_arguments_read(int argc, char **argv, struct open_arguments *ret_arguments);
