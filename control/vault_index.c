#include "control/vault_inner.h"

#include <stdlib.h>
#include <string.h>

// The random indexes: written sorted, in big batches, behind the keys. The mark in meta says how
// far they are; it moves in the last transaction of a batch, and what stands behind it is written
// again after a crash, which changes nothing.

enum {
	TXN_ENTRIES = 8192 // entries of one transaction: bounds its dirty pages
};

static const char MARK_NAME[] = "indexed";

/** As it lies in the file. */
struct index_mark {
	uint8_t link[KEY_LINK_SIZE]; // the last key that is indexed
	uint64_t pair;               // the last pair that is indexed
};

struct index_part {
	enum vault_db db;
	const struct tail_entry *items;
	size_t count;
	const struct index_mark *mark; // NULL: not the last part
};

static int put_entries(MDB_txn *txn, MDB_dbi db, const struct index_part *part, bool is_subjects)
{
	MDB_cursor *cursor;
	int code = mdb_cursor_open(txn, db, &cursor);

	for (size_t i = 0; i < part->count && code == 0; i++) {
		const struct tail_entry *e = &part->items[i];
		MDB_val key = store_val(e, is_subjects ? sizeof(*e) : sizeof(e->hash));
		MDB_val value = store_val(e->link, is_subjects ? 0 : sizeof(e->link));

		code = mdb_cursor_put(cursor, &key, &value, MDB_NOOVERWRITE);
		if (code == MDB_KEYEXIST)
			code = 0;
	}
	return code;
}

static int put_part(struct vault *v, MDB_txn *txn, void *work)
{
	const struct index_part *part = work;
	MDB_val key = store_val(MARK_NAME, sizeof(MARK_NAME) - 1);
	MDB_val value = store_val(part->mark, sizeof(*part->mark));
	int code = put_entries(txn, v->db[part->db], part, part->db == VAULT_SUBJECTS);

	if (code == 0 && part->mark != NULL)
		code = mdb_put(txn, v->db[VAULT_META], &key, &value, 0);
	return code;
}

static int put_list(
	struct vault *v,
	enum vault_db db,
	const struct tail_list *list,
	const struct index_mark *mark
)
{
	size_t first = 0;
	int code;

	do {
		size_t left = list->count - first;
		struct index_part part = {
			.db = db,
			.items = list->items + first,
			.count = left < TXN_ENTRIES ? left : TXN_ENTRIES,
			.mark = left <= TXN_ENTRIES ? mark : NULL,
		};

		code = store_write(v, put_part, &part);
		first += part.count;
	} while (code == 0 && first < list->count);
	return code;
}

/** Look-ups go on in the tail meanwhile. Only this thread changes it, so it is read without the lock. */
static enum sl_status put_sorted(
	struct vault *v,
	enum vault_db db,
	const struct tail_list *list,
	const struct index_mark *mark,
	struct problem *ret_problem
)
{
	struct tail_list sorted;
	int code;

	if (tail_copy_sorted(list, &sorted) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the vault's index");
	code = put_list(v, db, &sorted, mark);
	free(sorted.items);
	return code == 0
		? SL_OK
		: store_problem(ret_problem, v, code, "the vault's index can not be written");
}

enum sl_status vault_index(struct vault *vault, struct problem *ret_problem)
{
	struct vault_tail *tail = &vault->tail;
	struct index_mark mark = {.pair = tail->last_pair};

	if (tail->names.count + tail->subjects.count == 0)
		return SL_OK;
	memcpy(mark.link, tail->last_link, sizeof(mark.link));
	SL_TRY(put_sorted(vault, VAULT_NAMES, &tail->names, NULL, ret_problem));
	SL_TRY(put_sorted(vault, VAULT_SUBJECTS, &tail->subjects, &mark, ret_problem));
	pthread_mutex_lock(&vault->tail_lock);
	tail_reset(tail);
	pthread_mutex_unlock(&vault->tail_lock);
	return SL_OK;
}

static uint64_t read_be64(const uint8_t *bytes)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value = value << 8 | bytes[i];
	return value;
}

