#pragma once

#include "io/base/status.h"
#include "io/base/view.h"

#include <stdint.h>

// The form of a checkpoint's file: records, each as
//
//	| head: magic, size, sequence, checksum of these | state | zeros to a multiple of 8 | checksum of the state |

enum {
	CHECKPOINT_HEAD_SIZE = 32, // bytes
	CHECKPOINT_TAIL_SIZE = 8   // bytes
};

/** What a file holds. */
struct checkpoint_found {
	struct view state; // of the newest whole record, inside the file's bytes; sequence 0 = none
	uint64_t sequence; // of that record
	uint64_t end;      // bytes: where the next record goes
};

/** Bytes of a record with such a state. */
uint64_t checkpoint_record_size(uint64_t state_size);

/** Write head and tail of a record around the state, which lies at CHECKPOINT_HEAD_SIZE in it already. */
void checkpoint_record_seal(uint8_t *record, uint32_t state_size, uint64_t sequence);

/**
 * Walk the records. What a crash leaves at the end is left out: a record that is cut short, or whose end is zeros.
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
