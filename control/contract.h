#pragma once

#include "control/api/policy.h"
#include "control/arena.h"
#include "control/purposes.h"
#include "control/yaml.h"
#include "io/base/limits.h"

// A data contract as its author wrote it, checked: the source that policy_compile makes an image of.
//
// What holds when the author says nothing is what shows the least:
//
//	undeclared   drop    what the contract does not name is left out of every output
//	duplicates   refuse  an event that names a declared field twice goes to the dead letters
//	consent      none    no purpose is consented to
//	unreadable   sealed  who can not open a field sees its sealed text
//	iv           deterministic
//	state        active
//
// Paths are names divided by `/`, from the event down; `*` is each element of a list or each member of an object;
// in a name `~` is written `~0` and `/` is written `~1`. Key, subject, time and consent fields must stand under `fields`
// too: what is read from an event is always declared.

enum {
	CONTRACT_NAME_MAX = 100,   // characters of handle and name
	CONTRACT_ABOUT_MAX = 1000, // bytes
};

enum contract_state {
	CONTRACT_DRAFT,
	CONTRACT_IN_REVIEW,
	CONTRACT_APPROVED,
	CONTRACT_ACTIVE,
	CONTRACT_ARCHIVED,
	CONTRACT_STATE_COUNT
};

/** One declared field. Texts live as long as the contract. */
struct contract_field {
	const struct yaml_node *node; // its value in the file; node->key is the path
	struct view path;             // 1..POLICY_PATH_MAX
	struct view about;            // "" = nothing said
	struct view match;            // regular expression; "" = none
	struct view range_min;        // canonical decimal text (policy.h); "" = open
	struct view range_max;        // likewise
	struct view *one_of;          // [one_of_count] strings, canonical decimals, true or false
	struct view unreadable_value; // JSON token, or CSV cell text
	uint32_t one_of_count;        // 0 = anything
	uint32_t length_min;          // code points; has_length
	uint32_t length_max;          // likewise; UINT32_MAX = open
	bool has_length;
	bool is_required;
	bool is_nullable;
	bool is_personal;
	bool is_repeated; // the path has a `*` step
	uint8_t purpose;  // personal: level
	enum policy_type type;
	enum policy_type item_type; // of an array; POLICY_ANY = unchecked
	enum policy_iv iv;
	enum policy_unreadable unreadable;
};

/** Where an event's time stands. A job may have one of its own (policy_overrides). */
struct contract_time {
	struct view field; // path; "" = no time field
	enum policy_time_form form;
	struct view pattern; // POLICY_TIME_PATTERN only
	struct view zone;    // of patterns without an offset; "" = UTC
};

struct contract_consent_rule {
	struct view text;  // decoded string, or token text of another type
	uint64_t purposes; // bit p = purpose p
};

/** How an event tells what its person consents to. A job may have one of its own (policy_overrides). */
struct contract_consent {
	struct view field;                   // path; "" = no consent field
	struct contract_consent_rule *rules; // [rule_count]
	uint32_t rule_count;
	uint64_t otherwise; // bit p = purpose p
};

struct contract {
	struct view ref;   // handle/name/version
	struct view about; // "" = nothing said
	enum contract_state state;
	enum policy_format format;
	uint8_t csv_separator;
	uint16_t key_field;     // row of fields
	uint16_t subject_field; // row of fields, or POLICY_NONE
	struct contract_time time;
	struct contract_consent consent;
	enum policy_undeclared undeclared;
	bool is_undeclared_said;    // the author has written it
	uint8_t undeclared_purpose; // POLICY_UNDECLARED_SEAL only
	enum policy_duplicates duplicates;
	struct contract_field fields[CONTRACT_FIELDS_MAX];
	uint32_t field_count;
	struct yaml *document; // owned: texts and places
	struct arena arena;    // owned: other texts
};

/**
 * Read and check a contract. All problems are found in one go.
 *
 * @param path a file's name, or "-" for standard input
 * @param purposes borrowed during the call; NULL = none are known, and fields name theirs by number
 * @param problems errors and warnings are added, with file:line:column and remedy
 * @return SL_OK (perhaps with warnings): *ret_contract is the caller's until contract_free
 */
enum sl_status contract_load_file(
	const char *path,
	const struct purposes *purposes,
	struct problems *problems,
	struct contract **ret_contract
);
enum sl_status contract_load_text(
	struct view text,
	const char *file,
	const struct purposes *purposes,
	struct problems *problems,
	struct contract **ret_contract
);
void contract_free(struct contract *contract);

/** handle/name of handle/name/version: a corrected contract goes on with the keys of the one before. */
struct view contract_name_of(struct view ref);

/** Row of the field with that path, or POLICY_NONE. */
uint16_t contract_find_field(const struct contract *contract, struct view path);

/** `draft`, `in-review`, …: as written in the file. */
const char *contract_state_name(enum contract_state state);

/** `string`, `integer`, …: as written in the file. */
const char *contract_type_name(enum policy_type type);

/**
 * May events go through this contract? Only active ones accept them.
 *
 * Outcomes  SL_OK; SL_E_DENIED with *ret_problem and its remedy
 */
enum sl_status contract_check_active(const struct contract *contract, struct problem *ret_problem);

/** A `time:` map, as in a contract. @return false when a problem was added */
bool contract_read_time(
	const struct yaml_node *node,
	struct problems *problems,
	struct contract_time *ret_time
);

/** A `consent:` map, as in a contract. @param arena owns the rules */
bool contract_read_consent(
	const struct yaml_node *node,
	const struct purposes *purposes,
	struct problems *problems,
	struct arena *arena,
	struct contract_consent *ret_consent
);

/** Is this handle/name/version? @param ret_fault out, on false: what is wrong */
bool contract_check_ref(struct view ref, const char **ret_fault);
