#include "control/vault_inner.h"

#include <string.h>

// One data key under its KEK, bound to where it belongs.

enum {
	AAD_SIZE = KEY_LINK_SIZE + 8 + 8 // link | scope | day, big endian
};

static void aad_of(
	const uint8_t link[static KEY_LINK_SIZE],
	uint64_t scope,
	int64_t day,
	uint8_t ret_aad[static AAD_SIZE]
)
{
	memcpy(ret_aad, link, KEY_LINK_SIZE);
	for (int i = 0; i < 8; i++) {
		ret_aad[KEY_LINK_SIZE + i] = (uint8_t)(scope >> (56 - 8 * i));
		ret_aad[KEY_LINK_SIZE + 8 + i] = (uint8_t)((uint64_t)day >> (56 - 8 * i));
	}
}

void wrap_key(
	struct vault *v,
	struct engine *engine,
	const struct vault_key *key,
	struct vault_record *ret_record
)
{
	uint8_t aad[AAD_SIZE];

	*ret_record = (struct vault_record){
		.kek = v->kek_count,
		.day = (int32_t)key->day,
		.scope = key->scope,
		.created_ms = key->created_ms,
		.expires_ms = key->expires_ms,
	};
	memcpy(ret_record->policy_id, key->policy_id, sizeof(key->policy_id));
	memcpy(ret_record->subject_hash, key->subject_hash, sizeof(key->subject_hash));
	memcpy(ret_record->name_hash, key->name_hash, sizeof(key->name_hash));
	aad_of(key->link, key->scope, ret_record->day, aad);
	engine_random(engine, ret_record->dek.iv, WRAP_IV_SIZE);
	engine_gcm_seal(
		engine,
		v->secrets->kek[v->kek_count - 1],
		view_of(ret_record->dek.iv, WRAP_IV_SIZE),
		view_of(aad, AAD_SIZE),
		view_of(key->dek, KEY_SIZE),
		ret_record->dek.sealed
	);
}

void record_to_key(
	const uint8_t link[static KEY_LINK_SIZE],
	const struct vault_record *record,
	struct vault_key *ret_key
)
{
	memcpy(ret_key->link, link, KEY_LINK_SIZE);
	ret_key->scope = record->scope;
	ret_key->day = record->day;
	ret_key->created_ms = record->created_ms;
	ret_key->expires_ms = record->expires_ms;
	memcpy(ret_key->policy_id, record->policy_id, sizeof(record->policy_id));
	memcpy(ret_key->subject_hash, record->subject_hash, sizeof(record->subject_hash));
	memcpy(ret_key->name_hash, record->name_hash, sizeof(record->name_hash));
	ret_key->is_link_only = false;
}

enum sl_status unwrap_key(
	const struct vault *v,
	struct engine *engine,
	const uint8_t link[static KEY_LINK_SIZE],
	const struct vault_record *record,
	struct vault_key *ret_key
)
{
	uint8_t aad[AAD_SIZE];

	if (record->kek == 0 || record->kek > v->kek_count)
		return SL_E_CORRUPT;
	aad_of(link, record->scope, record->day, aad);
	SL_TRY(engine_gcm_open(
		engine,
		v->secrets->kek[record->kek - 1],
		view_of(record->dek.iv, WRAP_IV_SIZE),
		view_of(aad, AAD_SIZE),
		view_of(record->dek.sealed, sizeof(record->dek.sealed)),
		ret_key->dek
	));
	record_to_key(link, record, ret_key);
	return SL_OK;
}
