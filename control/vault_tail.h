#pragma once

#include "control/api/key_table.h"
#include "crypto/siphash.h"
#include "io/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** An index entry: a hash and the link that it leads to. */
struct tail_entry {
	uint8_t hash[SIPHASH_SIZE];
	uint8_t link[KEY_LINK_SIZE];
};

struct tail_list {
	struct tail_entry *items; // [capacity], owned
	size_t count;
	size_t capacity;
};

/** What is committed and not yet in the vault's indexes. */
struct vault_tail {
	struct tail_list names;
	struct tail_list subjects;
	uint32_t *slots;                  // [slot_count] of the names: position + 1, 0 = free
	size_t slot_count;                // a power of two
	uint8_t last_link[KEY_LINK_SIZE]; // of the last key in here
	uint64_t last_pair;               // sequence of the last pair in here
};

/** Make room for so many more entries of each list, so that the adding can not fail. SL_OK; SL_E_NOMEM */
enum sl_status tail_reserve(struct vault_tail *tail, size_t count);

void tail_add_name(
	struct vault_tail *tail,
	const uint8_t name_hash[static SIPHASH_SIZE],
	const uint8_t link[static KEY_LINK_SIZE]
);
void tail_add_subject(
	struct vault_tail *tail,
	const uint8_t subject_hash[static SIPHASH_SIZE],
	const uint8_t link[static KEY_LINK_SIZE]
);

bool tail_find_name(
	const struct vault_tail *tail,
	const uint8_t name_hash[static SIPHASH_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
);

/** A copy in the order of hash, then link; ret_copy->items is the caller's to free. SL_OK; SL_E_NOMEM */
enum sl_status tail_copy_sorted(const struct tail_list *list, struct tail_list *ret_copy);

/** Empty it; the memory stays. */
void tail_reset(struct vault_tail *tail);
void tail_done(struct vault_tail *tail);
