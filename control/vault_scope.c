#include "control/vault_inner.h"

#include <stdlib.h>
#include <string.h>

// Scopes (group and contract, by number) and the sources of contracts.

enum {
	ID_KEY_SIZE = 1 + 8,              // 'i' | id, big endian
	NAME_KEY_SIZE = 1 + SIPHASH_SIZE, // 'n' | hash of the text
	KEY_NAME_MAX = 511                // bytes of a key in LMDB
};

struct scope_work {
	uint8_t text[VAULT_TEXT_MAX];
	size_t text_size;
	uint8_t name_key[NAME_KEY_SIZE];
	uint64_t id; // out
	bool is_new; // out
};

struct contract_work {
	struct view ref;
	struct view source;
};

static void id_key(uint64_t id, uint8_t ret_key[static ID_KEY_SIZE])
{
	ret_key[0] = 'i';
	for (int i = 0; i < 8; i++)
		ret_key[1 + i] = (uint8_t)(id >> (56 - 8 * i));
}

static uint64_t id_of(const uint8_t *bytes)
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | bytes[i];
	return id;
}

/** One above the highest: 'i' keys stand before 'n' keys. */
static int next_id(struct vault *v, MDB_txn *txn, uint64_t *ret_id)
{
	uint8_t above[1] = {'i' + 1};
	MDB_val key = store_val(above, sizeof(above));
	MDB_val value;
	MDB_cursor *cursor;
	int code = mdb_cursor_open(txn, v->db[VAULT_SCOPES], &cursor);

	if (code != 0)
		return code;
	code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	code = mdb_cursor_get(cursor, &key, &value, code == 0 ? MDB_PREV : MDB_LAST);
	*ret_id = 1;
	if (code == 0 && key.mv_size == ID_KEY_SIZE && ((const uint8_t *)key.mv_data)[0] == 'i')
		*ret_id = id_of((const uint8_t *)key.mv_data + 1) + 1;
	mdb_cursor_close(cursor);
	return code == MDB_NOTFOUND ? 0 : code;
}

static int find_or_make_scope(struct vault *v, MDB_txn *txn, void *arg)
{
	struct scope_work *work = arg;
	uint8_t id[ID_KEY_SIZE];
	MDB_val name = store_val(work->name_key, NAME_KEY_SIZE);
	MDB_val value;
	MDB_val key;
	int code = mdb_get(txn, v->db[VAULT_SCOPES], &name, &value);

	work->is_new = code == MDB_NOTFOUND;
	if (code == 0 && value.mv_size != 8)
		return MDB_CORRUPTED;
	if (code == 0)
		work->id = id_of(value.mv_data);
	if (code != MDB_NOTFOUND)
		return code;
	code = next_id(v, txn, &work->id);
	if (code != 0)
		return code;
	id_key(work->id, id);
	value = store_val(id + 1, 8);
	code = mdb_put(txn, v->db[VAULT_SCOPES], &name, &value, 0);
	key = store_val(id, sizeof(id));
	value = store_val(work->text, work->text_size);
	return code != 0 ? code : mdb_put(txn, v->db[VAULT_SCOPES], &key, &value, 0);
}

enum sl_status vault_scope(
	struct vault *vault,
	struct view group,
	struct view contract,
	uint64_t *ret_scope,
	bool *ret_is_new,
	struct problem *ret_problem
)
{
	struct scope_work work = {.text_size = group.size + 1 + contract.size};
	struct room text = {.bytes = work.text, .capacity = sizeof(work.text)};
	int code;

	if (group.size > VAULT_TEXT_MAX || contract.size > VAULT_TEXT_MAX
	    || work.text_size > VAULT_TEXT_MAX)
		return problem_set(
			ret_problem,
			SL_E_TOO_BIG,
			"the group's name is too long: it may have %zu bytes",
			VAULT_TEXT_MAX - 1 - (contract.size < VAULT_TEXT_MAX ? contract.size : 0)
		);
	room_put_view(&text, group);
	room_put_byte(&text, '\0');
	room_put_view(&text, contract);
	work.name_key[0] = 'n';
	siphash(vault->secrets->hash_key, view_of(text.bytes, text.size), work.name_key + 1);
	code = store_write(vault, find_or_make_scope, &work);
	if (code != 0)
		return store_problem(ret_problem, vault, code, "the group can not be registered");
	*ret_scope = work.id;
	*ret_is_new = work.is_new;
	return SL_OK;
}

size_t vault_scope_text(
	struct vault *vault,
	uint64_t scope,
	char ret_text[static VAULT_TEXT_MAX + 1]
)
{
	uint8_t id[ID_KEY_SIZE] = {0};
	MDB_val key = store_val(id, sizeof(id));
	MDB_val value;
	size_t size = 0;
	int code;
	MDB_txn *txn = store_read_begin(vault, &code);

	if (txn == NULL)
		return 0;
	id_key(scope, id);
	code = mdb_get(txn, vault->db[VAULT_SCOPES], &key, &value);
	if (code == 0 && value.mv_size <= VAULT_TEXT_MAX) {
		size = value.mv_size;
		memcpy(ret_text, value.mv_data, size);
		ret_text[size] = '\0';
	}
	store_read_end(vault);
	return size;
}

static int put_contract(struct vault *v, MDB_txn *txn, void *arg)
{
	const struct contract_work *work = arg;
	MDB_val key = store_val(work->ref.bytes, work->ref.size);
	MDB_val value = store_val(work->source.bytes, work->source.size);

	return mdb_put(txn, v->db[VAULT_CONTRACTS], &key, &value, 0);
}

enum sl_status vault_put_contract(
	struct vault *vault,
	struct view ref,
	struct view source,
	struct problem *ret_problem
)
{
	struct contract_work work = {.ref = ref, .source = source};
	int code;

	if (ref.size == 0 || ref.size > KEY_NAME_MAX)
		return problem_set(
			ret_problem, SL_E_TOO_BIG, "the contract's name is empty or too long"
		);
	code = store_write(vault, put_contract, &work);
	return code == 0
		? SL_OK
		: store_problem(
			ret_problem, vault, code, "the contract can not be kept in the vault"
		);
}

enum sl_status vault_find_contract(
	struct vault *vault,
	struct view ref,
	uint8_t **ret_source,
	size_t *ret_size
)
{
	MDB_val key = store_val(ref.bytes, ref.size);
	MDB_val value;
	uint8_t *copy;
	enum sl_status status;
	int code;
	MDB_txn *txn;

	if (ref.size == 0 || ref.size > KEY_NAME_MAX)
		return SL_E_NOT_FOUND;
	txn = store_read_begin(vault, &code);
	if (txn == NULL)
		return store_status(code);
	status = store_status(mdb_get(txn, vault->db[VAULT_CONTRACTS], &key, &value));
	if (status == SL_OK) {
		copy = malloc(value.mv_size + 1);
		status = copy == NULL ? SL_E_NOMEM : SL_OK;
		if (copy != NULL) {
			memcpy(copy, value.mv_data, value.mv_size);
			copy[value.mv_size] = '\0';
			*ret_source = copy;
			*ret_size = value.mv_size;
		}
	}
	store_read_end(vault);
	return status;
}
