#include "control/key_dead.h"

#include "crypto/secret.h"

#include <string.h>

enum {
	NAME_SIZE = 16 // scope (8) | day (8)
};

static const char DEAD_LETTER[] = "dead-letter";

enum sl_status key_dead_scope(struct vault *vault, uint64_t *ret_scope, struct problem *ret_problem)
{
	bool is_new;

	return vault_scope(
		vault, view_of(NULL, 0), view_of_text(DEAD_LETTER), ret_scope, &is_new, ret_problem
	);
}

enum sl_status key_dead_find(
	struct vault *vault,
	struct engine *engine,
	uint64_t scope,
	int64_t day,
	struct vault_key *ret_key
)
{
	uint8_t link[KEY_LINK_SIZE];
	uint8_t text[NAME_SIZE];

	*ret_key = (struct vault_key){.scope = scope, .day = day};
	// No key value can have this hash, for no pipeline has this scope.
	memcpy(text, &scope, 8);
	memcpy(text + 8, &day, 8);
	siphash(vault_hash_key(vault), view_of(text, sizeof(text)), ret_key->name_hash);
	SL_TRY(vault_find_name(vault, ret_key->name_hash, link));
	return vault_read_key(vault, engine, link, ret_key);
}

void key_dead_derive(
	struct engine *engine,
	const uint8_t dek[static KEY_SIZE],
	uint8_t ret_key[static KEY_SIZE]
)
{
	static const uint8_t purpose[1] = {0};
	uint8_t keys[2][KEY_SIZE];

	engine_derive(engine, dek, 1, purpose, 1, keys[0]);
	memcpy(ret_key, keys[1], KEY_SIZE);
	bytes_wipe(keys, sizeof(keys));
}
