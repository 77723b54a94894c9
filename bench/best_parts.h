#pragma once

#include "bench/edits.h"
#include "bench/sealing.h"

#include <stddef.h>
#include <stdint.h>

// The best known parts of the turn's work, each by itself and none of them a whole: simdjson on-demand locating the
// same fields, ipsec-mb AES-256-GCM of the same texts under keys that are hot and expanded, the batched look-up of
// the same keys (hashes made ahead), a copy of the event. Their sum is what the turn is held against.

enum best_part {
	PART_LOCATE,
	PART_SEAL,
	PART_LOOK_UP,
	PART_COPY,
	PART_COUNT
};

extern const char *const best_part_names[PART_COUNT];

struct best_parts;

/** Prepare for these events; the keys of all must be live. */
struct best_parts *best_parts_new(const struct edits *edits, struct sealing *sealing);
void best_parts_free(struct best_parts *p);

/** Fields that the events have to be sealed: what the turn's own count must add up to. */
uint64_t best_parts_field_count(const struct best_parts *p);

/** Every part once for the rows [at, at + count); sets each part's time stamp ticks. */
void best_parts_run(
	struct best_parts *p,
	size_t at,
	uint32_t count,
	uint64_t ticks[static PART_COUNT]
);
