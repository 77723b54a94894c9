#pragma once

#include "control/api/key_source.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"

// The stages between parsing and output; each is called from turn_run only (and from tests and benches).

struct csv_header;
struct engine;
struct turn;

/** All filled rows become live, all scratch is free. Writes live, reason, reason_field, cell_count, scratch. */
void begin(struct batch *b);

/**
 * Check every live row against its contract and read what the rest of the turn needs from it.
 *
 * Reads   frame, record, cell
 * Writes  text (of personal, key, subject, time, consent and checked cells), scratch, consent, time_ms, day, reason,
 *         reason_field, live
 */
void contract_match(struct batch *b, const struct policy *policy, int64_t now_ms);

/**
 * Give every live row its data key: hashes the key values of the turn, looks them up in one burst, claims what is missing
 * in one call. The hash is SipHash-128 under keys->hash_key over scope (8, LE) | day (8, LE) | key value; the subject's is
 * over the text "subject" (7) | subject value.
 *
 * Reads   record, text, day
 * Writes  key, reason, live
 */
void key_resolve(struct batch *b, const struct policy *policy, const struct key_source *keys);

/**
 * Seal all personal cells (and undeclared ones when the contract says so) of the turn. Nulls stay null.
 *
 * @param csv names undeclared columns; NULL for JSON
 * Reads   record, cell, text, key
 * Writes  sealed, scratch
 */
void seal_fields(
	struct batch *b,
	const struct policy *policy,
	const struct csv_header *csv,
	struct engine *engine
);

/** Write the sealed event of every live row. Reads everything. Writes out.sealed. */
void rewrite_sealed(struct turn *t);

/** Write every derived view of every live row that may see it. Reads everything. Writes out.view[]. */
void derive_views(struct turn *t);

/** Seal every dropped row whole into out.dead and count it. */
void dead_letter(struct turn *t);

/** Close the turn's books: rows, key position. */
void settle(struct turn *t);
