#include "control/keyring_inner.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <string.h>

static const int64_t MS_PER_DAY = 86400000;

void keyring_fail(struct keyring *k, enum sl_status status, const char *what)
{
	if (k->status != SL_OK)
		return;
	k->status = problem_set(&k->problem, status, "%s: %s", what, status_text(status));
	problem_at_file(&k->problem, vault_dir(k->vault));
}

uint64_t keyring_make(
	struct keyring *k,
	uint64_t scope,
	int64_t day,
	const uint8_t name_hash[static VAULT_HASH_SIZE],
	const uint8_t subject_hash[static VAULT_HASH_SIZE],
	const uint8_t dek[static KEY_SIZE]
)
{
	struct vault_key *change = &k->work->change;
	uint8_t random[KEY_LINK_RANDOM_SIZE];

	*change = (struct vault_key){
		.scope = scope,
		.day = day,
		.created_ms = k->now_ms,
		.expires_ms = (day + k->retention_days) * MS_PER_DAY,
	};
	memcpy(change->policy_id, k->policy_id, sizeof(change->policy_id));
	memcpy(change->name_hash, name_hash, sizeof(change->name_hash));
	memcpy(change->subject_hash, subject_hash, sizeof(change->subject_hash));
	memcpy(change->dek, dek, sizeof(change->dek));
	engine_random(k->engine, random, sizeof(random));
	key_link_next(&k->maker, k->now_ms, random, change->link);
	return key_journal_put(k->journal, change);
}

/** One more subject of a key, unless it was the last or is remembered. @return false when the vault has failed */
static bool register_subject(struct keyring *k, struct key_want *want)
{
	struct key_entry *entry = want->entry;
	struct vault_key change = {.is_link_only = true};
	uint64_t position;

	if (want->subject == 0 || (entry->subject == want->subject && !want->is_link_only))
		return true;
	position = key_pairs_find(k->pairs, entry->link, want->subject);
	if (position == 0) {
		memcpy(change.link, entry->link, sizeof(change.link));
		memcpy(change.subject_hash, want->subject_hash, sizeof(change.subject_hash));
		position = key_journal_put(k->journal, &change);
		if (position == 0)
			return false;
		key_pairs_put(k->pairs, entry->link, want->subject, position);
	}
	key_table_set_subject(k->table, want->hash, want->subject, position);
	entry->subject = want->subject;
	if (entry->position < position)
		entry->position = position;
	return true;
}

/** Into the table; when nothing there may give way, as soon as what waits for the vault is durable. */
static bool insert(struct keyring *k, const struct key_want *want)
{
	enum sl_status status = key_table_insert(
		k->table, want->hash, want->entry, key_journal_durable(k->journal)
	);

	if (status == SL_OK)
		return true;
	if (key_journal_wait(k->journal, key_journal_position(k->journal)) != SL_OK)
		return false;
	status = key_table_insert(
		k->table, want->hash, want->entry, key_journal_durable(k->journal)
	);
	// Not in the table and durable: the vault will be asked the next time.
	k->has_history = k->has_history || status != SL_OK;
	return true;
}

static void fill_entry(
	const struct keyring *k,
	struct key_entry *entry,
	const uint8_t *link,
	const uint8_t *keys
)
{
	memcpy(entry->link, link, KEY_LINK_SIZE);
	memcpy(entry->key, keys, (1 + k->purpose_count) * KEY_SIZE);
}

/** Keep the link for keyring_used_links, but for what is passed on when it is durable. */
static enum sl_status note_use(struct keyring *k, const uint8_t link[static KEY_LINK_SIZE])
{
	if (k->is_made_watched && memcmp(link, k->last_old, KEY_LINK_SIZE) > 0)
		return SL_OK;
	return used_links_add(&k->used, link);
}

/** A key from before, or one that gave way. Outcomes  SL_OK; SL_E_NOT_FOUND; or the vault's failure */
static enum sl_status load(struct keyring *k, struct key_want *want)
{
	uint8_t link[KEY_LINK_SIZE];
	struct vault_key *key = &k->work->change;
	struct key_entry *entry = want->entry;

	SL_TRY(vault_find_name(k->vault, want->hash, link));
	SL_TRY(vault_read_key(k->vault, k->engine, link, key));
	engine_derive(k->engine, key->dek, 1, k->purposes, k->purpose_count, k->work->keys);
	fill_entry(k, entry, link, k->work->keys);
	entry->position = 0;
	entry->subject = want->subject;
	if (memcmp(key->subject_hash, want->subject_hash, VAULT_HASH_SIZE) != 0)
		entry->subject = 0;
	SL_TRY(note_use(k, link));
	if (!insert(k, want))
		return SL_E_IO;
	return SL_OK;
}

