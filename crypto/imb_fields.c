#include "crypto/base64.h"
#include "crypto/imb_engine.h"
#include "crypto/secret.h"

#include <assert.h>

// Address that ipsec-mb accepts where there are no bytes: it takes NULL for a mistake.
static const uint8_t nothing[1];

enum {
	PREFETCH_AHEAD = 12 // fields: a key out of a large table comes from memory
};

/** Ask for the keys of a field that is served soon. */
static inline void prefetch_keys(const uint8_t *const keys[], uint32_t i, uint32_t count)
{
	if (i < count && keys[i] != NULL) {
		__builtin_prefetch(keys[i]);
		__builtin_prefetch(keys[i] + FIELD_KEY_SIZE - 1);
	}
}

static void forget_slots(struct imb_engine *e)
{
	for (unsigned i = 0; i < GCM_SLOTS; i++)
		e->slot_key[i] = NULL;
}

/** The expanded form of key for imb. Equal addresses within one burst are equal keys. */
static const struct gcm_key_data *get_slot(struct imb_engine *e, IMB_MGR *imb, const uint8_t *key)
{
	struct gcm_slot *slots = e->secrets->gcm;
	unsigned i;

	for (i = 0; i < GCM_SLOTS; i++)
		if (e->slot_key[i] == key && e->slot_imb[i] == imb)
			return &slots[i].data;
	i = e->next_slot++ % GCM_SLOTS;
	e->slot_key[i] = key;
	e->slot_imb[i] = imb;
	IMB_AES256_GCM_PRE(imb, key, &slots[i].data);
	return &slots[i].data;
}

static IMB_MGR *imb_for(const struct imb_engine *e, size_t text_size)
{
	return text_size < e->long_size ? e->gcm_short : e->gcm_long;
}

/**
 * IVs of fields first.. into ret_ivs, as many as CMAC_CHUNK and the message memory allow.
 *
 * @return fields served, from 1
 */
static uint32_t make_ivs(
	struct imb_engine *e,
	const struct seal_burst *burst,
	uint32_t first,
	uint8_t ret_ivs[CMAC_CHUNK][AES_BLOCK]
)
{
	struct imb_secrets *s = e->secrets;
	const uint8_t *expanded = NULL; // key of s->cmac[key_count - 1]
	uint32_t key_count = 0;
	size_t used = 0;
	uint32_t i;

	for (i = 0; i < CMAC_CHUNK && first + i < burst->count; i++) {
		const uint8_t *key = burst->iv_key[first + i];
		const struct field_path *path = burst->path[first + i];
		struct view text = burst->text[first + i];
		size_t head = (size_t)path->block_count * 16;

		prefetch_keys(burst->iv_key, first + i + PREFETCH_AHEAD, burst->count);
		prefetch_keys(burst->field_key, first + i, burst->count);
		if (key == NULL) {
			random_iv(e->random, ret_ivs[i]);
			continue;
		}
		if (used + head + text.size > MESSAGE_MAX)
			break;
		if (key != expanded)
			imb_cmac_expand(e->cmac, key, &s->cmac[key_count++], s->unused);
		expanded = key;
		memcpy(s->message + used, path->block, head);
		if (text.size != 0)
			memcpy(s->message + used + head, text.bytes, text.size);
		imb_cmac_submit(
			e->cmac,
			&s->cmac[key_count - 1],
			s->message + used,
			head + text.size,
			ret_ivs[i]
		);
		used += head + text.size;
	}
	if (key_count != 0)
		imb_flush(e->cmac);
	return i;
}

