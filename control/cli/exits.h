#pragma once

#include "io/base/status.h"

/** Exit codes of `sealane`: scripts tell kinds of failure apart by them. Listed in sealane(1). 6 is sealane-dataplane's. */
enum exit_code {
	EXIT_DONE = 0,        // done
	EXIT_ENVIRONMENT = 1, // the machine: a file, a disk, memory, the CPU
	EXIT_USAGE = 2,       // the command line
	EXIT_DEFINITION = 3,  // a contract, purposes or job file is wrong
	EXIT_INPUT = 4,       // the data: truncated, damaged, too many bad rows
	EXIT_KEYS = 5,        // the vault, the root key or a keys file does not fit
	EXIT_SIGNAL = 128     // stopped by a signal, whose number is added
};

/** The exit code for a failure that is about data and the machine. */
enum exit_code exit_of_status(enum sl_status status);
