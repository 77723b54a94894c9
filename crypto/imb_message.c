#include "crypto/imb_engine.h"
#include "crypto/secret.h"

#include <assert.h>

enum {
	KEY_SIZE = 32,
	LABEL_SIZE = 8
};

static const uint8_t nothing[1];

static const uint8_t *bytes_of(struct view v)
{
	return v.size != 0 ? v.bytes : nothing;
}

/** One 16-byte input of CMAC: i | label | 0x00 | purpose (4) | key bits (2). */
static void put_block(
	uint8_t *block,
	uint8_t i,
	const char label[static LABEL_SIZE],
	uint8_t purpose
)
{
	memset(block, 0, AES_BLOCK);
	block[0] = i;
	memcpy(block + 1, label, LABEL_SIZE);
	block[13] = purpose;
	block[14] = KEY_SIZE * 8 >> 8;
}

void imb_derive(
	struct imb_engine *e,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
)
{
	struct imb_secrets *s = e->secrets;
	size_t keys_size = (1 + purpose_count) * KEY_SIZE;
	uint8_t *inputs = s->block;

	assert(purpose_count <= 256);
	for (uint8_t i = 1; i <= 2; i++) {
		put_block(inputs + (size_t)(i - 1) * 16, i, "sl-ivkey", 0);
		for (size_t p = 0; p < purpose_count; p++)
			put_block(
				inputs + (p + 1) * KEY_SIZE + (size_t)(i - 1) * 16,
				i,
				"sl-field",
				purposes[p]
			);
	}
	// An input is one whole block, so CMAC of it is AES(input ^ K1), and all blocks of one data
	// key are independent.
	for (size_t d = 0; d < count; d++) {
		uint8_t *keys = ret_keys + d * keys_size;

		imb_cmac_expand(e->cmac, dek + d * KEY_SIZE, &s->cmac[0], s->unused);
		for (size_t b = 0; b < keys_size; b++)
			keys[b] = inputs[b] ^ s->cmac[0].k1[b % AES_BLOCK];
		imb_ecb(e->cmac, s->cmac[0].round_keys, keys, keys_size, keys);
	}
	bytes_wipe(&s->cmac[0], sizeof(s->cmac[0]));
}

static const struct gcm_key_data *start(
	struct imb_engine *e,
	const uint8_t *key,
	struct view iv,
	struct view aad
)
{
	struct gcm_key_data *k = &e->secrets->message_gcm.data;

	IMB_AES256_GCM_PRE(e->gcm_long, key, k);
	if (iv.size == FIELD_IV_SIZE)
		IMB_AES256_GCM_INIT(e->gcm_long, k, &e->context, iv.bytes, bytes_of(aad), aad.size);
	else
		IMB_AES256_GCM_INIT_VAR_IV(
			e->gcm_long, k, &e->context, bytes_of(iv), iv.size, bytes_of(aad), aad.size
		);
	return k;
}

void imb_gcm_seal(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view text,
	uint8_t *sealed
)
{
	const struct gcm_key_data *k = start(e, key, iv, aad);

	assert(iv.size != 0);
	IMB_AES256_GCM_ENC_UPDATE(e->gcm_long, k, &e->context, sealed, bytes_of(text), text.size);
	IMB_AES256_GCM_ENC_FINALIZE(e->gcm_long, k, &e->context, sealed + text.size, 16);
	bytes_wipe(&e->secrets->message_gcm, sizeof(e->secrets->message_gcm));
}

enum sl_status imb_gcm_open(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view iv,
	struct view aad,
	struct view sealed,
	uint8_t *text
)
{
	const struct gcm_key_data *k;
	uint8_t tag[16] = {0};
	uint8_t none[1];
	size_t text_size;

	if (sealed.size < 16)
		return SL_E_TRUNCATED;
	if (iv.size == 0)
		return SL_E_INVALID;
	text_size = sealed.size - 16;
	k = start(e, key, iv, aad);
	IMB_AES256_GCM_DEC_UPDATE(
		e->gcm_long, k, &e->context, text_size != 0 ? text : none, sealed.bytes, text_size
	);
	IMB_AES256_GCM_DEC_FINALIZE(e->gcm_long, k, &e->context, tag, 16);
	bytes_wipe(&e->secrets->message_gcm, sizeof(e->secrets->message_gcm));
	if (bytes_equal_ct(tag, sealed.bytes + text_size, 16))
		return SL_OK;
	bytes_wipe(text, text_size);
	return SL_E_FORGED;
}

void imb_cmac(
	struct imb_engine *e,
	const uint8_t key[static 32],
	struct view text,
	uint8_t ret_mac[static 16]
)
{
	struct imb_secrets *s = e->secrets;

	assert(text.size <= MESSAGE_MAX);
	if (text.size != 0)
		memcpy(s->message, text.bytes, text.size);
	imb_cmac_expand(e->cmac, key, &s->cmac[0], s->unused);
	imb_cmac_submit(e->cmac, &s->cmac[0], s->message, text.size, ret_mac);
	imb_flush(e->cmac);
	bytes_wipe(&s->cmac[0], sizeof(s->cmac[0]));
	bytes_wipe(s->message, text.size);
}
