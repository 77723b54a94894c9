#pragma once

#include "control/vault.h"
#include "control/vault_tail.h"

#include <assert.h>
#include <errno.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

// What the files of the vault share: vault.c (open, close), vault_commit.c, vault_read.c,
// vault_scope.c, vault_meta.c, vault_mark.c, vault_store.c. Nobody else includes this.

enum vault_db {
	VAULT_META,
	VAULT_KEKS,  // id (4, BE) -> struct kek_record
	VAULT_KEYS,  // key link -> struct vault_record
	VAULT_NAMES, // name hash -> key link
	VAULT_PAIRS, // sequence (8, BE) -> subject hash | key link: further subjects, as they came
	VAULT_SUBJECTS,  // subject hash | key link -> nothing
	VAULT_SCOPES,    // 'i' id (8, BE) -> group \0 contract; 'n' hash of that -> id (8, BE)
	VAULT_CONTRACTS, // handle/name/version -> source text
	VAULT_DB_COUNT
};

enum {
	WRAP_IV_SIZE = 12,
	WRAP_TAG_SIZE = 16,
	KEKS_MAX = 256,
	VAULT_INDEX_BATCH = 128 << 10 // entries of the tail that are written at once
};

/** A wrapped key: IV, ciphertext, tag. */
struct wrapped_key {
	uint8_t iv[WRAP_IV_SIZE];
	uint8_t sealed[KEY_SIZE + WRAP_TAG_SIZE];
};

/** As it lies in the file, little endian. */
struct vault_record {
	uint32_t kek;
	int32_t day;
	uint64_t scope;
	int64_t created_ms;
	int64_t expires_ms;
	uint8_t policy_id[VAULT_POLICY_SIZE];
	uint8_t subject_hash[VAULT_HASH_SIZE];
	uint8_t name_hash[VAULT_HASH_SIZE];
	struct wrapped_key dek; // associated data: link | scope | day
	uint32_t reserved;
};

static_assert(sizeof(struct wrapped_key) == 60, "layout");
static_assert(sizeof(struct vault_record) == 144, "layout");

/** What lies in locked memory while a vault is open. */
struct vault_secrets {
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	uint8_t mask_key[MASK_KEY_SIZE];
	uint8_t kek[KEKS_MAX][KEY_SIZE]; // by id - 1
};

struct vault {
	char *dir;
	int lock_fd;
	int statm_fd; // /proc/self/statm, -1 where there is none
	MDB_env *env;
	MDB_dbi db[VAULT_DB_COUNT];
	struct vault_secrets *secrets;
	uint8_t id[16];
	uint32_t kek_count; // the last is the one in use

	/** Transactions hold it shared, the growth of the map alone. */
	pthread_rwlock_t map_lock;
	void *map; // where LMDB has mapped the file, once known; NULL after growth
	size_t map_size;
	uint64_t read_count; // look-ups; guarded by read_lock

	/** Guards reader and engine: look-ups of any thread. */
	pthread_mutex_t read_lock;
	MDB_txn *reader; // reset between look-ups
	struct engine *engine;

	/** Guards tail: the committer adds, look-ups search. */
	pthread_mutex_t tail_lock;
	struct vault_tail tail;
	uint64_t pair_last; // sequence of the last further subject; the committer's

	atomic_bool is_broken; // LMDB takes no more writes

	struct vault_record *records; // [VAULT_COMMIT_MAX] of the commit at hand
};

/** Work inside one write transaction; MDB error code or 0. */
typedef int (*store_work_fn)(struct vault *vault, MDB_txn *txn, void *work);

/** The row of errors.def for a code of LMDB. */
enum sl_status store_status(int code);

/** The same with the sentence `<what>: <text of the library>`. */
enum sl_status store_problem(
	struct problem *ret_problem,
	const struct vault *v,
	int code,
	const char *what
);

/** Lock the directory, open the environment and its databases. */
enum sl_status store_open(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
);
void store_close(struct vault *v);

/** What a directory has in it is there after a power cut, too. Returns 0, or -1 with errno. */
int store_sync_dir(const char *dir);

/** SL_E_BUSY: a dataplane may still have keys for the vault, and the opener is not its control, and would write. */
enum sl_status mark_check(
	const struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
);

/** Run work in a write transaction and commit it durably; again with a larger map when it was full. */
int store_write(struct vault *v, store_work_fn work, void *arg);

/** Begin and end look-ups: locks the reader. NULL with *ret_code when it can not be had. */
MDB_txn *store_read_begin(struct vault *v, int *ret_code);
void store_read_end(struct vault *v);

/** Learn where the map is from any address in it. */
void store_find_map(struct vault *v, const void *inside);

/** Give back mapped pages when there are many. The caller holds map_lock shared. */
void store_trim(struct vault *v);

/** After a look-up, before store_read_end: trims now and then. */
void store_was_read(struct vault *v, const void *inside);

/** Read meta and KEKs, or make them (and the root key) in a vault that is new. */
enum sl_status meta_load(
	struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
);

/** Fill the tail with what was committed after the last entry of the indexes. */
enum sl_status index_load(struct vault *v, struct problem *ret_problem);

void wrap_key(
	struct vault *v,
	struct engine *engine,
	const struct vault_key *key,
	struct vault_record *ret_record
);
enum sl_status unwrap_key(
	const struct vault *v,
	struct engine *engine,
	const uint8_t link[static KEY_LINK_SIZE],
	const struct vault_record *record,
	struct vault_key *ret_key
);

/** All of a record but the key itself. */
void record_to_key(
	const uint8_t link[static KEY_LINK_SIZE],
	const struct vault_record *record,
	struct vault_key *ret_key
);

static inline MDB_val store_val(const void *bytes, size_t size)
{
	return (MDB_val){.mv_data = (void *)bytes, .mv_size = size};
}
