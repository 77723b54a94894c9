#pragma once

#include "control/vault.h"

#include <stdint.h>

// The sealing keys of dead letters: one a UTC day and vault, of no group and no contract, whoever makes it.

/** The scope that dead-letter keys have in the vault. */
enum sl_status key_dead_scope(
	struct vault *vault,
	uint64_t *ret_scope,
	struct problem *ret_problem
);

/**
 * The key of a day, unwrapped.
 *
 * @param ret_key its scope, day and name_hash are set in any case, for who makes the key
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND; or the vault's failure
 */
enum sl_status key_dead_find(
	struct vault *vault,
	struct engine *engine,
	uint64_t scope,
	int64_t day,
	struct vault_key *ret_key
);

/** What seals: the field key of purpose 0. */
void key_dead_derive(
	struct engine *engine,
	const uint8_t dek[static KEY_SIZE],
	uint8_t ret_key[static KEY_SIZE]
);
