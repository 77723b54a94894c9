#include "control/vault_inner.h"
#include "crypto/secret.h"

#include <string.h>

static enum sl_status read_record(
	struct vault *v,
	const uint8_t link[static KEY_LINK_SIZE],
	struct vault_record *ret_record
)
{
	MDB_val key = store_val(link, KEY_LINK_SIZE);
	MDB_val value;
	int code;
	MDB_txn *txn = store_read_begin(v, &code);

	if (txn == NULL)
		return store_status(code);
	code = mdb_get(txn, v->db[VAULT_KEYS], &key, &value);
	if (code == 0 && value.mv_size != sizeof(*ret_record))
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(ret_record, value.mv_data, sizeof(*ret_record));
	store_was_read(v, code == 0 ? value.mv_data : NULL);
	store_read_end(v);
	return store_status(code);
}

enum sl_status vault_find_name(
	struct vault *vault,
	const uint8_t name_hash[static VAULT_HASH_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
)
{
	MDB_val key = store_val(name_hash, VAULT_HASH_SIZE);
	MDB_val value;
	bool is_in_tail;
	int code;
	MDB_txn *txn;

	pthread_mutex_lock(&vault->tail_lock);
	is_in_tail = tail_find_name(&vault->tail, name_hash, ret_link);
	pthread_mutex_unlock(&vault->tail_lock);
	if (is_in_tail)
		return SL_OK;
	// After the tail, not before: what leaves the tail has reached the index.
	txn = store_read_begin(vault, &code);
	if (txn == NULL)
		return store_status(code);
	code = mdb_get(txn, vault->db[VAULT_NAMES], &key, &value);
	if (code == 0 && value.mv_size != KEY_LINK_SIZE)
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(ret_link, value.mv_data, KEY_LINK_SIZE);
	store_was_read(vault, code == 0 ? value.mv_data : NULL);
	store_read_end(vault);
	return store_status(code);
}

enum sl_status vault_read_key(
	struct vault *vault,
	struct engine *engine,
	const uint8_t link[static KEY_LINK_SIZE],
	struct vault_key *ret_key
)
{
	struct vault_record record;

	SL_TRY(read_record(vault, link, &record));
	return unwrap_key(vault, engine, link, &record, ret_key);
}

enum sl_status vault_find_key(
	struct vault *vault,
	const uint8_t link[static KEY_LINK_SIZE],
	const uint8_t purposes[],
	size_t purpose_count,
	uint8_t *ret_keys
)
{
	struct vault_record record;
	struct vault_key key;
	enum sl_status status;

	SL_TRY(read_record(vault, link, &record));
	pthread_mutex_lock(&vault->read_lock); // guards the engine
	status = unwrap_key(vault, vault->engine, link, &record, &key);
	if (status == SL_OK)
		engine_derive(vault->engine, key.dek, 1, purposes, purpose_count, ret_keys);
	pthread_mutex_unlock(&vault->read_lock);
	bytes_wipe(&key, sizeof(key));
	return status;
}

bool vault_last_link(struct vault *vault, uint8_t ret_link[static KEY_LINK_SIZE])
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int code;
	MDB_txn *txn = store_read_begin(vault, &code);

	if (txn == NULL)
		return false;
	code = mdb_cursor_open(txn, vault->db[VAULT_KEYS], &cursor);
	if (code == 0) {
		code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
		if (code == 0)
			memcpy(ret_link, key.mv_data, KEY_LINK_SIZE);
		mdb_cursor_close(cursor);
	}
	store_read_end(vault);
	return code == 0;
}

enum sl_status vault_subject_links(
	struct vault *vault,
	const uint8_t subject_hash[static VAULT_HASH_SIZE],
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
)
{
	const struct tail_list *tail = &vault->tail.subjects;
	MDB_val key = store_val(subject_hash, VAULT_HASH_SIZE);
	MDB_val value;
	MDB_cursor *cursor;
	enum sl_status status = SL_OK;
	int code;
	MDB_txn *txn;

	pthread_mutex_lock(&vault->tail_lock);
	for (size_t i = 0; i < tail->count && status == SL_OK; i++)
		if (memcmp(tail->items[i].hash, subject_hash, VAULT_HASH_SIZE) == 0)
			status = put(self, tail->items[i].link);
	pthread_mutex_unlock(&vault->tail_lock);
	SL_TRY(status);
	txn = store_read_begin(vault, &code);
	if (txn == NULL)
		return store_status(code);
	code = mdb_cursor_open(txn, vault->db[VAULT_SUBJECTS], &cursor);
	if (code == 0) {
		code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
		while (code == 0 && status == SL_OK && key.mv_size == sizeof(struct tail_entry)
		       && memcmp(key.mv_data, subject_hash, VAULT_HASH_SIZE) == 0) {
			status = put(self, (const uint8_t *)key.mv_data + VAULT_HASH_SIZE);
			code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
		}
		mdb_cursor_close(cursor);
	}
	store_read_end(vault);
	return code == 0 || code == MDB_NOTFOUND ? status : store_status(code);
}

uint64_t vault_key_count(struct vault *vault)
{
	MDB_stat stat = {0};
	int code;
	MDB_txn *txn = store_read_begin(vault, &code);

	if (txn == NULL)
		return 0;
	code = mdb_stat(txn, vault->db[VAULT_KEYS], &stat);
	store_read_end(vault);
	return code == 0 ? stat.ms_entries : 0;
}