static int load_key(struct vault *v, const MDB_val *key, const MDB_val *value)
{
	static const uint8_t none[VAULT_HASH_SIZE];
	struct vault_record record;

	if (key->mv_size != KEY_LINK_SIZE || value->mv_size != sizeof(record))
		return MDB_CORRUPTED;
	memcpy(&record, value->mv_data, sizeof(record));
	if (tail_reserve(&v->tail, 1) != SL_OK)
		return ENOMEM;
	tail_add_name(&v->tail, record.name_hash, key->mv_data);
	if (memcmp(record.subject_hash, none, sizeof(none)) != 0)
		tail_add_subject(&v->tail, record.subject_hash, key->mv_data);
	memcpy(v->tail.last_link, key->mv_data, KEY_LINK_SIZE);
	return 0;
}

static int load_pair(struct vault *v, const MDB_val *key, const MDB_val *value)
{
	const uint8_t *pair = value->mv_data;

	if (key->mv_size != 8 || value->mv_size != VAULT_HASH_SIZE + KEY_LINK_SIZE)
		return MDB_CORRUPTED;
	if (tail_reserve(&v->tail, 1) != SL_OK)
		return ENOMEM;
	tail_add_subject(&v->tail, pair, pair + VAULT_HASH_SIZE);
	v->tail.last_pair = read_be64(key->mv_data);
	return 0;
}

/** Every row above `after`. */
static int load_rows(
	struct vault *v,
	MDB_txn *txn,
	enum vault_db db,
	struct view after,
	int (*load)(struct vault *, const MDB_val *, const MDB_val *)
)
{
	MDB_val key = store_val(after.bytes, after.size);
	MDB_val value;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(txn, v->db[db], &cursor);

	if (code != 0)
		return code;
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	if (code == 0 && view_equal(after, view_of(key.mv_data, key.mv_size)))
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	while (code == 0) {
		code = load(v, &key, &value);
		if (code == 0)
			code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? 0 : code;
}

static int load_last_pair(struct vault *v, MDB_txn *txn)
{
	MDB_cursor *cursor;
	MDB_val key;
	MDB_val value;
	int code = mdb_cursor_open(txn, v->db[VAULT_PAIRS], &cursor);

	if (code != 0)
		return code;
	code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	mdb_cursor_close(cursor);
	if (code == 0 && key.mv_size != 8)
		return MDB_CORRUPTED;
	if (code == 0)
		v->pair_last = read_be64(key.mv_data);
	return code == MDB_NOTFOUND ? 0 : code;
}

enum sl_status index_load(struct vault *v, struct problem *ret_problem)
{
	MDB_val key = store_val(MARK_NAME, sizeof(MARK_NAME) - 1);
	MDB_val value;
	struct index_mark mark = {0};
	uint8_t pair[8];
	int code;
	MDB_txn *txn = store_read_begin(v, &code);

	if (txn == NULL)
		return store_problem(ret_problem, v, code, "the vault can not be read");
	code = mdb_get(txn, v->db[VAULT_META], &key, &value);
	if (code == 0 && value.mv_size != sizeof(mark))
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(&mark, value.mv_data, sizeof(mark));
	memcpy(v->tail.last_link, mark.link, sizeof(mark.link));
	v->tail.last_pair = mark.pair;
	for (int i = 0; i < 8; i++)
		pair[i] = (uint8_t)(mark.pair >> (56 - 8 * i));
	if (code == 0 || code == MDB_NOTFOUND)
		code = load_rows(v, txn, VAULT_KEYS, view_of(mark.link, KEY_LINK_SIZE), load_key);
	if (code == 0)
		code = load_rows(v, txn, VAULT_PAIRS, view_of(pair, sizeof(pair)), load_pair);
	if (code == 0)
		code = load_last_pair(v, txn);
	store_read_end(v);
	return code == 0 ? SL_OK
			 : store_problem(ret_problem, v, code, "the vault's index is damaged");
}
