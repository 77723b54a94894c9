#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"

/**
 * The file of a contract that a job names: the name itself when there is such a file, else the file in the job's folder
 * (or its folder `contracts`) whose `contract:` is the name.
 *
 * @param directory of the job
 * @param name      file, or handle/name/version
 * @param ret_file  out, freed by the caller
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND (says where it looked); SL_E_EXISTS (two files have it); SL_E_NOMEM
 */
enum sl_status contract_find(
	const char *directory,
	const char *name,
	char **ret_file,
	struct problem *ret_problem
);
