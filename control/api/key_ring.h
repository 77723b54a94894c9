#pragma once

#include "control/api/key_table.h"
#include "io/base/problem.h"
#include "io/base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The key journal: new keys on their way from a dataplane's workers to the vault, in memory that both processes map
// (memfd). Several producers (workers of one process), one consumer (control). A position is the number of a record,
// from 1; the consumer raises the durable mark when the records up to it are in the vault.
//
//	 taken          durable            head (reserved)
//	   v               v                  v
//	---+---------------+--+----+----+-----+------
//	   | in the vault     | written | ?   |         a reserved record counts once its own
//	---+---------------+--+----+----+-----+------   sequence says that it is written
//
// A dataplane that dies between reserving and writing leaves a hole; key_ring_recover makes it an empty record. No key
// of a hole was ever used: a key goes into the key table only after its record is written.

enum {
	KEY_RING_DEFAULT = 65536, // records
	KEY_RECORD_LINK_ONLY =
		1 << 0, // only link and subject_hash count: one more subject of a key
	KEY_RECORD_HOLE = 1 << 1
};

/** Secret. */
struct key_record {
	uint8_t link[KEY_LINK_SIZE];
	uint8_t dek[KEY_SIZE];
	uint8_t name_hash[KEY_HASH_SIZE];    // SipHash-128 of scope, window and key value
	uint8_t subject_hash[KEY_HASH_SIZE]; // zeros = no subject
	uint64_t scope;                      // the vault's number of (stream, contract)
	int64_t day;        // of the window: days since 1970 for batch, 0 for streams
	int64_t created_ms; // since 1970
	uint64_t flags;     // KEY_RECORD_*
};

struct key_ring;

/** Make a ring in a memfd (locked, undumped). Outcomes  SL_OK; SL_E_INVALID; SL_E_NOMEM; SL_E_IO */
enum sl_status key_ring_create(
	size_t capacity,
	struct key_ring **ret_ring,
	struct problem *ret_problem
);

/** Map another process's ring; checks its head. fd is duplicated. Outcomes  SL_OK; SL_E_CORRUPT; SL_E_NOMEM; SL_E_IO */
enum sl_status key_ring_attach(int fd, struct key_ring **ret_ring, struct problem *ret_problem);

/** Of the memfd, to be passed on. Lives as long as the ring. */
int key_ring_fd(const struct key_ring *ring);

/** Records that it was made for: a power of two, so more than was asked for, perhaps. */
size_t key_ring_capacity(const struct key_ring *ring);

/** Unmap; NULL is fine. */
void key_ring_free(struct key_ring *ring);

/** Records that fit now, for producers: a turn runs only when its claims fit. */
size_t key_ring_room(const struct key_ring *ring);

/** Producer: append. @return the position; 0 = no room */
uint64_t key_ring_put(struct key_ring *ring, const struct key_record *record);

/** Whether all of it is locked in memory; if not, RLIMIT_MEMLOCK is too low. */
bool key_ring_is_locked(const struct key_ring *ring);

/**
 * Consumer: sleep until there is a record, or timeout_ms have passed. A put wakes it.
 *
 * @param called_off there is no sleep while it is not 0; who raises it and calls key_ring_wake then ends one. NULL: nobody
 */
void key_ring_wait(struct key_ring *ring, uint32_t timeout_ms, const atomic_uint *called_off);

/** End another thread's key_ring_wait. */
void key_ring_wake(struct key_ring *ring);

/** Consumer: the next records, in order, without taking them off. @return 0..max */
size_t key_ring_peek(struct key_ring *ring, struct key_record ret_records[], size_t max);

/** Consumer: the first count records are durable: wipe them, take them off, raise the mark. */
void key_ring_commit(struct key_ring *ring, size_t count);

/** Records at or below are durable. Any thread, no lock. */
uint64_t key_ring_durable(const struct key_ring *ring);

/** Position of the last record reserved. */
uint64_t key_ring_position(const struct key_ring *ring);

/** Consumer, when no producer lives: holes become empty records (KEY_RECORD_HOLE). @return holes */
size_t key_ring_recover(struct key_ring *ring);

/**
 * The highest link that producers gave out, so that a new process goes on after it; all zeros = none. Set by a producer
 * before the link's record is put, by control while no producer lives.
 */
void key_ring_last_link(const struct key_ring *ring, uint8_t ret_link[static KEY_LINK_SIZE]);
void key_ring_set_last_link(struct key_ring *ring, const uint8_t link[static KEY_LINK_SIZE]);
