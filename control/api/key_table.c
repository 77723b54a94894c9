#include "control/api/key_table.h"

#include "control/api/key_table_inner.h"
#include "crypto/secret.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum {
	EVICT_SCAN = 65536, // slots looked at for one that may give way
	AGED_SCAN = 64      // of them for one that is aged
};

static size_t entry_words_of(uint32_t purpose_count)
{
	return ENTRY_HEAD_WORDS + KEY_WORDS * (1 + (size_t)purpose_count);
}

static size_t slot_size_of(uint32_t purpose_count)
{
	return key_memory_round(sizeof(struct slot) + entry_words_of(purpose_count) * 8, SLOT_UNIT);
}

size_t key_table_entries_in(size_t bytes, uint32_t purpose_count)
{
	size_t entry_size = slot_size_of(purpose_count) + LINE / (BUCKET_WORDS / 2);

	return bytes < entry_size ? 1 : bytes / entry_size;
}

bool key_table_lay_out(
	size_t entry_count_max,
	uint32_t purpose_count,
	size_t index_offset,
	struct key_table_layout *ret_layout
)
{
	struct key_table_layout *l = ret_layout;

	if (entry_count_max == 0 || entry_count_max >= UINT32_MAX - 1
	    || purpose_count > CONTRACT_PURPOSES_MAX)
		return false;
	l->slot_size = slot_size_of(purpose_count);
	l->entry_words = entry_words_of(purpose_count);
	l->bucket_count = entry_count_max / (BUCKET_WORDS / 2) + BUCKET_PROBES;
	l->slots_offset = key_memory_round(
		index_offset + l->bucket_count * BUCKET_WORDS * sizeof(word), KEY_MEMORY_UNIT
	);
	l->size =
		key_memory_round(l->slots_offset + entry_count_max * l->slot_size, KEY_MEMORY_UNIT);
	return true;
}

void key_table_place_at(
	struct key_table *t,
	const struct key_table_layout *layout,
	size_t entry_count_max,
	size_t index_offset
)
{
	uint8_t *bytes = t->memory.bytes;

	t->buckets = (word *)(bytes + index_offset);
	t->slots = bytes + layout->slots_offset;
	t->bucket_count = layout->bucket_count;
	t->slot_count_max = entry_count_max;
	t->slot_size = layout->slot_size;
	t->entry_words = layout->entry_words;
}

enum sl_status key_table_new(
	size_t entry_count_max,
	uint32_t purpose_count,
	struct key_table **ret_table
)
{
	struct key_table_layout layout;
	struct key_table *t;

	if (!key_table_lay_out(entry_count_max, purpose_count, 0, &layout))
		return SL_E_INVALID;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return SL_E_NOMEM;
	if (key_memory_private(layout.size, &t->memory) != SL_OK) {
		free(t);
		return SL_E_NOMEM;
	}
	key_table_place_at(t, &layout, entry_count_max, 0);
	t->state = &t->own;
	*ret_table = t;
	return SL_OK;
}

static uint64_t get(const word *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static void set(word *w, uint64_t value)
{
	atomic_store_explicit(w, value, memory_order_relaxed);
}

void key_table_free(struct key_table *table)
{
	if (table == NULL)
		return;
	if (table->memory.fd < 0)
		bytes_wipe(table->slots, get(&table->own.used) * table->slot_size);
	key_memory_done(&table->memory);
	free(table);
}

static void slot_write(
	struct key_table *t,
	struct slot *s,
	const uint64_t hash[HASH_WORDS],
	const struct key_entry *entry
)
{
	const uint64_t *in = (const uint64_t *)entry;
	// Odd, also where a process that died left it so.
	uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed) | 1;

	// pairs with the loads in copy_out
	atomic_store_explicit(&s->sequence, sequence, memory_order_relaxed);
	for (size_t i = 0; i < HASH_WORDS; i++)
		atomic_store_explicit(&s->hash[i], hash[i], memory_order_release);
	for (size_t i = 0; i < t->entry_words; i++)
		atomic_store_explicit(&s->entry[i], in[i], memory_order_release);
	atomic_store_explicit(&s->sequence, sequence + 1, memory_order_release);
}

