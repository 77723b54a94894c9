#pragma once

#include "control/contract.h"

#include <stdio.h>

/**
 * Read a contract and its purposes: those of the file named, or purposes.yaml beside the contract.
 *
 * @param purposes_file NULL: beside the contract
 * @param ret_purposes  out, NULL when there are none; purposes_free
 * @param ret_contract  out, contract_free
 * @return SL_OK; else what is wrong is among the problems
 */
enum sl_status definition_load(
	const char *contract_file,
	const char *purposes_file,
	struct problems *problems,
	struct purposes **ret_purposes,
	struct contract **ret_contract
);
