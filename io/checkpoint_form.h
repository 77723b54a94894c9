#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdint.h>

// The form of a checkpoint's file: records, each as
//
//	| head: magic, size, sequence, checksum of these | state | zeros to whole pages | checksum of state and zeros |
//
// State and zeros are masked by a series of random numbers, so that a sector of zeros in a record is one that was never
// written. A record has pages of its own: writing one never touches what is durable of the one before.

enum {
	CHECKPOINT_HEAD_SIZE = 32,   // bytes
	CHECKPOINT_TAIL_SIZE = 8,    // bytes
	CHECKPOINT_PAGE_SIZE = 4096, // bytes
	CHECKPOINT_SECTOR_SIZE = 512 // bytes that a disk writes whole or not at all
};

/** What a file holds. */
struct checkpoint_found {
	struct view
		state; // of the newest whole record, masked, inside the file's bytes; sequence 0 = none
	uint64_t sequence; // of that record
	uint64_t end;      // bytes: where the next record goes
};

/** Bytes of a record with such a state. */
uint64_t checkpoint_record_size(uint64_t state_size);

/** Write head and tail of a record around the state, which lies at CHECKPOINT_HEAD_SIZE in it already, and mask that. */
void checkpoint_record_seal(uint8_t *record, uint32_t state_size, uint64_t sequence);

/** Take the mask off a state, or put it on. */
void checkpoint_mask(uint8_t *state, size_t size, uint64_t sequence);

/**
 * Walk the records. What a crash leaves at the end is left out: a record that is cut short, or sectors of which are zeros.
 *
 * @param ret_at out: where a broken record begins
 *
 * Outcomes  SL_OK; SL_E_CORRUPT
 */
enum sl_status checkpoint_find(
	struct view file,
	struct checkpoint_found *ret_found,
	uint64_t *ret_at
);