word *key_table_find_word(
	const struct key_table *t,
	const uint64_t hash[static HASH_WORDS],
	word **ret_room
)
{
	size_t home = home_of(t, hash);
	bool is_full = true;

	*ret_room = NULL;
	for (size_t probe = 0; probe < BUCKET_PROBES && is_full; probe++) {
		word *bucket = bucket_at(t, home + probe);

		for (size_t i = 0; i < BUCKET_WORDS; i++) {
			uint64_t w = atomic_load_explicit(&bucket[i], memory_order_relaxed);
			size_t index = (uint32_t)w - 1;
			const struct slot *s;

			if (w == 0 || w == GONE) {
				is_full = is_full && w == GONE;
				if (*ret_room == NULL)
					*ret_room = &bucket[i];
				continue;
			}
			// Whoever had the memory before may write to it still (key_table_recover).
			if ((w & ~(uint64_t)UINT32_MAX) != tag_of(hash)
			    || index >= t->slot_count_max)
				continue;
			s = slot_at(t, index);
			if (atomic_load_explicit(&s->hash[0], memory_order_relaxed) == hash[0]
			    && atomic_load_explicit(&s->hash[1], memory_order_relaxed) == hash[1])
				return &bucket[i];
		}
	}
	return NULL;
}

static uint64_t position_of(const struct slot *s)
{
	return atomic_load_explicit(&s->entry[POSITION_WORD], memory_order_relaxed);
}

/** Which entries may give way. */
struct yield {
	uint64_t mark;          // those at or below, in the key journal
	int64_t aged_before_ms; // of them those older first: nobody misses them
};

static bool is_aged(const struct slot *s, const struct yield *rule)
{
	// The link is the entry's first word, and begins with its time: 48 bits, big endian.
	return (int64_t)(be64toh(get(&s->entry[0])) >> 16) < rule->aged_before_ms;
}

/** Take the slot's hash out of the buckets, unless it stands there for another slot. */
static void unlink_slot(struct key_table *t, size_t index, const struct yield *rule)
{
	struct slot *s = slot_at(t, index);
	uint64_t hash[HASH_WORDS] = {get(&s->hash[0]), get(&s->hash[1])};
	word *room;
	word *w = key_table_find_word(t, hash, &room);

	// Told before the entry goes: who misses it must not take that for a proof.
	if (!is_aged(s, rule))
		atomic_store_explicit(&t->state->has_evicted, 1, memory_order_release);
	if (w != NULL && (uint32_t)get(w) - 1 == index) {
		atomic_store_explicit(w, GONE, memory_order_release);
		set(&t->state->count, get(&t->state->count) - 1);
	}
}

/** Where the search for a slot that gives way begins. */
static size_t first_choice(
	const struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	const struct yield *rule
)
{
	// Slots were filled in the order of time, so the hand meets the oldest first, who are aged.
	if (rule->aged_before_ms != 0)
		return get(&t->state->hand);
	// Where none is aged, anyone at all gives way. Were it the oldest, keys that come round and round
	// and are but few more than there is room for would each be gone when they come again.
	return (size_t)(((unsigned __int128)hash[1] * t->slot_count_max) >> 64);
}

/** The slot that gives way: the first one that is aged, or else the first that may; SIZE_MAX = none. */
static size_t choose_slot(
	const struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	const struct yield *rule
)
{
	size_t scan = t->slot_count_max < EVICT_SCAN ? t->slot_count_max : EVICT_SCAN;
	size_t index = first_choice(t, hash, rule);
	size_t chosen = SIZE_MAX;

	for (size_t i = 0; i < scan; i++) {
		const struct slot *s = slot_at(t, index);
		bool may_go = position_of(s) <= rule->mark;

		if (may_go && is_aged(s, rule))
			return index;
		if (may_go && chosen == SIZE_MAX)
			chosen = index;
		if (chosen != SIZE_MAX && (rule->aged_before_ms == 0 || i >= AGED_SCAN))
			return chosen;
		index = index + 1 < t->slot_count_max ? index + 1 : 0;
	}
	if (chosen == SIZE_MAX)
		set(&t->state->hand, index);
	return chosen;
}

