#pragma once

#include "control/api/key_table.h"
#include "io/base/view.h"

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** A row whose key is not in the table, or whose subject is new to its key. */
struct key_want {
	uint8_t hash[KEY_HASH_SIZE];
	int64_t day;              // UTC day of the window, days since 1970-01-01; 0: window by age
	uint64_t subject;         // fingerprint; 0 = no subject
	uint8_t subject_hash[16]; // keyed hash of the subject's value; zeros when subject is 0
	struct key_entry *entry;  // out: filled
	bool is_link_only;        // the key is there (entry is filled): only the subject is new
	bool is_given;            // out: false when the key can not be had; the row is dropped
};

/**
 * Where keys come from that the table does not hold. One call a turn at the most, never one a row.
 *
 * Batch: the embedded keyring, which asks the vault, makes what is missing and journals it.
 * Packet path: claims in the shared table and writes the key journal.
 *
 * No two wants of a call are for the same key and subject. A key that is missing may stand in several wants, none of
 * them is_link_only, when it has several subjects: it is made once, and each want's entry is filled.
 */
struct key_source {
	void (*claim)(void *self, struct key_want wants[], size_t count);
	void *self;
	struct key_table *table;
	const uint8_t
		*hash_key; // [SIPHASH_KEY_SIZE] secret: keys the hashes of key values and subjects
	uint64_t scope;    // what the hashes are bound to: the group and contract
	int64_t window_ms; // 0: a key is of a UTC day. Else of no day, and one of this age is missing
	int64_t now_ms; // since 1970, for window_ms: set by the driver before a turn; 0 = read the clock
};

/** A window by age that does not end. */
static const int64_t KEY_WINDOW_NEVER = INT64_MAX;

/** When a key was made, ms since 1970: its link is a UUIDv7. */
static inline int64_t key_link_ms(const uint8_t link[static KEY_LINK_SIZE])
{
	uint64_t ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | link[i];
	return (int64_t)ms;
}

/** Whether a key's window is over at now_ms. window_ms 0: never. */
static inline bool key_is_aged(
	const uint8_t link[static KEY_LINK_SIZE],
	int64_t window_ms,
	int64_t now_ms
)
{
	return window_ms != 0 && now_ms - key_link_ms(link) >= window_ms;
}

/** The fingerprint of a subject whose keyed hash this is. */
static inline uint64_t key_subject_of(const uint8_t hash[static KEY_HASH_SIZE])
{
	uint64_t subject;

	memcpy(&subject, hash, sizeof(subject));
	return subject == 0 ? 1 : le64toh(subject);
}
