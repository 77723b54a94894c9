#pragma once

#include "io/base/limits.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The live data keys: name of the owner (a keyed hash) -> key link and derived keys. One table a
// stream or batch group and contract. Readers on any number of cores look up without locks and copy the entry out
// under a per-bucket sequence number; writers (claims of new keys) are serialised by the owner of the table.

enum {
	KEY_HASH_SIZE = 16, // bytes: SipHash-128 over scope, window and key value
	KEY_LINK_SIZE = 16, // bytes: UUIDv7
	KEY_SIZE = 32       // bytes: AES-256
};

/** A data key at work, as one row of a turn holds it. Secret. */
struct key_entry {
	uint8_t link[KEY_LINK_SIZE];
	uint64_t subject;  // fingerprint of the data subject last registered for it; 0 = none
	uint64_t position; // in the key journal, of both; durable when at or below the durable mark
	uint8_t key[1 + CONTRACT_PURPOSES_MAX]
		   [KEY_SIZE]; // IV key, then field keys in order of the image's purposes
};

struct key_table;

/**
 * Make a table in locked, undumped memory.
 *
 * @param entry_count_max live keys it holds; memory is about entry_count_max * (80 + 32 * (1 + purpose_count)) bytes
 * @param purpose_count   field keys of an entry, 0..CONTRACT_PURPOSES_MAX
 *
 * Outcomes  SL_OK; SL_E_INVALID; SL_E_NOMEM
 */
enum sl_status key_table_new(
	size_t entry_count_max,
	uint32_t purpose_count,
	struct key_table **ret_table
);

/** What a table in shared memory is for; never changes. */
struct key_table_use {
	size_t entry_count_max;
	uint64_t scope; // the vault's number of (stream, contract)
	uint32_t purpose_count;
	uint8_t purposes
		[CONTRACT_PURPOSES_MAX]; // [purpose_count] levels of the field keys, ascending
};

/**
 * Make a table in a memfd that two processes map. One of them writes at a time: a dataplane while it lives, control
 * before it hands the table over and after the dataplane's death (key_table_recover first).
 *
 * Size: give it room for all keys of a window, twice if you can. A key that gave way is not found again, and its owner gets
 * a second key in the same window.
 *
 * Outcomes  SL_OK; SL_E_INVALID; SL_E_NOMEM
 */
enum sl_status key_table_create_shared(
	const struct key_table_use *use,
	struct key_table **ret_table
);

/**
 * Map another process's table; fd is duplicated. Everything in it is checked as a stranger's.
 *
 * Outcomes  SL_OK; SL_E_CORRUPT; SL_E_NOMEM; SL_E_IO
 */
enum sl_status key_table_attach(int fd, struct key_table **ret_table, struct problem *ret_problem);

/** Of the memfd, to be passed on; -1 for a table that is not shared. Lives as long as the table. */
int key_table_fd(const struct key_table *table);

/** What a shared table was made for. */
struct key_table_use key_table_use(const struct key_table *table);

/** After the death of a process that may have been writing: drops what is half written. @return entries dropped */
size_t key_table_recover(struct key_table *table);

/** Whether all of it is locked in memory; if not, RLIMIT_MEMLOCK is too low. */
bool key_table_is_locked(const struct key_table *table);

/** Entries that a table of so many bytes holds, 1 at least: for an owner whose memory is bounded. */
size_t key_table_entries_in(size_t bytes, uint32_t purpose_count);

/** Release; NULL is fine. Wiped, but for shared memory, which ends with its last process. */
void key_table_free(struct key_table *table);

/** Fetch ahead the places of hashes that are going to be looked up soon. Any thread. */
void key_table_prefetch(
	const struct key_table *table,
	const uint8_t (*hashes)[KEY_HASH_SIZE],
	size_t count
);

/**
 * Look up a burst: prefetches all, then probes, then copies out. Lock-free, any thread.
 *
 * @param hashes      [count] keyed hashes
 * @param ret_entries [count] out; only (1 + purpose_count) keys of each are written
 * @param ret_found   [count] out
 * @return entries found, 0..count
 */
size_t key_table_find_burst(
	const struct key_table *table,
	const uint8_t (*hashes)[KEY_HASH_SIZE],
	size_t count,
	struct key_entry *const ret_entries[],
	bool ret_found[]
);

/**
 * Insert or replace one entry; one writer at a time. When the table (or the bucket's neighbourhood) is full, an
 * entry whose position is at or below evictable_mark gives way: any of them, not the oldest, so that keys which come
 * round and round are mostly found even when they are a few more than there is room for.
 *
 * Outcomes  SL_OK; SL_E_FULL when nothing may give way: raise the mark and try again
 */
enum sl_status key_table_insert(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	const struct key_entry *entry,
	uint64_t evictable_mark
);

/** Where a new entry is going to lie. */
struct key_table_place {
	size_t slot;
	size_t word;
	bool is_linked; // an entry of that hash is there and is replaced
};

/**
 * The first half of an insert, for who must know that there is room before it does what can not be undone. Only
 * key_table_put may follow, by the same writer; or nothing.
 *
 * @param aged_before_ms entries whose links are of before that time, ms since 1970, give way first, and are not told of by
 *                       key_table_has_evicted; 0 = none
 *
 * Outcomes  as key_table_insert
 */
enum sl_status key_table_reserve(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	uint64_t evictable_mark,
	int64_t aged_before_ms,
	struct key_table_place *ret_place
);

/** The second half. */
void key_table_put(
	struct key_table *table,
	const struct key_table_place *place,
	const uint8_t hash[static KEY_HASH_SIZE],
	const struct key_entry *entry
);

/**
 * Remember the subject last registered for a key; a key that is gone meanwhile is no error. One writer at a time.
 *
 * @param position of the record that registers it: who finds the subject finds this position, or a later one
 */
void key_table_set_subject(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	uint64_t subject,
	uint64_t position
);

/** Whether an entry ever gave way that was not aged: then a miss is no proof that the key does not exist. */
bool key_table_has_evicted(const struct key_table *table);

size_t key_table_count(const struct key_table *table);
