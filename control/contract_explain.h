#pragma once

#include "control/policy_compile.h"

#include <stdio.h>

/**
 * Say in plain words what a contract does to each field, and who can read what. Lines have at most
 * 100 columns; there are no colours and no control characters, whatever the contract's texts hold.
 *
 * @param purposes names of the levels; NULL = numbers
 * @param views [view_count] the job's derived views; none: what each purpose opens is said all the same
 */
void contract_explain(
	FILE *out,
	const struct contract *contract,
	const struct purposes *purposes,
	const struct view_spec views[],
	uint32_t view_count
);
