#pragma once

#include "control/api/key_link.h"
#include "control/key_feed.h"

#include <pthread.h>
#include <stdatomic.h>

// What key_feed.c (the thread and its callers) and key_feed_take.c (from ring to vault) share.

enum {
	FEED_GROUP = 4096 // records of one commit
};

/** Working memory, secret. */
struct feed_work {
	struct key_record record[FEED_GROUP];
	struct vault_key change[FEED_GROUP];
};

struct key_feed {
	struct vault *vault;
	uint64_t dead_scope;
	pthread_t thread;
	bool is_started;

	/** Guards the vault's committing, the ring's consuming, and these: held while a group is committed. */
	pthread_mutex_t work_lock;
	struct engine *engine;
	struct feed_work *work;
	uint8_t last[KEY_LINK_SIZE]; // the vault's last link; zeros = none
	int64_t seen_ms;             // the latest time that the wall clock ever showed
	bool is_refusing;            // the ring holds what can not be taken

	/** Guards these. Taken after work_lock. */
	pthread_mutex_t lock;
	pthread_cond_t news;   // for the thread: a ring, or the end
	struct key_ring *ring; // changes under both locks
	struct key_feed_scope *scopes;
	size_t scope_count;
	struct key_feed_counts counts;
	enum sl_status status;
	struct problem problem;

	atomic_bool is_closing;
	atomic_uint visitors; // callers that wait for work_lock
};

/**
 * Take the next group from the ring into the vault. The caller holds work_lock.
 *
 * @param ret_count records taken off the ring; 0 = none there
 */
enum sl_status feed_take(struct key_feed *feed, size_t *ret_count);

/** Commit one key of control's own, with a link after the vault's last. The caller holds work_lock. */
enum sl_status feed_commit_own(
	struct key_feed *feed,
	struct vault_key *key,
	struct problem *ret_problem
);

/** The latest time that a record may sensibly be of, ms since 1970. The caller holds work_lock. */
int64_t feed_latest_ms(struct key_feed *feed);

/** Read the vault's last link again. The caller holds work_lock. */
void feed_find_last(struct key_feed *feed);
