#include "control/keyring.h"

#include "control/contract.h"
#include "control/key_dead.h"
#include "control/keyring_inner.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
	USED_LINKS_MAX = 256 << 10 // links in memory: 4 MiB
};

static enum sl_status check_options(
	const struct keyring_options *options,
	struct problem *ret_problem
)
{
	if (options->purpose_count > CONTRACT_PURPOSES_MAX
	    || options->retention_days > KEY_RETENTION_DAYS_MAX)
		return problem_set(
			ret_problem,
			SL_E_INVALID,
			"keys may serve %d purposes for %d days",
			CONTRACT_PURPOSES_MAX,
			KEY_RETENTION_DAYS_MAX
		);
	return SL_OK;
}

static enum sl_status open_scopes(
	struct keyring *k,
	const struct keyring_options *options,
	struct problem *ret_problem
)
{
	bool is_new;

	SL_TRY(vault_scope(
		k->vault,
		options->group,
		contract_name_of(options->contract),
		&k->scope,
		&is_new,
		ret_problem
	));
	k->has_history = !is_new;
	return key_dead_scope(k->vault, &k->dead_scope, ret_problem);
}

static enum sl_status open_all(
	struct keyring *k,
	const struct keyring_options *options,
	struct problem *ret_problem
)
{
	const struct engine_options auto_options = {0};
	size_t cache_max = options->key_cache_max != 0
		? options->key_cache_max
		: key_table_entries_in(KEY_CACHE_SIZE, (uint32_t)options->purpose_count);
	size_t journal_max = options->journal_max != 0 ? options->journal_max : KEY_JOURNAL_DEFAULT;

	SL_TRY(check_options(options, ret_problem));
	memcpy(k->policy_id, options->policy_id, sizeof(k->policy_id));
	k->purpose_count = options->purpose_count;
	if (k->purpose_count != 0)
		memcpy(k->purposes, options->purposes, k->purpose_count);
	k->retention_days =
		options->retention_days != 0 ? options->retention_days : KEY_RETENTION_DAYS;
	k->work = secret_new(sizeof(*k->work));
	k->pairs = key_pairs_new();
	if (k->work == NULL || k->pairs == NULL
	    || used_links_init(&k->used, vault_dir(k->vault), USED_LINKS_MAX) != SL_OK
	    || key_table_new(cache_max, (uint32_t)k->purpose_count, &k->table) != SL_OK)
		return problem_set(
			ret_problem, SL_E_NOMEM, "no memory for a table of %zu keys", cache_max
		);
	SL_TRY(engine_new(&auto_options, &k->engine, ret_problem));
	SL_TRY(open_scopes(k, options, ret_problem));
	key_link_init(&k->maker, vault_last_link(k->vault, k->last_old) ? k->last_old : NULL);
	return key_journal_new(k->vault, journal_max, &k->journal, ret_problem);
}

static void release(struct keyring *k)
{
	key_table_free(k->table);
	engine_free(k->engine);
	secret_free(k->work, sizeof(*k->work));
	used_links_done(&k->used);
	pthread_mutex_destroy(&k->lock);
	key_pairs_free(k->pairs);
	free(k);
}

