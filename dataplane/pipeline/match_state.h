#pragma once

#include "dataplane/pipeline/check_value.h"
#include "io/base/limits.h"

#include <stdint.h>

struct regex_memory;

enum {
	MATCH_FIELD_WORDS = CONTRACT_FIELDS_MAX / 64 // words of a set of fields
};

/** What contract_match keeps beside a policy; made by policy_bind, of one thread. */
struct match_state {
	struct field_check check[CONTRACT_FIELDS_MAX]; // by row of the fields
	uint64_t required[MATCH_FIELD_WORDS];          // bit f = field f must be there
	struct regex_memory *regex;                    // owned
};

/** Fill check[] and required[] from the image. */
void match_state_init(struct match_state *state, const struct policy_image *image);
