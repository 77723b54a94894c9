#include "control/vault_tail.h"

#include <stdlib.h>
#include <string.h>

enum {
	CAPACITY_MIN = 1024,
	PREFIXES = 1 << 16
};

static uint64_t word_of(const uint8_t hash[static SIPHASH_SIZE])
{
	uint64_t w;

	memcpy(&w, hash, sizeof(w));
	return w;
}

static void place(struct vault_tail *tail, size_t position)
{
	size_t mask = tail->slot_count - 1;
	size_t at = word_of(tail->names.items[position].hash) & mask;

	while (tail->slots[at] != 0)
		at = (at + 1) & mask;
	tail->slots[at] = (uint32_t)position + 1;
}

static enum sl_status list_reserve(struct tail_list *list, size_t count)
{
	size_t capacity = list->capacity < CAPACITY_MIN ? CAPACITY_MIN : list->capacity;
	struct tail_entry *items;

	if (count > UINT32_MAX / 4 - list->count)
		return SL_E_NOMEM;
	while (capacity < list->count + count)
		capacity *= 2;
	if (capacity == list->capacity)
		return SL_OK;
	items = realloc(list->items, capacity * sizeof(*items));
	if (items == NULL)
		return SL_E_NOMEM;
	list->items = items;
	list->capacity = capacity;
	return SL_OK;
}

enum sl_status tail_reserve(struct vault_tail *tail, size_t count)
{
	uint32_t *slots;
	size_t slot_count;

	SL_TRY(list_reserve(&tail->names, count));
	SL_TRY(list_reserve(&tail->subjects, count));
	slot_count = 2 * tail->names.capacity;
	if (slot_count == tail->slot_count)
		return SL_OK;
	slots = calloc(slot_count, sizeof(*slots));
	if (slots == NULL)
		return SL_E_NOMEM;
	free(tail->slots);
	tail->slots = slots;
	tail->slot_count = slot_count;
	for (size_t i = 0; i < tail->names.count; i++)
		place(tail, i);
	return SL_OK;
}

static void list_add(struct tail_list *list, const uint8_t *hash, const uint8_t *link)
{
	struct tail_entry *e = &list->items[list->count++];

	memcpy(e->hash, hash, sizeof(e->hash));
	memcpy(e->link, link, sizeof(e->link));
}

void tail_add_name(
	struct vault_tail *tail,
	const uint8_t name_hash[static SIPHASH_SIZE],
	const uint8_t link[static KEY_LINK_SIZE]
)
{
	list_add(&tail->names, name_hash, link);
	place(tail, tail->names.count - 1);
}

void tail_add_subject(
	struct vault_tail *tail,
	const uint8_t subject_hash[static SIPHASH_SIZE],
	const uint8_t link[static KEY_LINK_SIZE]
)
{
	list_add(&tail->subjects, subject_hash, link);
}

bool tail_find_name(
	const struct vault_tail *tail,
	const uint8_t name_hash[static SIPHASH_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
)
{
	size_t mask = tail->slot_count - 1;

	if (tail->slot_count == 0)
		return false;
	for (size_t at = word_of(name_hash) & mask; tail->slots[at] != 0; at = (at + 1) & mask) {
		const struct tail_entry *e = &tail->names.items[tail->slots[at] - 1];

		if (memcmp(e->hash, name_hash, SIPHASH_SIZE) != 0)
			continue;
		memcpy(ret_link, e->link, KEY_LINK_SIZE);
		return true;
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct tail_entry));
}

static uint32_t prefix_of(const struct tail_entry *e)
{
	return (uint32_t)e->hash[0] << 8 | e->hash[1];
}

/** Hashes are uniform: after one distribution by their first bytes hardly anything is left to sort. */
static void distribute(const struct tail_list *list, uint32_t *ends, struct tail_entry *out)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < list->count; i++)
		ends[prefix_of(&list->items[i])]++;
	for (size_t i = 0; i < PREFIXES; i++) {
		uint32_t count = ends[i];

		ends[i] = sum;
		sum += count;
	}
	for (size_t i = 0; i < list->count; i++)
		out[ends[prefix_of(&list->items[i])]++] = list->items[i];
}

enum sl_status tail_copy_sorted(const struct tail_list *list, struct tail_list *ret_copy)
{
	uint32_t *ends = calloc(PREFIXES, sizeof(*ends));
	struct tail_entry *items = malloc((list->count + 1) * sizeof(*items));
	size_t first = 0;

	if (ends == NULL || items == NULL) {
		free(ends);
		free(items);
		return SL_E_NOMEM;
	}
	distribute(list, ends, items);
	for (size_t i = 0; i < PREFIXES; i++) {
		if (ends[i] - first > 1)
			qsort(items + first, ends[i] - first, sizeof(*items), compare);
		first = ends[i];
	}
	free(ends);
	*ret_copy = (struct tail_list){
		.items = items,
		.count = list->count,
		.capacity = list->count,
	};
	return SL_OK;
}

void tail_reset(struct vault_tail *tail)
{
	tail->names.count = 0;
	tail->subjects.count = 0;
	if (tail->slots != NULL)
		memset(tail->slots, 0, tail->slot_count * sizeof(*tail->slots));
}

void tail_done(struct vault_tail *tail)
{
	free(tail->names.items);
	free(tail->subjects.items);
	free(tail->slots);
	*tail = (struct vault_tail){0};
}
