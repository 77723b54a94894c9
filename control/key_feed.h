#pragma once

#include "control/api/key_ring.h"
#include "control/api/key_table.h"
#include "control/vault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Between a dataplane and the vault, in control:
//
//	feed  takes new keys from the key journal's ring, commits them to the vault in groups and raises the durable
//	      mark. One thread of its own; the only one that commits to the vault.
//	warm  fills streams' key tables with the living keys of the vault, so that a restart goes on with them.
//
// The order of control's life: vault_open, key_feed_new, vault_scope and key_feed_allow of every stream, then either
//
//	a dataplane without journal   key_ring_create, key_table_create_shared + key_feed_warm, key_feed_attach, hand over
//	a dataplane with its journal  key_ring_attach, key_table_attach, key_feed_attach
//	a dataplane that has died     key_feed_recover, key_table_recover of each table; the next one gets both

struct key_feed;

/** What control gave out to a dataplane: keys of other scopes are refused. */
struct key_feed_scope {
	uint64_t scope;                       // vault_scope of (stream, contract)
	uint32_t retention_days;              // from the key's making; 0: KEY_RETENTION_DAYS
	uint8_t policy_id[VAULT_POLICY_SIZE]; // zeros = no policy
};

struct key_feed_counts {
	uint64_t keys;     // committed since key_feed_new, dead-letter keys included
	uint64_t subjects; // further subjects of keys, likewise
	uint64_t holes;    // records that a dead dataplane left unwritten
	uint64_t commits;
	uint64_t waiting; // records in the ring
};

/** The sealing key of a UTC day's dead letters. Secret. */
struct key_feed_dead_letter {
	uint8_t link[KEY_LINK_SIZE];
	uint8_t key[KEY_SIZE]; // of purpose 0
};

/** Start the feeding thread. The vault stays the caller's, and nobody else commits to it. */
enum sl_status key_feed_new(
	struct vault *vault,
	struct key_feed **ret_feed,
	struct problem *ret_problem
);

/** Commit what is in the ring (unless the vault fails), end the thread, release; NULL is fine. The ring stays. */
void key_feed_free(struct key_feed *feed);

/** Accept keys of a scope from now on; again: with other rules. Outcomes  SL_OK; SL_E_INVALID; SL_E_NOMEM */
enum sl_status key_feed_allow(struct key_feed *feed, const struct key_feed_scope *scope);

/**
 * Take records from this ring from now on; NULL = from none. What another control had committed and not yet taken off
 * is recognised. A ring of before is left as it is. A new dataplane goes on with links above the vault's.
 *
 * Outcomes  SL_OK, also while the vault fails (key_feed_status); SL_E_CORRUPT: the ring holds what no sound dataplane
 *           writes, and is not attached
 */
enum sl_status key_feed_attach(
	struct key_feed *feed,
	struct key_ring *ring,
	struct problem *ret_problem
);

/**
 * The dataplane has died: what it left half written becomes empty, the rest goes to the vault, and the next dataplane
 * goes on after the last link. Returns when the ring is empty, or the failure of the vault (then try again later:
 * a new dataplane may have the ring all the same).
 */
enum sl_status key_feed_recover(struct key_feed *feed, struct problem *ret_problem);

/** Whether the ring holds what no sound dataplane writes: nothing more is taken from it. */
bool key_feed_has_refused(struct key_feed *feed);

/**
 * SL_OK, or why nothing becomes durable now. A full device or a failing disk is tried again every second; a record that
 * no sound dataplane writes (SL_E_CORRUPT) ends the taking from that ring for good.
 */
enum sl_status key_feed_status(struct key_feed *feed, struct problem *ret_problem);

struct key_feed_counts key_feed_counts(struct key_feed *feed);

/** The dead-letter key of a day, durable when given; the same that batch jobs use. Any thread. */
enum sl_status key_feed_dead_letter_key(
	struct key_feed *feed,
	int64_t day,
	struct key_feed_dead_letter *ret_key,
	struct problem *ret_problem
);

/** One stream's table to be warmed. */
struct key_warm {
	struct key_table *table; // NULL: only count. Its scope and purposes say what goes into it
	uint64_t scope;          // of table, or to be counted
	int64_t window_ms;       // keys older than this are left out; 0 = none
	uint64_t
		key_count; // out: living keys of the scope, of which the last of an owner counts in the table
};

/**
 * Fill tables with the living keys of the vault, or count them to size a table (twice the living keys is good advice).
 * One walk over the vault for all. While no dataplane writes to the tables. Beside a feed, any thread.
 *
 * @param now_ms  since 1970
 * @param is_over asked now and then: true ends the walk, and the tables are good for nothing; NULL = never
 *
 * Outcomes  SL_OK; SL_E_INTERRUPTED; SL_E_FORGED, SL_E_CORRUPT (a damaged vault); SL_E_IO; SL_E_NOMEM
 */
enum sl_status key_feed_warm(
	struct vault *vault,
	struct key_warm warms[],
	size_t count,
	int64_t now_ms,
	bool (*is_over)(void),
	struct problem *ret_problem
);
