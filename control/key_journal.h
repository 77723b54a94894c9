#pragma once

#include "control/vault.h"

#include <stdint.h>

// Changes on their way into the vault. Anyone puts; one thread of its own wraps and commits them in
// groups and raises the durable mark. A position is the number of a change, from 1.

struct key_journal;

/**
 * Start the committing thread.
 *
 * @param capacity changes that wait at most; putting more waits for the committer
 */
enum sl_status key_journal_new(
	struct vault *vault,
	size_t capacity,
	struct key_journal **ret_journal,
	struct problem *ret_problem
);

/** Commit what waits, end the thread, release; NULL is fine. SL_OK, or what the first failed commit met. */
enum sl_status key_journal_free(struct key_journal *journal, struct problem *ret_problem);

/** @return the change's position; 0 when a commit has failed: nothing becomes durable any more */
uint64_t key_journal_put(struct key_journal *journal, const struct vault_key *change);

/** Changes that have just become durable, in order. Secret. Called by the committing thread. */
typedef void key_journal_seen_fn(void *self, const struct vault_key changes[], size_t count);

/**
 * Show every change to `seen` once it is durable, before the durable mark says so; NULL ends it, and
 * returns when no call is under way.
 */
void key_journal_watch(struct key_journal *journal, key_journal_seen_fn *seen, void *self);

/** Changes at or below are durable. Any thread, no lock. */
uint64_t key_journal_durable(const struct key_journal *journal);

/** Position of the last change put. */
uint64_t key_journal_position(const struct key_journal *journal);

/** Return when a position is durable. SL_OK, or what the failed commit met. */
enum sl_status key_journal_wait(struct key_journal *journal, uint64_t position);

/** SL_OK, or what the first failed commit met, with its sentence. */
enum sl_status key_journal_status(struct key_journal *journal, struct problem *ret_problem);