static void make_new(struct keyring *k, struct key_want *const news[], size_t count)
{
	struct keyring_work *w = k->work;
	size_t keys_size = (1 + k->purpose_count) * KEY_SIZE;

	engine_random(k->engine, w->dek, count * KEY_SIZE);
	engine_derive(k->engine, w->dek[0], count, k->purposes, k->purpose_count, w->keys);
	for (size_t i = 0; i < count; i++) {
		struct key_want *want = news[i];
		struct key_entry *entry = want->entry;
		enum sl_status status;

		entry->position = keyring_make(
			k, k->scope, want->day, want->hash, want->subject_hash, w->dek[i]
		);
		if (entry->position == 0)
			return;
		fill_entry(k, entry, w->change.link, w->keys + i * keys_size);
		entry->subject = want->subject;
		status = note_use(k, entry->link);
		if (status != SL_OK) {
			keyring_fail(k, status, "the list of used keys can not be kept");
			return;
		}
		if (want->subject != 0)
			key_pairs_put(k->pairs, entry->link, want->subject, entry->position);
		k->created_count++;
		want->is_given = insert(k, want);
	}
}

static bool is_among(const struct key_want *want, struct key_want *const others[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (memcmp(want->hash, others[i]->hash, KEY_HASH_SIZE) == 0)
			return true;
	return false;
}

/** From the vault. false: it exists nowhere, or the vault has failed. */
static bool find_old(struct keyring *k, struct key_want *want)
{
	enum sl_status status;

	if (!k->has_history && !key_table_has_evicted(k->table))
		return false;
	status = load(k, want);
	if (status != SL_OK && status != SL_E_NOT_FOUND)
		keyring_fail(k, status, "a key can not be read from the vault");
	return status == SL_OK;
}

/** Which of the wants have their key at hand now: another thread may have claimed it meanwhile. */
static void find_all(struct keyring *k, struct key_want wants[], size_t count, bool ret_found[])
{
	struct key_entry *entries[KEYRING_CHUNK];
	uint8_t number[KEYRING_CHUNK];
	bool found[KEYRING_CHUNK];
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		// A row that only brings a subject has its key at hand, even when the table has lost it since.
		ret_found[i] = wants[i].is_link_only;
		if (wants[i].is_link_only)
			continue;
		memcpy(k->work->hashes[asked], wants[i].hash, KEY_HASH_SIZE);
		entries[asked] = wants[i].entry;
		number[asked++] = (uint8_t)i;
	}
	key_table_find_burst(k->table, k->work->hashes, asked, entries, found);
	for (size_t i = 0; i < asked; i++)
		ret_found[number[i]] = found[i];
}

static void claim_chunk(struct keyring *k, struct key_want wants[], size_t count)
{
	struct key_want *news[KEYRING_CHUNK];
	struct key_want *again[KEYRING_CHUNK]; // the same key twice in one chunk
	bool found[KEYRING_CHUNK];
	size_t new_count = 0;
	size_t again_count = 0;

	find_all(k, wants, count, found);
	for (size_t i = 0; i < count && k->status == SL_OK; i++) {
		struct key_want *want = &wants[i];

		if (found[i])
			want->is_given = register_subject(k, want);
		else if (is_among(want, news, new_count))
			again[again_count++] = want;
		else if (find_old(k, want))
			want->is_given = register_subject(k, want);
		else
			news[new_count++] = want;
	}
	if (k->status != SL_OK)
		return;
	if (new_count != 0)
		make_new(k, news, new_count);
	for (size_t i = 0; i < again_count; i++) {
		find_all(k, again[i], 1, found);
		again[i]->is_given =
			(found[0] || find_old(k, again[i])) && register_subject(k, again[i]);
	}
}

void keyring_claim(void *self, struct key_want wants[], size_t count)
{
	struct keyring *k = self;

	pthread_mutex_lock(&k->lock);
	k->now_ms = clock_wall_ms();
	for (size_t i = 0; i < count; i++)
		wants[i].is_given = false;
	for (size_t first = 0; first < count; first += KEYRING_CHUNK) {
		size_t left = count - first;

		claim_chunk(k, wants + first, left < KEYRING_CHUNK ? left : KEYRING_CHUNK);
	}
	bytes_wipe(k->work, sizeof(*k->work));
	pthread_mutex_unlock(&k->lock);
}
