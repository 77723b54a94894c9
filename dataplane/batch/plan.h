#pragma once

#include "control/api/policy.h"
#include "control/contract.h"
#include "control/job.h"
#include "control/keyring.h"
#include "control/vault.h"
#include "dataplane/batch/targets.h"
#include "io/base/problem.h"

#include <stdbool.h>
#include <stdint.h>

// Everything a job's definition leads to, found, checked and compiled: what runs when nothing is left
// to go wrong but files and keys.

/** What the command line says instead of the job; NULL = as the job says. Names start from the current folder. */
struct plan_overrides {
	const char *input;
	const char *output_dir;
	const char *vault;
	const char *root_key; // NULL: in the vault
	struct job_max_bad max_bad;
	bool has_max_bad;
};

struct plan {
	struct job job;
	struct purposes *purposes; // NULL = no purposes file
	struct contract *contract;
	struct policy_image *image; // of contract and views; secret: it holds the masks' keys
	char *contract_file;        // where the contract was found
	char *input;                // resolved
	char *vault;                // resolved
	struct target_names names;  // resolved, owned
	struct vault *vault_open;
	struct keyring *keyring;
};

/**
 * Read the job, find and compile its contract. Opens nothing that it would have to change.
 *
 * @param vault_default where keys live when neither job nor overrides say
 */
enum sl_status plan_load(
	const char *job_file,
	const struct plan_overrides *overrides,
	const char *vault_default,
	struct plan *ret_plan,
	struct problems *problems
);

/** Open the vault (made on first use) and the key ring of the job's group and contract. */
enum sl_status plan_open_keys(
	struct plan *plan,
	const struct plan_overrides *overrides,
	struct problem *ret_problem
);

/** Flush and close the keys, free the rest. */
void plan_done(struct plan *plan);
