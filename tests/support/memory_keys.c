#include "tests/support/memory_keys.h"

#include <stdlib.h>
#include <string.h>

/** Fill the entry of a key that is there. */
static bool find_key(
	struct memory_keys *keys,
	const struct key_want *want,
	struct key_entry *ret_entry
)
{
	bool is_found;

	return key_table_find_burst(keys->source.table, &want->hash, 1, &ret_entry, &is_found) != 0;
}

static void make_key(struct memory_keys *keys, struct key_want *want)
{
	uint8_t dek[KEY_SIZE];

	engine_random(keys->engine, dek, sizeof(dek));
	engine_random(keys->engine, want->entry->link, KEY_LINK_SIZE);
	want->entry->link[6] = (uint8_t)(0x70 | (want->entry->link[6] & 0x0f));
	want->entry->link[8] = (uint8_t)(0x80 | (want->entry->link[8] & 0x3f));
	engine_derive(
		keys->engine, dek, 1, keys->purposes, keys->purpose_count, want->entry->key[0]
	);
	want->entry->subject = want->subject;
	want->entry->position = ++keys->position;
	if (key_table_insert(keys->source.table, want->hash, want->entry, 0) != SL_OK)
		abort();
	keys->made_count++;
}

static bool is_repeated(const struct key_want wants[], size_t w)
{
	for (size_t n = 0; n < w; n++)
		if (memcmp(wants[n].hash, wants[w].hash, KEY_HASH_SIZE) == 0
		    && (wants[n].subject == wants[w].subject || wants[w].subject == 0))
			return true;
	return false;
}

static void claim(void *self, struct key_want wants[], size_t count)
{
	struct memory_keys *keys = self;

	keys->claim_count++;
	for (size_t w = 0; w < count; w++) {
		struct key_want *want = &wants[w];
		struct key_entry entry;

		want->is_given = !keys->is_refusing;
		if (keys->is_refusing)
			continue;
		keys->repeated_count += is_repeated(wants, w);
		keys->repeated_count += want->is_link_only && !find_key(keys, want, &entry);
		memcpy(keys->last_subject_hash, want->subject_hash, sizeof(want->subject_hash));
		if (!want->is_link_only && !find_key(keys, want, want->entry)) {
			make_key(keys, want);
			continue;
		}
		want->entry->subject = want->subject;
		key_table_set_subject(keys->source.table, want->hash, want->subject, 0);
		keys->linked_count++;
	}
}

struct memory_keys *memory_keys_new(
	struct engine *engine,
	const struct policy_image *image,
	size_t key_count_max
)
{
	struct memory_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		abort();
	keys->engine = engine;
	keys->purposes = policy_rows(image, image->purposes);
	keys->purpose_count = image->purposes.count;
	memset(keys->hash_key, 0x5c, sizeof(keys->hash_key));
	keys->source.claim = claim;
	keys->source.self = keys;
	keys->source.hash_key = keys->hash_key;
	keys->source.scope = 77;
	if (key_table_new(key_count_max, keys->purpose_count, &keys->source.table) != SL_OK)
		abort();
	return keys;
}

void memory_keys_free(struct memory_keys *keys)
{
	if (keys == NULL)
		return;
	key_table_free(keys->source.table);
	free(keys);
}