enum sl_status keyring_open(
	struct vault *vault,
	const struct keyring_options *options,
	struct keyring **ret_keyring,
	struct problem *ret_problem
)
{
	struct keyring *k = calloc(1, sizeof(*k));
	enum sl_status status;

	if (k == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the keyring");
	k->vault = vault;
	k->used.fd = -1;
	pthread_mutex_init(&k->lock, NULL);
	status = open_all(k, options, ret_problem);
	if (status != SL_OK) {
		release(k);
		return status;
	}
	*ret_keyring = k;
	return SL_OK;
}

enum sl_status keyring_close(struct keyring *keyring, struct problem *ret_problem)
{
	enum sl_status status;

	if (keyring == NULL)
		return SL_OK;
	status = key_journal_free(keyring->journal, ret_problem);
	if (status == SL_OK && keyring->status != SL_OK) {
		status = keyring->status;
		*ret_problem = keyring->problem;
	}
	release(keyring);
	return status;
}

struct key_source keyring_source(struct keyring *keyring)
{
	return (struct key_source){
		.claim = keyring_claim,
		.self = keyring,
		.table = keyring->table,
		.hash_key = vault_hash_key(keyring->vault),
		.scope = keyring->scope,
	};
}

uint64_t keyring_position(const struct keyring *keyring)
{
	return key_journal_position(keyring->journal);
}

uint64_t keyring_durable(const struct keyring *keyring)
{
	return key_journal_durable(keyring->journal);
}

enum sl_status keyring_wait_durable(struct keyring *keyring, uint64_t position)
{
	return key_journal_wait(keyring->journal, position);
}

enum sl_status keyring_status(struct keyring *keyring, struct problem *ret_problem)
{
	enum sl_status status = key_journal_status(keyring->journal, ret_problem);

	if (status != SL_OK)
		return status;
	pthread_mutex_lock(&keyring->lock);
	status = keyring->status;
	if (status != SL_OK)
		*ret_problem = keyring->problem;
	pthread_mutex_unlock(&keyring->lock);
	return status;
}

/** The day's key in work->change, made and durable when it was not there. */
static enum sl_status find_or_make_dead(struct keyring *k, int64_t day)
{
	static const uint8_t no_subject[VAULT_HASH_SIZE];
	struct vault_key *key = &k->work->change;
	uint8_t name[VAULT_HASH_SIZE];
	uint8_t *dek = k->work->dek[0];
	enum sl_status status = key_dead_find(k->vault, k->engine, k->dead_scope, day, key);
	uint64_t position;

	if (status != SL_E_NOT_FOUND)
		return status;
	memcpy(name, key->name_hash, sizeof(name));
	engine_random(k->engine, dek, KEY_SIZE);
	position = keyring_make(k, k->dead_scope, day, name, no_subject, dek);
	if (position == 0)
		return SL_E_IO;
	return key_journal_wait(k->journal, position);
}

enum sl_status keyring_dead_letter_key(
	struct keyring *keyring,
	int64_t day,
	struct keyring_dead_letter *ret_key,
	struct problem *ret_problem
)
{
	struct keyring_work *w = keyring->work;
	enum sl_status status;

	pthread_mutex_lock(&keyring->lock);
	keyring->now_ms = clock_wall_ms();
	status = find_or_make_dead(keyring, day);
	if (status == SL_OK) {
		key_dead_derive(keyring->engine, w->change.dek, ret_key->key);
		memcpy(ret_key->link, w->change.link, KEY_LINK_SIZE);
	}
	bytes_wipe(w, sizeof(*w));
	pthread_mutex_unlock(&keyring->lock);
	if (status == SL_OK || key_journal_status(keyring->journal, ret_problem) != SL_OK)
		return status;
	return problem_set(
		ret_problem,
		status,
		"the day's dead-letter key can not be had: %s",
		status_text(status)
	);
}

static void pass_on(void *self, const struct vault_key changes[], size_t count)
{
	struct keyring *k = self;

	for (size_t i = 0; i < count; i++)
		if (!changes[i].is_link_only && changes[i].scope == k->scope)
			k->made(k->made_self, &changes[i]);
}

void keyring_watch_made(struct keyring *keyring, keyring_made_fn *made, void *self)
{
	if (made == NULL) {
		key_journal_watch(keyring->journal, NULL, NULL);
		return;
	}
	keyring->made = made;
	keyring->made_self = self;
	keyring->is_made_watched = true;
	key_journal_watch(keyring->journal, pass_on, keyring);
}

enum sl_status keyring_used_links(
	struct keyring *keyring,
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
)
{
	return used_links_each(&keyring->used, put, self);
}

uint64_t keyring_created_count(struct keyring *keyring)
{
	uint64_t count;

	pthread_mutex_lock(&keyring->lock);
	count = keyring->created_count;
	pthread_mutex_unlock(&keyring->lock);
	return count;
}
