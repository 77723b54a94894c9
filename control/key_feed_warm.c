#include "control/api/key_source.h"
#include "control/key_feed.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>

/** Working memory of a walk. Secret. */
struct warm_work {
	struct vault_key key[VAULT_SCAN_MAX];
	uint8_t dek[VAULT_SCAN_MAX][KEY_SIZE];
	uint8_t hash[VAULT_SCAN_MAX][KEY_HASH_SIZE];
	uint8_t derived[VAULT_SCAN_MAX * (1 + CONTRACT_PURPOSES_MAX) * KEY_SIZE];
	struct key_entry entry;
};

struct walk {
	struct vault *vault;
	struct engine *engine; // NULL: only count
	struct key_warm *warms;
	size_t warm_count;
	uint64_t *scopes; // [warm_count]
	int64_t now_ms;
	bool (*is_over)(void); // NULL = never
	struct warm_work *work;
};

static bool has_subject(const struct vault_key *key)
{
	static const uint8_t none[VAULT_HASH_SIZE];

	return memcmp(key->subject_hash, none, sizeof(none)) != 0;
}

/** Derive what a table holds, in one burst, and put it there. */
static enum sl_status fill_table(
	struct walk *w,
	struct key_table *table,
	const struct vault_key *const keys[],
	size_t count
)
{
	const struct key_table_use use = key_table_use(table);
	struct key_entry *entry = &w->work->entry;
	size_t keys_size = (1 + (size_t)use.purpose_count) * KEY_SIZE;

	if (count == 0)
		return SL_OK;
	for (size_t i = 0; i < count; i++) {
		memcpy(w->work->dek[i], keys[i]->dek, KEY_SIZE);
		memcpy(w->work->hash[i], keys[i]->name_hash, KEY_HASH_SIZE);
	}
	key_table_prefetch(table, w->work->hash, count);
	engine_derive(
		w->engine, w->work->dek[0], count, use.purposes, use.purpose_count, w->work->derived
	);
	for (size_t i = 0; i < count; i++) {
		memcpy(entry->link, keys[i]->link, KEY_LINK_SIZE);
		entry->position = 0;
		entry->subject = has_subject(keys[i]) ? key_subject_of(keys[i]->subject_hash) : 0;
		memcpy(entry->key, w->work->derived + i * keys_size, keys_size);
		SL_TRY(key_table_insert(table, keys[i]->name_hash, entry, 0));
	}
	return SL_OK;
}

/** The keys of one step that belong to one stream and live. */
static enum sl_status serve(struct walk *w, struct key_warm *warm, size_t count)
{
	const struct vault_key *mine[VAULT_SCAN_MAX];
	size_t mine_count = 0;

	for (size_t i = 0; i < count; i++) {
		const struct vault_key *key = &w->work->key[i];

		if (key->scope == warm->scope && key->expires_ms > w->now_ms
		    && !key_is_aged(key->link, warm->window_ms, w->now_ms))
			mine[mine_count++] = key;
	}
	warm->key_count += mine_count;
	return warm->table == NULL ? SL_OK : fill_table(w, warm->table, mine, mine_count);
}

/** The first link of the oldest window. */
static void first_link(const struct walk *w, uint8_t ret_link[static KEY_LINK_SIZE])
{
	int64_t first_ms = w->now_ms;

	memset(ret_link, 0, KEY_LINK_SIZE);
	for (size_t i = 0; i < w->warm_count; i++) {
		int64_t window_ms = w->warms[i].window_ms;

		if (window_ms == 0 || window_ms >= w->now_ms)
			return;
		if (w->now_ms - window_ms < first_ms)
			first_ms = w->now_ms - window_ms;
	}
	for (int i = 0; i < 6; i++)
		ret_link[i] = (uint8_t)(first_ms >> (40 - 8 * i));
}

static enum sl_status walk(struct walk *w, struct problem *ret_problem)
{
	struct vault_scan scan = {.scopes = w->scopes, .scope_count = w->warm_count};
	enum sl_status status = SL_OK;

	first_link(w, scan.from);
	while (status == SL_OK && !scan.is_over) {
		size_t count = 0;

		if (w->is_over != NULL && w->is_over())
			return problem_set(
				ret_problem,
				SL_E_INTERRUPTED,
				"the reading of the living keys was stopped by a signal"
			);
		status = vault_scan_next(w->vault, w->engine, &scan, w->work->key, &count);
		for (size_t i = 0; i < w->warm_count && status == SL_OK; i++)
			status = serve(w, &w->warms[i], count);
	}
	if (status == SL_OK)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		status,
		"the living keys can not be read from the vault: %s",
		status_text(status)
	);
	problem_at_file(ret_problem, vault_dir(w->vault));
	return status;
}

enum sl_status key_feed_warm(
	struct vault *vault,
	struct key_warm warms[],
	size_t count,
	int64_t now_ms,
	bool (*is_over)(void),
	struct problem *ret_problem
)
{
	const struct engine_options auto_options = {0};
	struct walk w = {
		.vault = vault,
		.warms = warms,
		.warm_count = count,
		.now_ms = now_ms,
		.is_over = is_over,
		.scopes = calloc(count + 1, sizeof(uint64_t)),
		.work = secret_new(sizeof(*w.work)),
	};
	enum sl_status status = SL_OK;
	bool is_filling = false;

	for (size_t i = 0; i < count && w.scopes != NULL; i++) {
		if (warms[i].table != NULL)
			warms[i].scope = key_table_use(warms[i].table).scope;
		is_filling = is_filling || warms[i].table != NULL;
		warms[i].key_count = 0;
		w.scopes[i] = warms[i].scope;
	}
	if (w.scopes == NULL || w.work == NULL)
		status = problem_set(ret_problem, SL_E_NOMEM, "no memory for reading keys");
	if (status == SL_OK && is_filling)
		status = engine_new(&auto_options, &w.engine, ret_problem);
	if (status == SL_OK)
		status = walk(&w, ret_problem);
	engine_free(w.engine);
	secret_free(w.work, sizeof(*w.work));
	free(w.scopes);
	return status;
}
