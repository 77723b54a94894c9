#include "control/root_key.h"
#include "control/vault_inner.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

// The head of a vault: what is wrapped by the root key.

enum {
	META_FORMAT = 1,
	WRAP_AAD_SIZE = 16 + 8 // vault id | label
};

static const char META_NAME[] = "vault";

/** As it lies in the file. The checksum tells damage from a wrong root key. */
struct meta_record {
	uint32_t format;
	uint32_t reserved;
	uint8_t id[16];
	int64_t created_ms;
	uint8_t hash_iv[WRAP_IV_SIZE];
	uint8_t hash_key[SIPHASH_KEY_SIZE + WRAP_TAG_SIZE];
	uint8_t mask_iv[WRAP_IV_SIZE];
	uint8_t mask_key[MASK_KEY_SIZE + WRAP_TAG_SIZE];
	uint64_t checksum; // XXH3-64 of what stands before
};

struct kek_record {
	int64_t created_ms;
	struct wrapped_key key; // associated data: vault id | "kek" and id
	uint32_t reserved;
	uint64_t checksum;
};

static_assert(sizeof(struct meta_record) == 144, "layout");
static_assert(sizeof(struct kek_record) == 80, "layout");

struct head {
	struct meta_record meta;
	struct kek_record kek;
	bool has_keys;
};

