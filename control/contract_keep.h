#pragma once

#include "control/contract.h"
#include "control/vault.h"
#include "io/base/problem.h"

// What the vault keeps of a contract, so that its events can be opened where the job's files are not at hand: its
// source, and the purposes that its names stand for.

/**
 * Keep a contract, in the words that it was read from.
 *
 * @param purposes NULL = none
 */
enum sl_status contract_keep(
	struct vault *vault,
	const struct contract *contract,
	const struct purposes *purposes,
	struct problem *ret_problem
);

/**
 * The contract of that name, to be freed by contract_free.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND; SL_E_INVALID (what is kept can not be read any more); SL_E_NOMEM; SL_E_IO
 */
enum sl_status contract_recall(
	struct vault *vault,
	struct view ref,
	struct contract **ret_contract
);
