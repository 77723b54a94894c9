#include "control/cli/exits.h"

enum exit_code exit_of_status(enum sl_status status)
{
	// Few rows are of the input or of keys; all others are the machine's.
	if (status == SL_OK)
		return EXIT_DONE;
	if (status == SL_E_SYNTAX || status == SL_E_TRUNCATED || status == SL_E_BAD_ROWS
	    || status == SL_E_CORRUPT || status == SL_E_TOO_BIG)
		return EXIT_INPUT;
	if (status == SL_E_FORGED)
		return EXIT_KEYS;
	return EXIT_ENVIRONMENT;
}