/** A slot for a new entry; SIZE_MAX when none is free and none may give way. */
static size_t take_slot(
	struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	const struct yield *rule
)
{
	size_t used = get(&t->state->used);
	size_t index;

	if (used < t->slot_count_max) {
		set(&t->state->used, used + 1);
		return used;
	}
	index = choose_slot(t, hash, rule);
	if (index == SIZE_MAX)
		return SIZE_MAX;
	set(&t->state->hand, index + 1 < t->slot_count_max ? index + 1 : 0);
	unlink_slot(t, index, rule);
	return index;
}

/** Room among the buckets by moving out one who lives there; its slot is what the new entry gets. */
static word *evict_neighbour(
	struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	const struct yield *rule,
	size_t *ret_slot
)
{
	size_t home = home_of(t, hash);

	for (size_t i = 0; i < BUCKET_PROBES * BUCKET_WORDS; i++) {
		word *w = bucket_at(t, home + i / BUCKET_WORDS) + i % BUCKET_WORDS;
		size_t index = (uint32_t)atomic_load_explicit(w, memory_order_relaxed) - 1;

		if (position_of(slot_at(t, index)) <= rule->mark) {
			unlink_slot(t, index, rule);
			*ret_slot = index;
			return w;
		}
	}
	return NULL;
}

enum sl_status key_table_reserve(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	uint64_t evictable_mark,
	int64_t aged_before_ms,
	struct key_table_place *ret_place
)
{
	const struct yield rule = {.mark = evictable_mark, .aged_before_ms = aged_before_ms};
	uint64_t h[HASH_WORDS];
	size_t slot = SIZE_MAX;
	word *room;
	word *w;

	memcpy(h, hash, KEY_HASH_SIZE);
	w = key_table_find_word(table, h, &room);
	if (w != NULL) {
		*ret_place = (struct key_table_place){
			.slot = (uint32_t)get(w) - 1,
			.is_linked = true,
		};
		return SL_OK;
	}
	if (room != NULL)
		slot = take_slot(table, h, &rule);
	else
		room = evict_neighbour(table, h, &rule, &slot);
	if (slot == SIZE_MAX)
		return SL_E_FULL;
	*ret_place =
		(struct key_table_place){.slot = slot, .word = (size_t)(room - table->buckets)};
	return SL_OK;
}

void key_table_put(
	struct key_table *table,
	const struct key_table_place *place,
	const uint8_t hash[static KEY_HASH_SIZE],
	const struct key_entry *entry
)
{
	uint64_t h[HASH_WORDS];

	memcpy(h, hash, KEY_HASH_SIZE);
	slot_write(table, slot_at(table, place->slot), h, entry);
	if (place->is_linked)
		return;
	// pairs with the acquire in words_with_tag: who finds the word finds the slot written
	atomic_store_explicit(
		&table->buckets[place->word], tag_of(h) | (place->slot + 1), memory_order_release
	);
	set(&table->state->count, get(&table->state->count) + 1);
}

enum sl_status key_table_insert(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	const struct key_entry *entry,
	uint64_t evictable_mark
)
{
	struct key_table_place place;

	SL_TRY(key_table_reserve(table, hash, evictable_mark, 0, &place));
	key_table_put(table, &place, hash, entry);
	return SL_OK;
}

void key_table_set_subject(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	uint64_t subject,
	uint64_t position
)
{
	uint64_t h[HASH_WORDS];
	struct slot *s;
	word *room;
	word *w;

	memcpy(h, hash, KEY_HASH_SIZE);
	w = key_table_find_word(table, h, &room);
	if (w == NULL)
		return;
	s = slot_at(table, (uint32_t)get(w) - 1);
	// Two words, each whole in itself: no sequence is needed, but the position comes first. Who finds the subject
	// registered has to wait for its record; who sees the position alone waits a little longer than it must.
	if (position_of(s) < position)
		set(&s->entry[POSITION_WORD], position);
	// pairs with the loads in copy_out, which come in the other order
	atomic_store_explicit(&s->entry[SUBJECT_WORD], subject, memory_order_release);
}

bool key_table_has_evicted(const struct key_table *table)
{
	return atomic_load_explicit(&table->state->has_evicted, memory_order_acquire) != 0;
}

size_t key_table_count(const struct key_table *table)
{
	return get(&table->state->count);
}
