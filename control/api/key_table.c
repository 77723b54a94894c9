#include "control/api/key_table.h"

#include "control/api/key_table_inner.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	EVICT_SCAN = 65536 // slots looked at for one that may give way
};

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) / unit * unit;
}

/**
 * Memory that is locked as it is touched (best effort), not dumped, not in children. Not secret_new: that
 * would make all of it resident at once, however few keys a job has.
 */
static void *memory_new(size_t size)
{
	uint8_t *whole =
		mmap(NULL,
		     size + HUGE_PAGE,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);
	size_t skip;

	if (whole == MAP_FAILED)
		return NULL;
	skip = round_up((uintptr_t)whole, HUGE_PAGE) - (uintptr_t)whole;
	if (skip != 0)
		munmap(whole, skip);
	if (skip != HUGE_PAGE)
		munmap(whole + skip + size, HUGE_PAGE - skip);
	(void)!madvise(whole + skip, size, MADV_DONTDUMP);
	(void)!madvise(whole + skip, size, MADV_DONTFORK);
	(void)!madvise(whole + skip, size, MADV_HUGEPAGE);
	(void)!mlock2(whole + skip, size, MLOCK_ONFAULT);
	return whole + skip;
}

static size_t entry_words_of(uint32_t purpose_count)
{
	return ENTRY_HEAD_WORDS + KEY_WORDS * (1 + (size_t)purpose_count);
}

static size_t slot_size_of(uint32_t purpose_count)
{
	return round_up(sizeof(struct slot) + entry_words_of(purpose_count) * 8, SLOT_UNIT);
}

size_t key_table_entries_in(size_t bytes, uint32_t purpose_count)
{
	size_t entry_size = slot_size_of(purpose_count) + LINE / (BUCKET_WORDS / 2);

	return bytes < entry_size ? 1 : bytes / entry_size;
}

enum sl_status key_table_new(
	size_t entry_count_max,
	uint32_t purpose_count,
	struct key_table **ret_table
)
{
	struct key_table *t;
	size_t index_size;
	size_t bucket_count;
	size_t slot_size = slot_size_of(purpose_count);

	if (entry_count_max == 0 || entry_count_max >= UINT32_MAX - 1
	    || purpose_count > CONTRACT_PURPOSES_MAX)
		return SL_E_INVALID;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return SL_E_NOMEM;
	bucket_count = entry_count_max / (BUCKET_WORDS / 2) + BUCKET_PROBES;
	index_size = round_up(bucket_count * BUCKET_WORDS * sizeof(word), HUGE_PAGE);
	t->memory_size = round_up(index_size + entry_count_max * slot_size, HUGE_PAGE);
	t->memory = memory_new(t->memory_size);
	if (t->memory == NULL) {
		free(t);
		return SL_E_NOMEM;
	}
	t->buckets = t->memory;
	t->slots = (uint8_t *)t->memory + index_size;
	t->bucket_count = bucket_count;
	t->slot_count_max = entry_count_max;
	t->slot_size = slot_size;
	t->entry_words = entry_words_of(purpose_count);
	*ret_table = t;
	return SL_OK;
}

void key_table_free(struct key_table *table)
{
	if (table == NULL)
		return;
	bytes_wipe(table->slots, table->used * table->slot_size);
	munmap(table->memory, table->memory_size);
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
	uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	// pairs with the loads in copy_out
	atomic_store_explicit(&s->sequence, sequence + 1, memory_order_relaxed);
	for (size_t i = 0; i < HASH_WORDS; i++)
		atomic_store_explicit(&s->hash[i], hash[i], memory_order_release);
	for (size_t i = 0; i < t->entry_words; i++)
		atomic_store_explicit(&s->entry[i], in[i], memory_order_release);
	atomic_store_explicit(&s->sequence, sequence + 2, memory_order_release);
}

