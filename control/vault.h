#pragma once

#include "control/api/key_table.h"
#include "crypto/engine.h"
#include "crypto/mask.h"
#include "crypto/siphash.h"
#include "io/base/problem.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The vault: a directory that holds every data key, wrapped.
//
//	DIR/root.key   32 random bytes, 0600; may lie elsewhere
//	DIR/data.mdb   LMDB: meta, keks, keys, names, pairs, subjects, scopes, contracts
//	DIR/lock       flock of the one process that has it open, with its pid
//	DIR/appliance  there while dataplanes may have keys for it: vault_mark
//
// The root key wraps the key-encryption keys (KEKs) and the vault's two secrets; a KEK wraps data
// keys, bound to key link, scope and day. Names of owners and subjects are there as keyed hashes
// only, so that the files tell nothing without the root key.
//
// Keys are appended in the order of their links. The two indexes that are random by nature (name
// -> link, subject -> links) lag behind: what is committed and not yet indexed is held in memory,
// goes to the indexes sorted and in big batches, and is read again from the appended part after a
// crash. So a committed key is always found.

enum {
	VAULT_HASH_SIZE = SIPHASH_SIZE, // bytes of the keyed hash of a name or subject
	VAULT_POLICY_SIZE = 16,         // bytes: a UUID; zeros = no policy
	VAULT_COMMIT_MAX = 16384,       // changes of one commit
	VAULT_TEXT_MAX = 511            // bytes of a group and a contract's name together
};

struct vault;

struct vault_options {
	const char *dir;
	const char *root_key_file; // NULL: DIR/root.key
	bool may_create;           // make directory, root key and vault when they are not there
	bool is_appliance;         // of control: a mark is its own
	size_t map_size;           // bytes of address space to begin with; 0 = the default
};

/** One data key, or (is_link_only) one more subject of a key. Secret. */
struct vault_key {
	uint8_t link[KEY_LINK_SIZE];
	uint64_t scope;
	int64_t day;        // UTC day of the window, days since 1970-01-01
	int64_t created_ms; // since 1970
	int64_t expires_ms; // since 1970
	uint8_t policy_id[VAULT_POLICY_SIZE];
	uint8_t subject_hash[VAULT_HASH_SIZE]; // zeros = no subject
	uint8_t name_hash[VAULT_HASH_SIZE];
	uint8_t dek[KEY_SIZE];
	bool is_link_only; // only link and subject_hash count
};

/**
 * Open or make a vault.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND (no vault, or a vault without its root key); SL_E_BUSY (another process,
 *           named; or vault_mark, and it could be written to by another than control); SL_E_DENIED (directory, or a root key that others can read); SL_E_FORGED (wrong root
 *           key); SL_E_CORRUPT; SL_E_NO_SPACE; SL_E_IO; SL_E_NOMEM; SL_E_UNSUPPORTED
 */
enum sl_status vault_open(
	const struct vault_options *options,
	struct vault **ret_vault,
	struct problem *ret_problem
);

/** Write the indexes that lag behind and close; NULL is fine. A failure costs nothing but time at the next open. */
void vault_close(struct vault *vault);

/**
 * Before a dataplane gets a journal, or brings one: until it has ended the vault is kept from jobs, also while control is
 * away. Their keys would have links above those that wait in the journal, which could not be committed any more.
 *
 * Outcomes  SL_OK (durable); SL_E_NO_SPACE; SL_E_DENIED; SL_E_IO
 */
enum sl_status vault_mark(struct vault *vault, uint32_t pid, struct problem *ret_problem);

/** Jobs may come. Outcomes  SL_OK; SL_E_BUSY (a dataplane that was marked lives); SL_E_DENIED; SL_E_IO */
enum sl_status vault_unmark(struct vault *vault, struct problem *ret_problem);

/** Keys of the keyed hashes of names and subjects [SIPHASH_KEY_SIZE], and of HMAC masks [MASK_KEY_SIZE]. Secret. */
const uint8_t *vault_hash_key(const struct vault *vault);
const uint8_t *vault_mask_key(const struct vault *vault);

/** The directory, for files that belong beside the vault. */
const char *vault_dir(const struct vault *vault);

/** Names of such files become durable. Returns 0, or -1 with errno. */
int vault_sync_dir(const struct vault *vault);

/** A write has failed so that no other is taken until the vault is closed and opened again. */
bool vault_is_broken(struct vault *vault);

/** The last key link; false when there is none. */
bool vault_last_link(struct vault *vault, uint8_t ret_link[static KEY_LINK_SIZE]);

