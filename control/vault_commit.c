#include "control/vault_inner.h"

#include <string.h>

struct commit {
	const struct vault_key *changes;
	size_t count;
};

static void write_be64(uint64_t value, uint8_t ret_bytes[static 8])
{
	for (int i = 0; i < 8; i++)
		ret_bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static int put_pair(MDB_cursor *pairs, uint64_t sequence, const struct vault_key *change)
{
	uint8_t id[8] = {0};
	uint8_t pair[VAULT_HASH_SIZE + KEY_LINK_SIZE];
	MDB_val key = store_val(id, sizeof(id));
	MDB_val value = store_val(pair, sizeof(pair));

	write_be64(sequence, id);
	memcpy(pair, change->subject_hash, VAULT_HASH_SIZE);
	memcpy(pair + VAULT_HASH_SIZE, change->link, KEY_LINK_SIZE);
	return mdb_cursor_put(pairs, &key, &value, MDB_APPEND);
}

static int put_changes(struct vault *v, MDB_txn *txn, void *work)
{
	const struct commit *c = work;
	const struct vault_record *record = v->records;
	uint64_t sequence = v->pair_last;
	MDB_cursor *keys;
	MDB_cursor *pairs;
	int code = mdb_cursor_open(txn, v->db[VAULT_KEYS], &keys);

	if (code == 0)
		code = mdb_cursor_open(txn, v->db[VAULT_PAIRS], &pairs);
	for (size_t i = 0; i < c->count && code == 0; i++) {
		const struct vault_key *change = &c->changes[i];
		MDB_val key = store_val(change->link, KEY_LINK_SIZE);
		MDB_val value = store_val(record, sizeof(*record));

		if (change->is_link_only) {
			code = put_pair(pairs, ++sequence, change);
			continue;
		}
		code = mdb_cursor_put(keys, &key, &value, MDB_APPEND);
		record++;
	}
	return code;
}

static bool has_subject(const struct vault_key *change)
{
	static const uint8_t none[VAULT_HASH_SIZE];

	return memcmp(change->subject_hash, none, sizeof(none)) != 0;
}

/** What is durable now can be found: before anybody is told that it is durable. */
static void add_to_tail(struct vault *v, const struct vault_key changes[], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct vault_key *change = &changes[i];

		if (change->is_link_only) {
			v->tail.last_pair = ++v->pair_last;
		} else {
			tail_add_name(&v->tail, change->name_hash, change->link);
			memcpy(v->tail.last_link, change->link, KEY_LINK_SIZE);
		}
		if (has_subject(change))
			tail_add_subject(&v->tail, change->subject_hash, change->link);
	}
}

enum sl_status vault_commit(
	struct vault *vault,
	struct engine *engine,
	const struct vault_key changes[],
	size_t count,
	struct problem *ret_problem
)
{
	struct commit c = {.changes = changes, .count = count};
	struct vault_record *record = vault->records;
	enum sl_status status;
	bool is_due;
	int code;

	for (size_t i = 0; i < count; i++)
		if (!changes[i].is_link_only)
			wrap_key(vault, engine, &changes[i], record++);
	pthread_mutex_lock(&vault->tail_lock);
	status = tail_reserve(&vault->tail, count);
	pthread_mutex_unlock(&vault->tail_lock);
	if (status != SL_OK)
		return problem_set(ret_problem, status, "no memory for the vault's index");
	code = store_write(vault, put_changes, &c);
	if (code != 0)
		return store_problem(
			ret_problem, vault, code, "keys can not be written to the vault"
		);
	pthread_mutex_lock(&vault->tail_lock);
	add_to_tail(vault, changes, count);
	is_due = vault->tail.names.count + vault->tail.subjects.count >= VAULT_INDEX_BATCH;
	pthread_mutex_unlock(&vault->tail_lock);
	return is_due ? vault_index(vault, ret_problem) : SL_OK;
}
