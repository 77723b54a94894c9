#include "control/api/key_table_inner.h"
#include "crypto/secret.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// The memory of a shared table:
//
//	| head | buckets, at INDEX_OFFSET | slots |
//
// Only what changes (head.state, buckets, slots) is read from there after key_table_attach: where things lie, each process
// knows by itself.

enum {
	TABLE_MAGIC = 0x54594b53, // "SKYT" in memory
	TABLE_VERSION = 1,
	INDEX_OFFSET = 4096
};

struct table_head {
	uint32_t magic;
	uint32_t version;
	uint64_t size; // bytes of the whole memory, as its maker asked for
	uint64_t entry_count_max;
	uint64_t scope;
	uint32_t slot_size;
	uint32_t purpose_count;
	uint8_t purposes[CONTRACT_PURPOSES_MAX]; // zeros behind the last
	uint64_t checksum;                       // XXH3-64 of what stands before
	_Alignas(LINE) struct key_table_state state;
};

static_assert(sizeof(struct table_head) == 2 * LINE, "layout");
static_assert(offsetof(struct table_head, checksum) == 56, "layout");

static uint64_t checksum_of(const struct table_head *head)
{
	return XXH3_64bits(head, offsetof(struct table_head, checksum));
}

static struct table_head *head_of(const struct key_table *t)
{
	return t->memory.bytes;
}

static bool are_levels(const uint8_t purposes[static CONTRACT_PURPOSES_MAX], uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (purposes[i] > PURPOSE_MAX || (i != 0 && purposes[i] <= purposes[i - 1]))
			return false;
	return true;
}

enum sl_status key_table_create_shared(
	const struct key_table_use *use,
	struct key_table **ret_table
)
{
	struct key_table_layout layout;
	struct table_head *head;
	struct key_table *t;

	if (!key_table_lay_out(use->entry_count_max, use->purpose_count, INDEX_OFFSET, &layout)
	    || !are_levels(use->purposes, use->purpose_count))
		return SL_E_INVALID;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return SL_E_NOMEM;
	if (key_memory_shared("sealane-keys", layout.size, &t->memory) != SL_OK) {
		free(t);
		return SL_E_NOMEM;
	}
	key_table_place_at(t, &layout, use->entry_count_max, INDEX_OFFSET);
	head = head_of(t);
	head->magic = TABLE_MAGIC;
	head->version = TABLE_VERSION;
	head->size = layout.size;
	head->entry_count_max = use->entry_count_max;
	head->scope = use->scope;
	head->slot_size = (uint32_t)layout.slot_size;
	head->purpose_count = use->purpose_count;
	memcpy(head->purposes, use->purposes, use->purpose_count);
	head->checksum = checksum_of(head);
	t->state = &head->state;
	*ret_table = t;
	return SL_OK;
}

/** What is in the buckets and the state names nothing outside the table. */
static bool is_inside(const struct key_table *t)
{
	uint64_t highest = 0;

	if (atomic_load_explicit(&t->state->used, memory_order_relaxed) > t->slot_count_max
	    || atomic_load_explicit(&t->state->hand, memory_order_relaxed) >= t->slot_count_max)
		return false;
	for (size_t i = 0; i < t->bucket_count * BUCKET_WORDS; i++) {
		uint64_t w = atomic_load_explicit(&t->buckets[i], memory_order_relaxed);
		uint64_t number = w == GONE ? 0 : (uint32_t)w;

		highest = number > highest ? number : highest;
		if (w != 0 && number == 0 && w != GONE)
			return false;
	}
	return highest <= t->slot_count_max;
}

/** head: a copy, which nobody changes meanwhile. */
static enum sl_status check_head(
	const struct table_head *head,
	size_t size,
	struct key_table_layout *ret_layout,
	struct problem *ret_problem
)
{
	if (head->magic != TABLE_MAGIC || head->version != TABLE_VERSION
	    || head->checksum != checksum_of(head))
		return problem_set(
			ret_problem,
			SL_E_CORRUPT,
			"the key table is none, or of another version of Sealane"
		);
	if (!key_table_lay_out(head->entry_count_max, head->purpose_count, INDEX_OFFSET, ret_layout)
	    || !are_levels(head->purposes, head->purpose_count) || head->size != ret_layout->size
	    || size < ret_layout->size || head->slot_size != ret_layout->slot_size)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "the key table's sizes contradict each other"
		);
	return SL_OK;
}

static enum sl_status attach(struct key_table *t, struct problem *ret_problem)
{
	struct key_table_layout layout;
	struct table_head head;

	memcpy(&head, t->memory.bytes, offsetof(struct table_head, state));
	SL_TRY(check_head(&head, t->memory.size, &layout, ret_problem));
	key_table_place_at(t, &layout, head.entry_count_max, INDEX_OFFSET);
	t->state = &head_of(t)->state;
	if (!is_inside(t))
		return problem_set(
			ret_problem,
			SL_E_CORRUPT,
			"the key table names entries that it does not have"
		);
	return SL_OK;
}