static void write_be32(uint32_t value, uint8_t ret_bytes[static 4])
{
	for (int i = 0; i < 4; i++)
		ret_bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void aad_of(
	const uint8_t id[16],
	const char *label,
	uint32_t number,
	uint8_t ret_aad[WRAP_AAD_SIZE]
)
{
	memcpy(ret_aad, id, 16);
	memset(ret_aad + 16, 0, 8);
	memcpy(ret_aad + 16, label, strnlen(label, 4));
	write_be32(number, ret_aad + 20);
}

static enum sl_status open_wrapped(
	struct vault *v,
	const uint8_t root[static ROOT_KEY_SIZE],
	const uint8_t aad[static WRAP_AAD_SIZE],
	const uint8_t iv[static WRAP_IV_SIZE],
	struct view sealed,
	uint8_t *ret_text
)
{
	return engine_gcm_open(
		v->engine,
		root,
		view_of(iv, WRAP_IV_SIZE),
		view_of(aad, WRAP_AAD_SIZE),
		sealed,
		ret_text
	);
}

static void seal_wrapped(
	struct vault *v,
	const uint8_t root[static ROOT_KEY_SIZE],
	const uint8_t aad[static WRAP_AAD_SIZE],
	struct view text,
	uint8_t iv[static WRAP_IV_SIZE],
	uint8_t *sealed
)
{
	engine_random(v->engine, iv, WRAP_IV_SIZE);
	engine_gcm_seal(
		v->engine,
		root,
		view_of(iv, WRAP_IV_SIZE),
		view_of(aad, WRAP_AAD_SIZE),
		text,
		sealed
	);
}

static enum sl_status corrupt(struct vault *v, struct problem *ret_problem, const char *what)
{
	(void)!problem_set(ret_problem, SL_E_CORRUPT, "%s", what);
	problem_at_file(ret_problem, v->dir);
	problem_remedy(ret_problem, "restore the vault from a backup");
	return SL_E_CORRUPT;
}

static enum sl_status open_meta(
	struct vault *v,
	const char *file,
	const uint8_t root[static ROOT_KEY_SIZE],
	const struct meta_record *meta,
	struct problem *ret_problem
)
{
	uint8_t aad[WRAP_AAD_SIZE];
	enum sl_status status;

	memcpy(v->id, meta->id, sizeof(v->id));
	aad_of(v->id, "hash", 0, aad);
	status = open_wrapped(
		v,
		root,
		aad,
		meta->hash_iv,
		view_of(meta->hash_key, sizeof(meta->hash_key)),
		v->secrets->hash_key
	);
	if (status == SL_OK) {
		aad_of(v->id, "mask", 0, aad);
		status = open_wrapped(
			v,
			root,
			aad,
			meta->mask_iv,
			view_of(meta->mask_key, sizeof(meta->mask_key)),
			v->secrets->mask_key
		);
	}
	if (status == SL_OK)
		return SL_OK;
	(void
	)!problem_set(ret_problem, SL_E_FORGED, "the root key %s does not open this vault", file);
	problem_at_file(ret_problem, v->dir);
	problem_remedy(ret_problem, "name the root key file that was made with this vault");
	return SL_E_FORGED;
}

static enum sl_status open_keks(
	struct vault *v,
	const uint8_t root[static ROOT_KEY_SIZE],
	struct problem *ret_problem
)
{
	int code;
	MDB_txn *txn = store_read_begin(v, &code);
	uint8_t aad[WRAP_AAD_SIZE];
	enum sl_status status = SL_OK;

	if (txn == NULL)
		return store_problem(ret_problem, v, code, "the vault can not be read");
	for (uint32_t n = 0; n < KEKS_MAX && status == SL_OK; n++) {
		uint8_t id[4];
		struct kek_record kek;
		MDB_val key = store_val(id, sizeof(id));
		MDB_val value;

		write_be32(n + 1, id);
		code = mdb_get(txn, v->db[VAULT_KEKS], &key, &value);
		if (code == MDB_NOTFOUND)
			break;
		status = SL_E_CORRUPT;
		if (code != 0 || value.mv_size != sizeof(kek))
			break;
		memcpy(&kek, value.mv_data, sizeof(kek));
		if (kek.checksum != XXH3_64bits(&kek, offsetof(struct kek_record, checksum)))
			break;
		aad_of(v->id, "kek", n + 1, aad);
		status = open_wrapped(
			v,
			root,
			aad,
			kek.key.iv,
			view_of(kek.key.sealed, sizeof(kek.key.sealed)),
			v->secrets->kek[n]
		);
		v->kek_count = n + 1;
	}
	store_read_end(v);
	if (status != SL_OK || v->kek_count == 0)
		return corrupt(v, ret_problem, "the vault's key-encryption keys are damaged");
	return SL_OK;
}

static int read_meta(struct vault *v, struct head *ret_head)
{
	MDB_val key = store_val(META_NAME, sizeof(META_NAME) - 1);
	MDB_val value;
	MDB_stat keys;
	int code;
	MDB_txn *txn = store_read_begin(v, &code);

	if (txn == NULL)
		return code;
	code = mdb_get(txn, v->db[VAULT_META], &key, &value);
	if (code == 0 && value.mv_size != sizeof(ret_head->meta))
		code = MDB_CORRUPTED;
	if (code == 0)
		memcpy(&ret_head->meta, value.mv_data, sizeof(ret_head->meta));
	if (code == 0)
		store_find_map(v, value.mv_data);
	if (code == MDB_NOTFOUND && mdb_stat(txn, v->db[VAULT_KEYS], &keys) == 0
	    && keys.ms_entries != 0)
		code = MDB_CORRUPTED;
	store_read_end(v);
	if (code == 0
	    && ret_head->meta.checksum
		    != XXH3_64bits(&ret_head->meta, offsetof(struct meta_record, checksum)))
		code = MDB_CORRUPTED;
	return code;
}

static int put_head(struct vault *v, MDB_txn *txn, void *work)
{
	struct head *head = work;
	MDB_val key = store_val(META_NAME, sizeof(META_NAME) - 1);
	MDB_val value = store_val(&head->meta, sizeof(head->meta));
	uint8_t id[4] = {0, 0, 0, 1};
	int code = mdb_put(txn, v->db[VAULT_META], &key, &value, MDB_NOOVERWRITE);

	if (code != 0)
		return code;
	key = store_val(id, sizeof(id));
	value = store_val(&head->kek, sizeof(head->kek));
	return mdb_put(txn, v->db[VAULT_KEKS], &key, &value, MDB_NOOVERWRITE);
}

/** The secrets of a new vault: made, wrapped, written in one transaction. */
static enum sl_status make_head(
	struct vault *v,
	const uint8_t root[static ROOT_KEY_SIZE],
	struct problem *ret_problem
)
{
	struct head head = {.meta = {.format = META_FORMAT, .created_ms = clock_wall_ms()}};
	struct vault_secrets *s = v->secrets;
	uint8_t aad[WRAP_AAD_SIZE];
	int code;

	engine_random(v->engine, v->id, sizeof(v->id));
	memcpy(head.meta.id, v->id, sizeof(v->id));
	engine_random(v->engine, s->hash_key, sizeof(s->hash_key));
	engine_random(v->engine, s->mask_key, sizeof(s->mask_key));
	engine_random(v->engine, s->kek[0], sizeof(s->kek[0]));
	aad_of(v->id, "hash", 0, aad);
	seal_wrapped(
		v,
		root,
		aad,
		view_of(s->hash_key, sizeof(s->hash_key)),
		head.meta.hash_iv,
		head.meta.hash_key
	);
	aad_of(v->id, "mask", 0, aad);
	seal_wrapped(
		v,
		root,
		aad,
		view_of(s->mask_key, sizeof(s->mask_key)),
		head.meta.mask_iv,
		head.meta.mask_key
	);
	head.meta.checksum = XXH3_64bits(&head.meta, offsetof(struct meta_record, checksum));
	head.kek.created_ms = head.meta.created_ms;
	aad_of(v->id, "kek", 1, aad);
	seal_wrapped(
		v, root, aad, view_of(s->kek[0], KEY_SIZE), head.kek.key.iv, head.kek.key.sealed
	);
	head.kek.checksum = XXH3_64bits(&head.kek, offsetof(struct kek_record, checksum));
	v->kek_count = 1;
	code = store_write(v, put_head, &head);
	if (code == 0)
		code = read_meta(v, &head);
	return code == 0 ? SL_OK : store_problem(ret_problem, v, code, "the vault can not be made");
}

/** The root key of a vault that is there, or of one to be made. */
static enum sl_status get_root_key(
	struct vault *v,
	const char *file,
	bool is_new,
	uint8_t ret_root[static ROOT_KEY_SIZE],
	struct problem *ret_problem
)
{
	enum sl_status status = root_key_read(file, ret_root, ret_problem);

	if (status != SL_E_NOT_FOUND)
		return status;
	if (is_new)
		return root_key_make(file, v->engine, ret_root, ret_problem);
	(void)!problem_set(ret_problem, SL_E_NOT_FOUND, "the vault's root key %s is missing", file);
	problem_at_file(ret_problem, v->dir);
	problem_remedy(
		ret_problem,
		"bring back the root key file, or name its place: without it no key can be opened"
	);
	return SL_E_NOT_FOUND;
}

enum sl_status meta_load(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
)
{
	char file[4096];
	struct head head;
	uint8_t *root;
	enum sl_status status;
	int code = read_meta(v, &head);

	if (code != 0 && code != MDB_NOTFOUND)
		return store_problem(ret_problem, v, code, "the vault's head is damaged");
	if (code == 0 && head.meta.format != META_FORMAT) {
		status = problem_set(
			ret_problem,
			SL_E_UNSUPPORTED,
			"the vault has format %u, and this program knows format %d",
			head.meta.format,
			META_FORMAT
		);
		problem_at_file(ret_problem, v->dir);
		return status;
	}
	if (options->root_key_file != NULL)
		snprintf(file, sizeof(file), "%s", options->root_key_file);
	else
		snprintf(file, sizeof(file), "%s/root.key", v->dir);
	root = secret_new(ROOT_KEY_SIZE);
	if (root == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the root key");
	status = get_root_key(v, file, code == MDB_NOTFOUND, root, ret_problem);
	if (status == SL_OK && code == MDB_NOTFOUND)
		status = make_head(v, root, ret_problem);
	else if (status == SL_OK) {
		status = open_meta(v, file, root, &head.meta, ret_problem);
		if (status == SL_OK)
			status = open_keks(v, root, ret_problem);
	}
	secret_free(root, ROOT_KEY_SIZE);
	return status;
}
