#pragma once

#include "control/contract.h"

// Inside of the contract's reading: contract.c takes the file's parts in turn, contract_field.c one field,
// contract_checks.c its checks, contract_links.c what names fields, contract_rules.c time and consent.

struct contract_reader {
	struct contract *contract;       // being filled
	const struct purposes *purposes; // NULL = none are known
	struct problems *problems;
};

/** Read `path: {…}` or `path: type` into a row; problems are added. */
void contract_read_field(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *field
);

/** Read the checks of a field's value out of its map: match, range, length, one_of. */
void contract_read_checks(
	struct contract_reader *r,
	const struct yaml_node *map,
	struct contract_field *f
);

/** Add a problem "field '<path>' <what>". */
struct problem *contract_refuse_field(
	struct contract_reader *r,
	const struct yaml_node *node,
	const struct contract_field *field,
	const char *what
);

/** Does a value of the file fit a field's type? */
bool contract_fits_type(const struct yaml_node *node, enum policy_type type);

/** `key:` and `subject:`; the fields have been read. */
void contract_read_key(struct contract_reader *r, const struct yaml_node *root);

/** `time:` and `consent:`; the fields have been read. */
void contract_read_rules(struct contract_reader *r, const struct yaml_node *root);

/**
 * One word out of a table.
 *
 * @param words NULL-terminated
 * @param name of the thing, for the problem
 * @param ret_index out
 */
bool contract_read_word(
	const struct yaml_node *node,
	const char *const words[],
	const char *name,
	struct problems *problems,
	uint32_t *ret_index
);

/** `true` or `false`. */
void contract_read_bool(
	const struct yaml_node *node,
	const char *name,
	struct problems *problems,
	bool *ret_value
);

/** A sentence about something: at most CONTRACT_ABOUT_MAX bytes. */
void contract_read_about(
	const struct yaml_node *node,
	struct problems *problems,
	struct view *ret_about
);