static void seal_one(
	struct imb_engine *e,
	const struct seal_burst *burst,
	uint32_t i,
	const uint8_t iv[static FIELD_IV_SIZE]
)
{
	struct view text = burst->text[i];
	IMB_MGR *imb = imb_for(e, text.size);
	uint8_t *sealed = e->raw + FIELD_PREFIX_SIZE + FIELD_IV_SIZE;

	e->raw[0] = 0x01;
	e->raw[1] = (uint8_t)(burst->key_id[i] >> 24);
	e->raw[2] = (uint8_t)(burst->key_id[i] >> 16);
	e->raw[3] = (uint8_t)(burst->key_id[i] >> 8);
	e->raw[4] = (uint8_t)burst->key_id[i];
	memcpy(e->raw + FIELD_PREFIX_SIZE, iv, FIELD_IV_SIZE);
	IMB_AES256_GCM_ENC(
		imb,
		get_slot(e, imb, burst->field_key[i]),
		&e->context,
		sealed,
		text.size != 0 ? text.bytes : nothing,
		text.size,
		iv,
		field_path_bytes(burst->path[i]),
		burst->path[i]->size,
		sealed + text.size,
		FIELD_TAG_SIZE
	);
	base64_encode(view_of(e->raw, FIELD_OVERHEAD + text.size), burst->sealed[i]);
}

void imb_seal_fields(struct imb_engine *e, struct seal_burst *burst)
{
	uint8_t ivs[CMAC_CHUNK][AES_BLOCK];
	uint32_t count;

	assert(burst->count <= FIELD_BURST_MAX);
	forget_slots(e);
	for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
		prefetch_keys(burst->iv_key, i, burst->count);
	for (uint32_t first = 0; first < burst->count; first += count) {
		count = make_ivs(e, burst, first, ivs);
		for (uint32_t i = 0; i < count; i++) {
			assert(burst->text[first + i].size <= FIELD_TEXT_MAX);
			seal_one(e, burst, first + i, ivs[i]);
		}
	}
}

static bool names_key(const uint8_t *raw, uint32_t key_id)
{
	return raw[0] == 0x01
		&& ((uint32_t)raw[1] << 24 | (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 8 | raw[4]
		   )
		== key_id;
}

static bool open_one(struct imb_engine *e, struct open_burst *burst, uint32_t i)
{
	const uint8_t *iv = e->raw + FIELD_PREFIX_SIZE;
	const uint8_t *cipher = iv + FIELD_IV_SIZE;
	uint8_t tag[FIELD_TAG_SIZE];
	size_t text_size;
	size_t size;
	IMB_MGR *imb;

	if (burst->sealed[i].size > field_sealed_size(FIELD_TEXT_MAX))
		return false;
	size = base64_decode(burst->sealed[i], e->raw);
	if (size == SIZE_MAX || size < FIELD_OVERHEAD || !names_key(e->raw, burst->key_id[i]))
		return false;
	text_size = size - FIELD_OVERHEAD;
	imb = imb_for(e, text_size);
	IMB_AES256_GCM_DEC(
		imb,
		get_slot(e, imb, burst->field_key[i]),
		&e->context,
		text_size != 0 ? burst->text[i] : e->raw,
		cipher,
		text_size,
		iv,
		field_path_bytes(burst->path[i]),
		burst->path[i]->size,
		tag,
		FIELD_TAG_SIZE
	);
	if (!bytes_equal_ct(tag, cipher + text_size, FIELD_TAG_SIZE))
		return false;
	burst->text_size[i] = (uint32_t)text_size;
	return true;
}

size_t imb_open_fields(struct imb_engine *e, struct open_burst *burst)
{
	size_t opened = 0;

	assert(burst->count <= FIELD_BURST_MAX);
	forget_slots(e);
	for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
		prefetch_keys(burst->field_key, i, burst->count);
	for (uint32_t i = 0; i < burst->count; i++) {
		prefetch_keys(burst->field_key, i + PREFETCH_AHEAD, burst->count);
		burst->text_size[i] = 0;
		burst->is_opened[i] = open_one(e, burst, i);
		opened += burst->is_opened[i];
		if (!burst->is_opened[i])
			bytes_wipe(burst->text[i], field_text_size_max(burst->sealed[i].size));
	}
	return opened;
}
