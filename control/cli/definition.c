#include "control/cli/definition.h"

#include <string.h>

enum sl_status definition_load(
	const char *contract_file,
	const char *purposes_file,
	struct problems *problems,
	struct purposes **ret_purposes,
	struct contract **ret_contract
)
{
	struct purposes *purposes = NULL;
	enum sl_status status = SL_OK;

	if (purposes_file != NULL)
		status = purposes_load_file(purposes_file, problems, &purposes);
	else if (strcmp(contract_file, "-") != 0)
		status = purposes_load_beside(contract_file, problems, &purposes);
	if (status == SL_OK)
		status = contract_load_file(contract_file, purposes, problems, ret_contract);
	if (status != SL_OK) {
		purposes_free(purposes);
		return status;
	}
	*ret_purposes = purposes;
	return SL_OK;
}
