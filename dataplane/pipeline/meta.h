#pragma once

#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/view.h"

#include <stdint.h>

// strmMeta, which every sealed and derived event carries. It is written once a turn, and again when an event's
// consents are other than those of the one before; an event then copies it and fills in its time and key link.

enum {
	// A reference grows sixfold in JSON at the most (control characters); the rest is our own names.
	META_HEAD_MAX = 6 * CONTRACT_REF_MAX + 128,
	META_TAIL_MAX = 320, // time, key link and 64 consents
	META_MAX = META_HEAD_MAX + META_TAIL_MAX
};

/** strmMeta made ready. */
struct meta {
	uint32_t head_size; // of text: what is the same for all events of a policy
	uint32_t tail_size; // of text, after head and time: JSON only
	uint64_t consent;   // that the tail tells
	// JSON: `,"strmMeta":{"eventContractRef":"…","nonce":0,"timestamp":` | 13 digits |
	// `,"keyLink":"` | 36 characters | `","billingId":null,"consentLevels":[…]}`; CSV: `,"…","0","`
	uint8_t text[META_MAX + BATCH_FRAME_PADDING];
};

/** Make it ready for a policy, and for events without consents. */
void meta_init(const struct policy *policy, struct meta *ret_meta);

/**
 * Write strmMeta at `to` as the last member of a JSON object; returns where it ended. Likewise below.
 *
 * @param is_first whether the object has no other member, so that no comma goes in front
 */
uint8_t *meta_put_json(
	struct meta *meta,
	const struct batch *b,
	uint32_t i,
	bool is_first,
	uint8_t *to
);

/** Write the six strmMeta cells of a CSV row, a comma in front of each. */
uint8_t *meta_put_csv(const struct meta *meta, const struct batch *b, uint32_t i, uint8_t *to);

/** Write the six strmMeta names of a CSV header, a comma in front of each. */
uint8_t *meta_put_csv_names(uint8_t *to);