/** The writer's own search: the word of the hash, or NULL; *ret_room is the first word that is free for it. */
static word *find_word(const struct key_table *t, const uint64_t hash[HASH_WORDS], word **ret_room)
{
	size_t home = home_of(t, hash);
	bool is_full = true;

	*ret_room = NULL;
	for (size_t probe = 0; probe < BUCKET_PROBES && is_full; probe++) {
		word *bucket = bucket_at(t, home + probe);

		for (size_t i = 0; i < BUCKET_WORDS; i++) {
			uint64_t w = atomic_load_explicit(&bucket[i], memory_order_relaxed);
			const struct slot *s;

			if (w == 0 || w == GONE) {
				is_full = is_full && w == GONE;
				if (*ret_room == NULL)
					*ret_room = &bucket[i];
				continue;
			}
			s = slot_at(t, (uint32_t)w - 1);
			if ((w & ~(uint64_t)UINT32_MAX) == tag_of(hash)
			    && atomic_load_explicit(&s->hash[0], memory_order_relaxed) == hash[0]
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

/** Take the slot's hash out of the buckets. */
static void unlink_slot(struct key_table *t, struct slot *s)
{
	uint64_t hash[HASH_WORDS] = {
		atomic_load_explicit(&s->hash[0], memory_order_relaxed),
		atomic_load_explicit(&s->hash[1], memory_order_relaxed),
	};
	word *room;
	word *w = find_word(t, hash, &room);

	// Told before the entry goes: who misses it must not take that for a proof.
	atomic_store_explicit(&t->has_evicted, true, memory_order_release);
	if (w != NULL) {
		atomic_store_explicit(w, GONE, memory_order_release);
		atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
	}
}

/** A slot for a new entry; SIZE_MAX when none is free and none may give way. */
static size_t take_slot(
	struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	uint64_t evictable_mark
)
{
	size_t scan = t->slot_count_max < EVICT_SCAN ? t->slot_count_max : EVICT_SCAN;
	size_t start = (size_t)(((unsigned __int128)hash[1] * t->slot_count_max) >> 64);

	if (t->used < t->slot_count_max)
		return t->used++;
	// Anyone at all gives way. Were it the oldest, keys that come round and round and are but few
	// more than there is room for would each be gone when they come again.
	for (size_t i = 0; i < scan; i++) {
		size_t index = (start + i) % t->slot_count_max;

		if (position_of(slot_at(t, index)) <= evictable_mark) {
			unlink_slot(t, slot_at(t, index));
			return index;
		}
	}
	return SIZE_MAX;
}

/** Room among the buckets by moving out one who lives there; its slot is what the new entry gets. */
static word *evict_neighbour(
	struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	uint64_t evictable_mark,
	size_t *ret_slot
)
{
	size_t home = home_of(t, hash);

	for (size_t i = 0; i < BUCKET_PROBES * BUCKET_WORDS; i++) {
		word *w = bucket_at(t, home + i / BUCKET_WORDS) + i % BUCKET_WORDS;
		size_t index = (uint32_t)atomic_load_explicit(w, memory_order_relaxed) - 1;

		if (position_of(slot_at(t, index)) <= evictable_mark) {
			unlink_slot(t, slot_at(t, index));
			*ret_slot = index;
			return w;
		}
	}
	return NULL;
}

enum sl_status key_table_insert(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	const struct key_entry *entry,
	uint64_t evictable_mark
)
{
	uint64_t h[HASH_WORDS];
	size_t slot = SIZE_MAX;
	word *room;
	word *w;

	memcpy(h, hash, KEY_HASH_SIZE);
	w = find_word(table, h, &room);
	if (w != NULL) {
		slot_write(
			table,
			slot_at(table, (uint32_t)atomic_load_explicit(w, memory_order_relaxed) - 1),
			h,
			entry
		);
		return SL_OK;
	}
	if (room != NULL)
		slot = take_slot(table, h, evictable_mark);
	else
		room = evict_neighbour(table, h, evictable_mark, &slot);
	if (slot == SIZE_MAX)
		return SL_E_FULL;
	slot_write(table, slot_at(table, slot), h, entry);
	// pairs with the acquire in words_with_tag: who finds the word finds the slot written
	atomic_store_explicit(room, tag_of(h) | (slot + 1), memory_order_release);
	atomic_fetch_add_explicit(&table->count, 1, memory_order_relaxed);
	return SL_OK;
}

void key_table_set_subject(
	struct key_table *table,
	const uint8_t hash[static KEY_HASH_SIZE],
	uint64_t subject
)
{
	uint64_t h[HASH_WORDS];
	word *room;
	word *w;

	memcpy(h, hash, KEY_HASH_SIZE);
	w = find_word(table, h, &room);
	if (w == NULL)
		return;
	// One word, whole in itself: no sequence is needed.
	atomic_store_explicit(
		&slot_at(table, (uint32_t)atomic_load_explicit(w, memory_order_relaxed) - 1)
			 ->entry[SUBJECT_WORD],
		subject,
		memory_order_release
	);
}

bool key_table_has_evicted(const struct key_table *table)
{
	return atomic_load_explicit(&table->has_evicted, memory_order_acquire);
}

size_t key_table_count(const struct key_table *table)
{
	return atomic_load_explicit(&table->count, memory_order_relaxed);
}
