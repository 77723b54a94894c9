#include "control/api/key_table.h"
#include "control/api/key_table_inner.h"

#include <string.h>

enum {
	AHEAD = 10, // look-ups between two steps of one
	RING = 64   // a power of two above 2 * AHEAD
};

/** A look-up under way. */
struct look_up {
	uint64_t hash[HASH_WORDS];
	const struct slot *slot; // the first candidate, or NULL
};

/** Copy a slot out; false when it holds another hash. Waits out a writer, who never sleeps in between. */
static bool copy_out(
	const struct key_table *t,
	const struct slot *s,
	const uint64_t hash[HASH_WORDS],
	struct key_entry *ret_entry
)
{
	uint64_t *out = (uint64_t *)ret_entry;
	uint64_t before;
	uint64_t after;
	bool is_same;

	do {
		// pairs with the release stores in slot_write; the words in order, as key_table_set_subject wants it
		before = atomic_load_explicit(&s->sequence, memory_order_acquire);
		is_same = atomic_load_explicit(&s->hash[0], memory_order_acquire) == hash[0]
			&& atomic_load_explicit(&s->hash[1], memory_order_acquire) == hash[1];
		if (is_same)
			for (size_t i = 0; i < t->entry_words; i += KEY_WORDS)
				for (size_t k = i; k < i + KEY_WORDS;
				     k++) // unrolled by the compiler
					out[k] = atomic_load_explicit(
						&s->entry[k], memory_order_acquire
					);
		after = atomic_load_explicit(&s->sequence, memory_order_relaxed);
	} while (before != after || (before & 1) != 0);
	return is_same;
}

/** The words of a bucket: which carry the tag, as bits, and whether one was never used. No branches. */
static uint32_t words_with_tag(const word *bucket, uint64_t tag, bool *ret_has_free)
{
	uint32_t same = 0;
	uint32_t is_free = 0;

	for (uint32_t i = 0; i < BUCKET_WORDS; i++) {
		// pairs with the release in key_table_insert
		uint64_t w = atomic_load_explicit(&bucket[i], memory_order_acquire);

		same |= (uint32_t)((w ^ tag) <= UINT32_MAX) << i;
		is_free |= (uint32_t)(w == 0) << i;
	}
	*ret_has_free = is_free != 0;
	return same;
}

/** The slot that a word names now, or NULL. Any slot is safe to read: its hash decides. */
static const struct slot *slot_of_word(const struct key_table *t, const word *w)
{
	uint64_t value = atomic_load_explicit(w, memory_order_acquire);

	return value == 0 || value == GONE ? NULL : slot_at(t, (uint32_t)value - 1);
}

/** The first candidate, fetched ahead: nearly always the one. */
static const struct slot *prefetch_slot(const struct key_table *t, const uint64_t hash[HASH_WORDS])
{
	const word *bucket = bucket_at(t, home_of(t, hash));
	bool has_free;
	uint32_t same = words_with_tag(bucket, tag_of(hash), &has_free);
	const struct slot *s;

	if (same == 0)
		return NULL;
	s = slot_of_word(t, bucket + __builtin_ctz(same));
	if (s != NULL)
		for (size_t at = 0; at < t->slot_size; at += LINE)
			__builtin_prefetch((const uint8_t *)s + at);
	return s;
}

static bool find_one(
	const struct key_table *t,
	const uint64_t hash[HASH_WORDS],
	struct key_entry *ret_entry
)
{
	size_t home = home_of(t, hash);
	bool has_free = false;

	for (size_t probe = 0; probe < BUCKET_PROBES && !has_free; probe++) {
		const word *bucket = bucket_at(t, home + probe);
		uint32_t same = words_with_tag(bucket, tag_of(hash), &has_free);

		for (; same != 0; same &= same - 1) {
			const struct slot *s = slot_of_word(t, bucket + __builtin_ctz(same));

			if (s != NULL && copy_out(t, s, hash, ret_entry))
				return true;
		}
	}
	return false;
}

void key_table_prefetch(
	const struct key_table *table,
	const uint8_t (*hashes)[KEY_HASH_SIZE],
	size_t count
)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t hash[HASH_WORDS];

		memcpy(hash, hashes[i], KEY_HASH_SIZE);
		__builtin_prefetch(bucket_at(table, home_of(table, hash)));
	}
}

/**
 * Three steps a look-up (fetch the bucket, read it and fetch the slot, copy out), each AHEAD rows behind the one
 * before, so that waiting for memory and work overlap.
 */
size_t key_table_find_burst(
	const struct key_table *table,
	const uint8_t (*hashes)[KEY_HASH_SIZE],
	size_t count,
	struct key_entry *const ret_entries[],
	bool ret_found[]
)
{
	struct look_up ring[RING];
	size_t found = 0;

	for (size_t i = 0; i < count + 2 * AHEAD; i++) {
		if (i < count) {
			struct look_up *l = &ring[i % RING];

			memcpy(l->hash, hashes[i], KEY_HASH_SIZE);
			__builtin_prefetch(bucket_at(table, home_of(table, l->hash)));
		}
		if (i >= AHEAD && i - AHEAD < count) {
			struct look_up *l = &ring[(i - AHEAD) % RING];

			l->slot = prefetch_slot(table, l->hash);
		}
		if (i >= 2 * AHEAD) {
			size_t row = i - 2 * AHEAD;
			struct look_up *l = &ring[row % RING];
			struct key_entry *entry = ret_entries[row];

			ret_found[row] =
				(l->slot != NULL && copy_out(table, l->slot, l->hash, entry))
				|| find_one(table, l->hash, entry);
			found += ret_found[row];
		}
	}
	return found;
}
