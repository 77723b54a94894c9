#pragma once

#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"
#include "io/base/view.h"

#include <stdint.h>

// strmMeta, which every sealed and derived event carries. What is the same for all events of a policy is
// written once a turn; an event adds its time, key link and consents.

enum {
	// A reference grows sixfold in JSON at the most (control characters); the rest is our own names.
	META_HEAD_MAX = 6 * CONTRACT_REF_MAX + 128,
	META_TAIL_MAX = 256, // time, key link and 64 consents
	META_MAX = META_HEAD_MAX + META_TAIL_MAX
};

/** The constant part of strmMeta. */
struct meta {
	uint32_t head_size;
	// [head_size] JSON: `,"strmMeta":{"eventContractRef":"…","nonce":0,"timestamp":`; CSV: `,"…","0","`
	uint8_t head[META_HEAD_MAX + BATCH_FRAME_PADDING];
};

/** Write the constant part for a policy's format. */
void meta_init(const struct policy *policy, struct meta *ret_meta);

/**
 * Write strmMeta at `to` as the last member of a JSON object; returns where it ended. Likewise below.
 *
 * @param is_first whether the object has no other member, so that no comma goes in front
 */
uint8_t *meta_put_json(
	const struct meta *meta,
	const struct batch *b,
	uint32_t i,
	bool is_first,
	uint8_t *to
);

/** Write the six strmMeta cells of a CSV row, a comma in front of each. */
uint8_t *meta_put_csv(const struct meta *meta, const struct batch *b, uint32_t i, uint8_t *to);

/** Write the six strmMeta names of a CSV header, a comma in front of each. */
uint8_t *meta_put_csv_names(uint8_t *to);
