#include "dataplane/batch/open_keys.h"

#include "crypto/secret.h"
#include "crypto/tink.h"

#include <stdlib.h>
#include <string.h>

enum {
	SLOTS = 1 << 15, // a power of two; 2 MiB of them
	SEEN_MAX = CONTRACT_PURPOSES_MAX
};

/** One field key, or the knowledge that its key link is not there. Secret. */
struct slot {
	uint8_t link[KEY_LINK_SIZE];
	uint8_t key[KEY_SIZE];
	uint8_t purpose;
	bool is_used;
	bool is_missing; // the vault does not know the link
};

struct open_keys {
	const struct keys_file *file;
	struct vault *vault;
	struct slot *slots; // [SLOTS] secret; vault only
	// Purposes met so far: a key link is unwrapped once for all of them.
	uint8_t seen[SEEN_MAX];
	size_t seen_count;
};

enum sl_status open_keys_new(const struct open_setup *setup, struct open_keys **ret_keys)
{
	struct open_keys *keys = calloc(1, sizeof(*keys));

	if (keys == NULL)
		return SL_E_NOMEM;
	keys->file = setup->keys;
	keys->vault = setup->vault;
	if (setup->keys == NULL) {
		keys->slots = secret_new(SLOTS * sizeof(*keys->slots));
		if (keys->slots == NULL) {
			free(keys);
			return SL_E_NOMEM;
		}
	}
	*ret_keys = keys;
	return SL_OK;
}

void open_keys_free(struct open_keys *keys)
{
	if (keys == NULL)
		return;
	secret_free(keys->slots, SLOTS * sizeof(*keys->slots));
	free(keys);
}

static void find_in_file(
	const struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose,
	enum open_state *ret_state,
	uint8_t ret_key[static KEY_SIZE]
)
{
	const struct keys_file_entry *entry = keys_file_find(keys->file, link);
	const uint32_t id = tink_key_id(link, purpose);

	*ret_state = entry == NULL ? OPEN_NO_LINK : OPEN_NO_KEY;
	for (uint32_t i = 0; entry != NULL && i < entry->key_count; i++) {
		if (entry->keys[i].id != id)
			continue;
		memcpy(ret_key, entry->keys[i].key, KEY_SIZE);
		*ret_state = OPEN_PENDING;
		return;
	}
}

static struct slot *slot_of(
	const struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose
)
{
	uint64_t h[2];

	memcpy(h, link, sizeof(h));
	h[0] = (h[0] ^ (h[1] + purpose) * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
	return &keys->slots[(h[0] ^ h[0] >> 32) & (SLOTS - 1)];
}

static bool is_slot_of(
	const struct slot *slot,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose
)
{
	return slot->is_used && slot->purpose == purpose
		&& memcmp(slot->link, link, KEY_LINK_SIZE) == 0;
}

static void remember(
	struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose,
	const uint8_t *key
)
{
	struct slot *slot = slot_of(keys, link, purpose);

	slot->is_used = true;
	slot->is_missing = key == NULL;
	slot->purpose = purpose;
	memcpy(slot->link, link, KEY_LINK_SIZE);
	if (key != NULL)
		memcpy(slot->key, key, KEY_SIZE);
	else
		bytes_wipe(slot->key, KEY_SIZE);
}

static void see_purpose(struct open_keys *keys, uint8_t purpose)
{
	for (size_t i = 0; i < keys->seen_count; i++)
		if (keys->seen[i] == purpose)
			return;
	// More purposes than a contract may have: several contracts, or strangers' bytes. Begin anew.
	if (keys->seen_count == SEEN_MAX)
		keys->seen_count = 0;
	keys->seen[keys->seen_count++] = purpose;
}

/** Ask the vault, for all purposes met so far. The wanted one is remembered last: slots may clash. */
static enum sl_status ask_vault(
	struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose
)
{
	uint8_t derived[(1 + SEEN_MAX) * KEY_SIZE];
	const uint8_t *wanted = NULL;
	enum sl_status status;

	see_purpose(keys, purpose);
	status = vault_find_key(keys->vault, link, keys->seen, keys->seen_count, derived);
	for (size_t i = 0; status == SL_OK && i < keys->seen_count; i++) {
		const uint8_t *key = derived + (1 + i) * KEY_SIZE;

		if (keys->seen[i] == purpose)
			wanted = key;
		else
			remember(keys, link, keys->seen[i], key);
	}
	if (status == SL_OK || status == SL_E_NOT_FOUND) {
		remember(keys, link, purpose, wanted);
		status = SL_OK;
	}
	bytes_wipe(derived, sizeof(derived));
	return status;
}

enum sl_status open_keys_find(
	struct open_keys *keys,
	const uint8_t link[static KEY_LINK_SIZE],
	uint8_t purpose,
	enum open_state *ret_state,
	uint8_t ret_key[static KEY_SIZE]
)
{
	const struct slot *slot;

	if (keys->file != NULL) {
		find_in_file(keys, link, purpose, ret_state, ret_key);
		return SL_OK;
	}
	slot = slot_of(keys, link, purpose);
	if (!is_slot_of(slot, link, purpose))
		SL_TRY(ask_vault(keys, link, purpose));
	*ret_state = slot->is_missing ? OPEN_NO_LINK : OPEN_PENDING;
	if (!slot->is_missing)
		memcpy(ret_key, slot->key, KEY_SIZE);
	return SL_OK;
}
