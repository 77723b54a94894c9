#include "control/vault_inner.h"
#include "crypto/secret.h"

#include <string.h>

// Records are copied in a short transaction and unwrapped outside of it, so that look-ups and growth of the map go on.

enum {
	ROWS_MAX = 65536 // looked at in one step, whatever their scope
};

/** Records of one step. */
struct step {
	uint8_t link[VAULT_SCAN_MAX][KEY_LINK_SIZE];
	struct vault_record record[VAULT_SCAN_MAX];
	size_t count;
};

static bool is_wanted(const struct vault_scan *scan, uint64_t scope)
{
	for (size_t i = 0; i < scan->scope_count; i++)
		if (scan->scopes[i] == scope)
			return true;
	return false;
}

static int copy_records(MDB_cursor *cursor, struct vault_scan *scan, struct step *step)
{
	MDB_val key = store_val(scan->from, KEY_LINK_SIZE);
	MDB_val value = store_val(NULL, 0);
	int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
	size_t rows = 0;

	while (code == 0) {
		struct vault_record *record = &step->record[step->count];

		if (key.mv_size != KEY_LINK_SIZE || value.mv_size != sizeof(*record))
			return MDB_CORRUPTED;
		if (step->count == VAULT_SCAN_MAX || rows++ == ROWS_MAX) {
			memcpy(scan->from, key.mv_data, KEY_LINK_SIZE);
			return 0;
		}
		memcpy(record, value.mv_data, sizeof(*record));
		memcpy(step->link[step->count], key.mv_data, KEY_LINK_SIZE);
		step->count += is_wanted(scan, record->scope);
		code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	scan->is_over = code == MDB_NOTFOUND;
	return code == MDB_NOTFOUND ? 0 : code;
}

static int read_step(struct vault *v, struct vault_scan *scan, struct step *step)
{
	MDB_cursor *cursor;
	int code;
	MDB_txn *txn = store_read_begin(v, &code);

	if (txn == NULL)
		return code;
	code = mdb_cursor_open(txn, v->db[VAULT_KEYS], &cursor);
	if (code == 0) {
		code = copy_records(cursor, scan, step);
		mdb_cursor_close(cursor);
	}
	store_was_read(v, NULL);
	store_read_end(v);
	return code;
}

enum sl_status vault_scan_next(
	struct vault *vault,
	struct engine *engine,
	struct vault_scan *scan,
	struct vault_key ret_keys[static VAULT_SCAN_MAX],
	size_t *ret_count
)
{
	struct step step = {.count = 0};
	int code = read_step(vault, scan, &step);

	if (code != 0)
		return store_status(code);
	for (size_t i = 0; i < step.count; i++) {
		enum sl_status status = SL_OK;

		memset(ret_keys[i].dek, 0, KEY_SIZE);
		if (engine == NULL)
			record_to_key(step.link[i], &step.record[i], &ret_keys[i]);
		else
			status = unwrap_key(
				vault, engine, step.link[i], &step.record[i], &ret_keys[i]
			);
		if (status != SL_OK) {
			bytes_wipe(ret_keys, (i + 1) * sizeof(*ret_keys));
			return status;
		}
	}
	*ret_count = step.count;
	return SL_OK;
}
