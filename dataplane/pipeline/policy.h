#pragma once

#include "control/api/policy.h"
#include "crypto/field.h"
#include "crypto/mask.h"
#include "io/base/problem.h"

// A policy image made ready for one worker: what can not lie in the image (compiled regular
// expressions, cipher paths) hangs beside it.

/** One field, ready for use. Rows are as in the image. */
struct policy_bound_field {
	struct field_path path;      // associated data of strings
	struct field_path path_json; // path + "~json": of every other value
	void *match;                 // pcre2_code *, JIT compiled; NULL = none
};

struct policy {
	const struct policy_image *image;  // borrowed, checked
	const struct policy_field *fields; // of the image
	const struct policy_node *nodes;   // of the image
	const uint8_t *purposes;           // of the image
	const struct policy_view *views;   // of the image
	struct policy_bound_field *bound;  // [fields.count] owned
	// States of all views' masks in their order, prepared for HMAC masks, zero for others; owned, secret.
	uint8_t (*mask_state)[MASK_HMAC_STATE_SIZE];
	uint32_t *view_first_mask; // [views.count] row of mask_state; owned
	struct match_state *match; // contract_match's own, see match_state.h; owned
};

/**
 * Make an image ready.
 *
 * @param image borrowed until policy_unbind; policy_image_check has accepted it
 * Outcomes  SL_OK; SL_E_SYNTAX (a regular expression), SL_E_NOMEM
 */
enum sl_status policy_bind(
	const struct policy_image *image,
	struct policy **ret_policy,
	struct problem *ret_problem
);
void policy_unbind(struct policy *policy);
