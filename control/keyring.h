#pragma once

#include "control/api/key_source.h"
#include "control/vault.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The embedded control of a batch job: where the pipeline's keys come from. It holds the key table
// of one group and contract, makes what is missing, and sees it into the vault.
//
// A vault serves one keyring at a time: links ascend by it.

enum {
	KEY_RETENTION_DAYS = 2556,     // "7 years", counted from 00:00:00Z of the window's day
	KEY_CACHE_SIZE = 170 << 20,    // bytes of the key table
	KEY_JOURNAL_DEFAULT = 16384,   // changes that wait for the vault
	KEY_RETENTION_DAYS_MAX = 73050 // 200 years
};

struct keyring_options {
	struct view group;       // the batch job group
	struct view contract;    // handle/name or handle/name/version: the version does not count
	const uint8_t *purposes; // [purpose_count] levels of the contract's fields, ascending
	size_t purpose_count;    // 0..CONTRACT_PURPOSES_MAX
	uint32_t retention_days; // 0: KEY_RETENTION_DAYS
	uint8_t policy_id[VAULT_POLICY_SIZE]; // zeros = no policy
	size_t key_cache_max;                 // keys in the table; 0: what KEY_CACHE_SIZE holds
	size_t journal_max;                   // changes that wait; 0: KEY_JOURNAL_DEFAULT
};

struct keyring;

/** A sealing key for events that could not be processed. Secret. */
struct keyring_dead_letter {
	uint8_t link[KEY_LINK_SIZE];
	uint8_t key[KEY_SIZE]; // of purpose 0
};

/** Outcomes  SL_OK; SL_E_INVALID; SL_E_TOO_BIG; SL_E_NOMEM; SL_E_NO_SPACE; SL_E_IO. purposes are copied. */
enum sl_status keyring_open(
	struct vault *vault,
	const struct keyring_options *options,
	struct keyring **ret_keyring,
	struct problem *ret_problem
);

/** Make everything durable and release; NULL is fine. SL_OK, or what the first failure met. */
enum sl_status keyring_close(struct keyring *keyring, struct problem *ret_problem);

/** For the pipeline: claims of any thread. Lives as long as the keyring. */
struct key_source keyring_source(struct keyring *keyring);

/** Position of the last change; durable when keyring_durable has reached it. */
uint64_t keyring_position(const struct keyring *keyring);

/** Changes at or below are durable. Any thread, no lock. */
uint64_t keyring_durable(const struct keyring *keyring);

/** Return when a position is durable. SL_OK, or the failure of the vault. */
enum sl_status keyring_wait_durable(struct keyring *keyring, uint64_t position);

/** SL_OK, or why keys are not given any more (then every claim says so). */
enum sl_status keyring_status(struct keyring *keyring, struct problem *ret_problem);

/** The key for dead letters of a UTC day, durable when given; one for the whole vault. Any thread. */
enum sl_status keyring_dead_letter_key(
	struct keyring *keyring,
	int64_t day,
	struct keyring_dead_letter *ret_key,
	struct problem *ret_problem
);

/** A key that was made for the pipeline and is durable now. Secret. */
typedef void keyring_made_fn(void *self, const struct vault_key *key);

/**
 * Pass on every key made for the pipeline as it becomes durable, in ascending order of links, before
 * keyring_durable tells; called by a thread of the keyring. What is passed on is not among
 * keyring_used_links. NULL ends it, and returns when no call is under way.
 *
 * Context  before the first claim; NULL at any time
 */
void keyring_watch_made(struct keyring *keyring, keyring_made_fn *made, void *self);

/**
 * Every key link that was created or reused for the pipeline and not passed on, once, ascending. Not
 * beside claims.
 */
enum sl_status keyring_used_links(
	struct keyring *keyring,
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
);

/** Keys made by this keyring, dead-letter keys left out. */
uint64_t keyring_created_count(struct keyring *keyring);
