#pragma once

#include "control/api/key_link.h"
#include "control/api/key_pairs.h"
#include "control/key_journal.h"
#include "control/keyring.h"
#include "control/used_links.h"

#include <pthread.h>

enum {
	KEYRING_CHUNK = 64, // wants that are served at once
	KEYRING_KEYS_MAX = 1 + CONTRACT_PURPOSES_MAX
};

/** Working memory of a claim. Secret. */
struct keyring_work {
	uint8_t dek[KEYRING_CHUNK][KEY_SIZE];
	uint8_t keys[KEYRING_CHUNK * KEYRING_KEYS_MAX * KEY_SIZE]; // derived
	uint8_t hashes[KEYRING_CHUNK][KEY_HASH_SIZE];
	struct vault_key change;
};

/** Guarded by lock, but what never changes after keyring_open. */
struct keyring {
	struct vault *vault;
	struct key_journal *journal;
	struct key_table *table;
	uint64_t scope;
	uint64_t dead_scope;
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	size_t purpose_count;
	uint32_t retention_days;
	uint8_t policy_id[VAULT_POLICY_SIZE];

	pthread_mutex_t lock;
	struct engine *engine;
	struct keyring_work *work;
	struct key_link_maker maker;
	struct used_links used;
	keyring_made_fn *made; // for the committing thread; set while nothing is claimed
	void *made_self;
	bool is_made_watched;            // used_links holds none of the keys made from then on
	uint8_t last_old[KEY_LINK_SIZE]; // links above are of keys that this keyring made
	struct key_pairs *pairs;
	uint64_t created_count;
	int64_t now_ms;   // of the claim at hand
	bool has_history; // keys of this scope may be in the vault and not in the table
	enum sl_status status;
	struct problem problem;
};

/** struct key_source's claim. */
void keyring_claim(void *self, struct key_want wants[], size_t count);

/** A new key's link and record in work->change, and its place in the journal (0 = the vault has failed). */
uint64_t keyring_make(
	struct keyring *k,
	uint64_t scope,
	int64_t day,
	const uint8_t name_hash[static VAULT_HASH_SIZE],
	const uint8_t subject_hash[static VAULT_HASH_SIZE],
	const uint8_t dek[static KEY_SIZE]
);

/** Remember the first failure. */
void keyring_fail(struct keyring *k, enum sl_status status, const char *what);
