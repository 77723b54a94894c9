#pragma once

#include "bench/edits.h"
#include "dataplane/pipeline/turn.h"
#include "tests/support/memory_keys.h"

#include <stdint.h>

// The turn at work on the edits: `time` read, `user` (the key), `comment` and `cityName` sealed, all else passed on.

enum sealing_stage {
	STAGE_RECORD_PARSE,
	STAGE_CONTRACT_MATCH,
	STAGE_KEY_RESOLVE,
	STAGE_SEAL_FIELDS,
	STAGE_REWRITE_SEALED,
	STAGE_DERIVE_VIEWS,
	STAGE_DEAD_LETTER,
	STAGE_SETTLE,
	STAGE_COUNT
};

extern const char *const sealing_stage_names[STAGE_COUNT];

/** One core's engine, parser, live keys and rooms; two contracts share them, of deterministic and of random IVs. */
struct sealing {
	struct policy_image *image[2]; // by enum policy_iv
	struct policy *policy[2];
	struct engine *engine;
	struct memory_keys *keys;
	struct batch *batch;
	struct dead_letter_key dead_key;
	struct turn turn;
};

/** Set up, with room for key_count_max keys. */
struct sealing *sealing_new(size_t key_count_max);
void sealing_free(struct sealing *s);

/** Give every user a key, in the order of their names, so that no turn has to make one. */
void sealing_fill_keys(struct sealing *s, const struct edits *edits);

/** Put rows [at, at + count) into the batch and empty the rooms: the sink is null. */
void sealing_fill(struct sealing *s, const struct edits *edits, size_t at, uint32_t count);

/** turn_run with a clock between its calls: adds each stage's time stamp ticks. */
void sealing_timed_turn(struct turn *t, uint64_t ticks[static STAGE_COUNT]);
