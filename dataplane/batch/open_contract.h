#pragma once

#include "dataplane/batch/open.h"

#include <stdbool.h>

/** The contracts of the events: one given for all, or those that the vault keeps. */
struct open_contracts;

enum sl_status open_contracts_new(
	const struct open_setup *setup,
	struct open_contracts **ret_contracts
);
void open_contracts_free(struct open_contracts *contracts);

/**
 * The contract of an event.
 *
 * @param ref as strmMeta names it
 * @return NULL when it is not known
 */
const struct contract *open_contracts_find(struct open_contracts *contracts, struct view ref);

/**
 * The personal field that stands at a place, or NULL.
 *
 * @param path   names joined by `/`, escaped; `*` in arrays
 * @param is_csv path is one escaped name, of a column that may be named by the field's path
 */
const struct contract_field *open_contract_field(
	const struct contract *contract,
	struct view path,
	bool is_csv
);
