#pragma once

#include "control/contract.h"

// From a checked contract and the derived views wanted of it to a policy image (control/api/policy.h).

/** A field replaced by its mask in a view. */
struct mask_spec {
	struct view path; // a string field of the contract
	enum policy_mask_kind kind;
	struct view seed; // HMAC: MASK_KEY_SIZE bytes of key; MURMUR3: 0..MASK_SEED_MAX bytes
	const struct yaml_node *node; // where it is asked for, for problems; NULL = nowhere
};

/** A derived view. */
struct view_spec {
	struct view name;  // for people
	uint64_t purposes; // bit p = purpose p; CUMULATIVE: the highest one counts
	enum policy_view_kind kind;
	const struct mask_spec *masks; // [mask_count]
	uint32_t mask_count;
	const struct yaml_node *node; // where it is asked for, for problems; NULL = nowhere
};

/**
 * What a job says instead of its contract. A field that the contract does not declare is added to the image as one of
 * any type; when the contract seals what is undeclared it is sealed all the same, and when the contract drops what is
 * undeclared, that is a problem.
 */
struct policy_overrides {
	const struct contract_time *time;       // NULL = as in the contract
	const struct contract_consent *consent; // NULL = as in the contract
};

/**
 * Compile. The image has passed policy_image_check.
 *
 * @param overrides NULL = none
 * @param problems what is wrong with views and overrides is added
 * @param ret_image out, owned: policy_image_free. It has the masks' keys and is secret with them
 * Outcomes  SL_OK; SL_E_INVALID, SL_E_NOT_FOUND, SL_E_TOO_BIG, SL_E_NOMEM with problems
 */
enum sl_status policy_compile(
	const struct contract *contract,
	const struct view_spec views[],
	uint32_t view_count,
	const struct policy_overrides *overrides,
	struct problems *problems,
	struct policy_image **ret_image
);

/** Wipe and free. NULL is fine. */
void policy_image_free(struct policy_image *image);
