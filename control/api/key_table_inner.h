#pragma once

#include "control/api/key_memory.h"
#include "control/api/key_table.h"

#include <assert.h>
#include <stdatomic.h>

// The layout of the key table, for key_table.c (the writer's side), key_table_find.c (readers) and key_table_shared.c
// (the table as a thing that processes pass on).
//
// Two parts, so that entries lie as dense as the caller asked for and a look-up still is two
// prefetched steps:
//
//	bucket[]  64 bytes: eight words  tag (32) | slot + 1 (32), 0 = free, GONE = was used
//	slot[]    a multiple of 32 bytes: sequence (8) | hash (16) | the entry's first bytes
//
// A hash has a home bucket and may lie in the BUCKET_PROBES after it; a look-up goes on only while
// buckets are without a free word, which is why a word that was used never becomes free again.
// At a load of one half or less, as here, nearly every look-up ends in its home bucket.
//
// Readers: a slot's sequence is odd while it is written. Everything that races is an atomic word:
// the writer stores data with release order after the odd sequence, a reader loads data with
// acquire order, so a reader that saw any new word also sees that the sequence has moved. On x86
// these are plain moves.

enum {
	BUCKET_WORDS = 8,
	BUCKET_PROBES = 6, // buckets a hash may lie in
	HASH_WORDS = KEY_HASH_SIZE / 8,
	ENTRY_HEAD_WORDS = (KEY_LINK_SIZE + 8 + 8) / 8, // link, subject, position
	KEY_WORDS = KEY_SIZE / 8,
	SUBJECT_WORD = KEY_LINK_SIZE / 8,
	POSITION_WORD = SUBJECT_WORD + 1,
	LINE = 64,
	SLOT_UNIT = LINE
		/ 2 // a slot of n half lines lies in no more lines than one of whole lines would
};

static const uint64_t GONE = UINT32_MAX; // no slot has this number

typedef _Atomic uint64_t word;

struct slot {
	word sequence; // odd: being written
	word hash[HASH_WORDS];
	word entry[]; // [entry_words]
};

/** What changes, and is shared with the memory. Plain moves: one thread writes at a time. */
struct key_table_state {
	word used;        // slots handed out so far; the writer's
	word hand;        // where the search for a slot that may give way goes on; the writer's
	word count;       // live entries
	word has_evicted; // 0 or 1
};

/** This process's handle; nothing in it but memory is shared. */
struct key_table {
	word *buckets;         // [bucket_count * BUCKET_WORDS]
	uint8_t *slots;        // [slot_count_max * slot_size]
	size_t bucket_count;   // from 1
	size_t slot_count_max; // entries it holds
	size_t slot_size;      // bytes, a multiple of SLOT_UNIT
	size_t entry_words;
	struct key_table_state *state; // own, or in the memory
	struct key_table_state own;
	struct key_memory memory;
};

static_assert(offsetof(struct key_entry, key) == ENTRY_HEAD_WORDS * 8, "copied as words");
static_assert(offsetof(struct key_entry, subject) == SUBJECT_WORD * 8, "copied as words");
static_assert(offsetof(struct key_entry, position) == POSITION_WORD * 8, "copied as words");
static_assert(
	(int)SUBJECT_WORD < (int)POSITION_WORD,
	"copied in this order: key_table_set_subject"
);
static_assert(ENTRY_HEAD_WORDS % KEY_WORDS == 0, "copied in steps of a key");
static_assert(sizeof(struct slot) == 24, "layout");

static inline struct slot *slot_at(const struct key_table *t, size_t index)
{
	return (struct slot *)(t->slots + index * t->slot_size);
}

/** The hash is keyed and uniform: its halves serve as bucket number and tag as they are. */
static inline size_t home_of(const struct key_table *t, const uint64_t hash[HASH_WORDS])
{
	return (size_t)(((unsigned __int128)hash[0] * t->bucket_count) >> 64);
}

static inline uint64_t tag_of(const uint64_t hash[HASH_WORDS])
{
	return hash[1] & ~(uint64_t)UINT32_MAX;
}

static inline word *bucket_at(const struct key_table *t, size_t index)
{
	return t->buckets
		+ (index < t->bucket_count ? index : index - t->bucket_count) * BUCKET_WORDS;
}

/** Where things lie in the memory of a table; offsets from its start. */
struct key_table_layout {
	size_t bucket_count;
	size_t slot_size;
	size_t entry_words;
	size_t slots_offset; // the buckets are at index_offset
	size_t size;
};

/** false: out of range. index_offset: a multiple of LINE. */
bool key_table_lay_out(
	size_t entry_count_max,
	uint32_t purpose_count,
	size_t index_offset,
	struct key_table_layout *ret_layout
);

/** The handle of a table that lies at memory so. */
void key_table_place_at(
	struct key_table *t,
	const struct key_table_layout *layout,
	size_t entry_count_max,
	size_t index_offset
);

/** The writer's own search: the word of the hash, or NULL; *ret_room is the first word that is free for it. */
word *key_table_find_word(
	const struct key_table *t,
	const uint64_t hash[static HASH_WORDS],
	word **ret_room
);