enum sl_status key_table_attach(int fd, struct key_table **ret_table, struct problem *ret_problem)
{
	struct key_table *t = calloc(1, sizeof(*t));
	enum sl_status status;

	if (t == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a key table");
	status = key_memory_attach(fd, INDEX_OFFSET, &t->memory);
	if (status != SL_OK) {
		free(t);
		return problem_set(
			ret_problem,
			status,
			"the key table can not be mapped: %s",
			status_text(status)
		);
	}
	status = attach(t, ret_problem);
	if (status != SL_OK) {
		key_memory_done(&t->memory);
		free(t);
		return status;
	}
	*ret_table = t;
	return SL_OK;
}

int key_table_fd(const struct key_table *table)
{
	return table->memory.fd;
}

bool key_table_is_locked(const struct key_table *table)
{
	return table->memory.is_locked;
}

struct key_table_use key_table_use(const struct key_table *table)
{
	const struct table_head *head = head_of(table);
	struct key_table_use use = {.entry_count_max = table->slot_count_max};

	if (table->memory.fd < 0)
		return use;
	use.scope = head->scope;
	// Never more than were checked.
	use.purpose_count = (uint32_t)(table->entry_words - ENTRY_HEAD_WORDS) / KEY_WORDS - 1;
	memcpy(use.purposes, head->purposes, sizeof(use.purposes));
	return use;
}

static bool is_odd(const struct slot *s)
{
	return (atomic_load_explicit(&s->sequence, memory_order_relaxed) & 1) != 0;
}

/** Words that name no slot in use go first. @return words dropped */
static size_t drop_wild_words(struct key_table *t, uint64_t used)
{
	size_t dropped = 0;

	for (size_t i = 0; i < t->bucket_count * BUCKET_WORDS; i++) {
		uint64_t w = atomic_load_explicit(&t->buckets[i], memory_order_relaxed);

		if (w == 0 || w == GONE || ((uint32_t)w != 0 && (uint32_t)w <= used))
			continue;
		atomic_store_explicit(&t->buckets[i], GONE, memory_order_relaxed);
		dropped++;
	}
	return dropped;
}

/** Is the word the one by which its slot, written whole, is found? */
static bool is_true_word(const struct key_table *t, uint64_t w, const word *at)
{
	size_t index = (uint32_t)w - 1;
	const struct slot *s;
	uint64_t hash[HASH_WORDS];
	word *room;

	// Outside, though no word was a moment ago: somebody who is not the dataplane any more writes still.
	if (index >= t->slot_count_max)
		return false;
	s = slot_at(t, index);
	hash[0] = atomic_load_explicit(&s->hash[0], memory_order_relaxed);
	hash[1] = atomic_load_explicit(&s->hash[1], memory_order_relaxed);
	return !is_odd(s) && key_table_find_word(t, hash, &room) == at;
}

/** Words of slots half written, and words by which their slot is not found. @return words dropped */
static size_t drop_false_words(struct key_table *t, size_t *ret_count)
{
	size_t dropped = 0;

	*ret_count = 0;
	for (size_t i = 0; i < t->bucket_count * BUCKET_WORDS; i++) {
		uint64_t w = atomic_load_explicit(&t->buckets[i], memory_order_relaxed);

		if (w == 0 || w == GONE)
			continue;
		if (is_true_word(t, w, &t->buckets[i])) {
			++*ret_count;
			continue;
		}
		atomic_store_explicit(&t->buckets[i], GONE, memory_order_relaxed);
		dropped++;
	}
	return dropped;
}

/** An even sequence, and nothing in it: it is given out again when the table is full. */
static void clear_slot(struct key_table *t, struct slot *s)
{
	uint64_t sequence = atomic_load_explicit(&s->sequence, memory_order_relaxed);

	for (size_t i = 0; i < HASH_WORDS; i++)
		atomic_store_explicit(&s->hash[i], 0, memory_order_relaxed);
	for (size_t i = 0; i < t->entry_words; i++)
		atomic_store_explicit(&s->entry[i], 0, memory_order_relaxed);
	atomic_store_explicit(&s->sequence, sequence + 1, memory_order_release);
}

size_t key_table_recover(struct key_table *table)
{
	struct key_table_state *state = table->state;
	uint64_t used = atomic_load_explicit(&state->used, memory_order_relaxed);
	size_t dropped;
	size_t count;

	if (used > table->slot_count_max)
		used = table->slot_count_max;
	dropped = drop_wild_words(table, used);
	dropped += drop_false_words(table, &count);
	for (uint64_t i = 0; i < used; i++)
		if (is_odd(slot_at(table, i)))
			clear_slot(table, slot_at(table, i));
	atomic_store_explicit(&state->used, used, memory_order_relaxed);
	if (atomic_load_explicit(&state->hand, memory_order_relaxed) >= table->slot_count_max)
		atomic_store_explicit(&state->hand, 0, memory_order_relaxed);
	atomic_store_explicit(&state->count, count, memory_order_release);
	return dropped;
}
