#include "dataplane/batch/throwaway_keys.h"

#include "control/api/key_link.h"
#include "crypto/secret.h"
#include "crypto/siphash.h"
#include "io/base/clock.h"

#include <stdlib.h>

enum {
	KEYS_MAX = 1024 // older ones give way
};

struct throwaway_keys {
	struct engine *engine;
	const uint8_t *purposes;
	uint32_t purpose_count;
	struct key_table *table;
	struct key_link_maker links;
	uint64_t position;
	uint8_t hash_key[SIPHASH_KEY_SIZE];
};

static bool make_key(struct throwaway_keys *keys, struct key_want *want)
{
	uint8_t random[KEY_LINK_RANDOM_SIZE];
	uint8_t dek[KEY_SIZE];

	engine_random(keys->engine, random, sizeof(random));
	engine_random(keys->engine, dek, sizeof(dek));
	key_link_next(&keys->links, clock_wall_ms(), random, want->entry->link);
	engine_derive(
		keys->engine, dek, 1, keys->purposes, keys->purpose_count, want->entry->key[0]
	);
	bytes_wipe(dek, sizeof(dek));
	want->entry->subject = want->subject;
	want->entry->position = ++keys->position;
	return key_table_insert(keys->table, want->hash, want->entry, keys->position) == SL_OK;
}

static void claim(void *self, struct key_want wants[], size_t count)
{
	struct throwaway_keys *keys = self;

	for (size_t w = 0; w < count; w++) {
		struct key_entry *entry = wants[w].entry;
		bool is_found = false;

		// A key may be wanted for several subjects at once, and is made once.
		if (!wants[w].is_link_only)
			key_table_find_burst(
				keys->table,
				(const uint8_t(*)[KEY_HASH_SIZE])wants[w].hash,
				1,
				&entry,
				&is_found
			);
		wants[w].is_given = wants[w].is_link_only || is_found || make_key(keys, &wants[w]);
		if (wants[w].is_given)
			key_table_set_subject(keys->table, wants[w].hash, wants[w].subject, 0);
	}
}

enum sl_status throwaway_keys_new(
	struct engine *engine,
	const struct policy_image *image,
	struct throwaway_keys **ret_keys
)
{
	struct throwaway_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return SL_E_NOMEM;
	keys->engine = engine;
	keys->purposes = policy_rows(image, image->purposes);
	keys->purpose_count = image->purposes.count;
	if (key_table_new(KEYS_MAX, keys->purpose_count, &keys->table) != SL_OK) {
		free(keys);
		return SL_E_NOMEM;
	}
	key_link_init(&keys->links, NULL);
	engine_random(engine, keys->hash_key, sizeof(keys->hash_key));
	*ret_keys = keys;
	return SL_OK;
}

void throwaway_keys_free(struct throwaway_keys *keys)
{
	if (keys == NULL)
		return;
	key_table_free(keys->table);
	bytes_wipe(keys, sizeof(*keys));
	free(keys);
}

struct key_source throwaway_keys_source(struct throwaway_keys *keys)
{
	return (struct key_source){
		.claim = claim,
		.self = keys,
		.table = keys->table,
		.hash_key = keys->hash_key,
		.scope = 1,
	};
}