/**
 * Make changes durable, all or none. Links of keys ascend, above all that are there. One thread at a time.
 *
 * @param engine the caller's: wraps the keys
 * @param count  1..VAULT_COMMIT_MAX
 *
 * Outcomes  SL_OK; SL_E_NO_SPACE; SL_E_IO; SL_E_EXISTS (a link that is not above the last); SL_E_NOMEM
 */
enum sl_status vault_commit(
	struct vault *vault,
	struct engine *engine,
	const struct vault_key changes[],
	size_t count,
	struct problem *ret_problem
);

/** Bring the indexes up to date. Called by vault_commit when enough has gathered, and by vault_close. */
enum sl_status vault_index(struct vault *vault, struct problem *ret_problem);

/** The link of a name. Any thread. Outcomes  SL_OK; SL_E_NOT_FOUND; SL_E_IO; SL_E_CORRUPT */
enum sl_status vault_find_name(
	struct vault *vault,
	const uint8_t name_hash[static VAULT_HASH_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
);

/**
 * A key, unwrapped. Any thread with an engine of its own.
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND; SL_E_FORGED (the record is not what was wrapped); SL_E_CORRUPT; SL_E_IO
 */
enum sl_status vault_read_key(
	struct vault *vault,
	struct engine *engine,
	const uint8_t link[static KEY_LINK_SIZE],
	struct vault_key *ret_key
);

/** The same with derived keys: IV key, then field keys in order of purposes: ret_keys[1 + purpose_count][KEY_SIZE]. */
enum sl_status vault_find_key(
	struct vault *vault,
	const uint8_t link[static KEY_LINK_SIZE],
	const uint8_t purposes[],
	size_t purpose_count,
	uint8_t *ret_keys
);

enum {
	VAULT_SCAN_MAX = 256 // keys of one step
};

/** A walk over the keys of some scopes, ascending by link. Its maker sets scopes and from. */
struct vault_scan {
	const uint64_t *scopes; // [scope_count], borrowed
	size_t scope_count;
	uint8_t from[KEY_LINK_SIZE]; // the next link looked at; zeros = from the beginning
	bool is_over;                // out
};

/**
 * The next keys of a scan: those that were committed when it came by. Any thread; look-ups go on in between.
 *
 * @param engine    the caller's: unwraps the keys; NULL = leave them wrapped (dek is zeros)
 * @param ret_keys  [VAULT_SCAN_MAX]
 * @param ret_count 0..VAULT_SCAN_MAX, 0 also while is_over is false
 *
 * Outcomes  SL_OK; SL_E_FORGED (a record is not what was wrapped); SL_E_CORRUPT; SL_E_IO
 */
enum sl_status vault_scan_next(
	struct vault *vault,
	struct engine *engine,
	struct vault_scan *scan,
	struct vault_key ret_keys[static VAULT_SCAN_MAX],
	size_t *ret_count
);

/**
 * The number of (group, contract), made when new. Keys belong to a group and a contract's handle/name without its
 * version: a corrected contract goes on with the keys of the group, and every key serves every purpose.
 *
 * @param ret_is_new out; true: no key of this scope can exist
 */
enum sl_status vault_scope(
	struct vault *vault,
	struct view group,
	struct view contract,
	uint64_t *ret_scope,
	bool *ret_is_new,
	struct problem *ret_problem
);

/** Group and contract of a scope: `group \0 contract`. @return bytes, 0 = no such scope */
size_t vault_scope_text(
	struct vault *vault,
	uint64_t scope,
	char ret_text[static VAULT_TEXT_MAX + 1]
);

/** Keep a contract's source by its handle/name/version, so that its events can be opened; replaces an older text. */
enum sl_status vault_put_contract(
	struct vault *vault,
	struct view ref,
	struct view source,
	struct problem *ret_problem
);

/** A copy of a contract's source, to be freed by the caller. Outcomes  SL_OK; SL_E_NOT_FOUND; SL_E_NOMEM; SL_E_IO */
enum sl_status vault_find_contract(
	struct vault *vault,
	struct view ref,
	uint8_t **ret_source,
	size_t *ret_size
);

/** Every link of a subject, in no order; a link may come twice. put returning other than SL_OK ends it. */
enum sl_status vault_subject_links(
	struct vault *vault,
	const uint8_t subject_hash[static VAULT_HASH_SIZE],
	enum sl_status (*put)(void *self, const uint8_t link[static KEY_LINK_SIZE]),
	void *self
);

/** Keys in the vault. */
uint64_t vault_key_count(struct vault *vault);
