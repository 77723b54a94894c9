#include "crypto/imb_engine.h"
#include "crypto/secret.h"

// A slot of its own, so that single messages and bursts of fields between two messages of a run do not
// take its key away.

static const uint8_t nothing[1];

static const uint8_t *bytes_of(struct view v)
{
	return v.size != 0 ? v.bytes : nothing;
}

void imb_run_begin(struct imb_engine *e, const uint8_t key[static 32])
{
	IMB_AES256_GCM_PRE(e->gcm_long, key, &e->secrets->run_gcm.data);
}

void imb_run_end(struct imb_engine *e)
{
	bytes_wipe(&e->secrets->run_gcm, sizeof(e->secrets->run_gcm));
}

void imb_run_seal(
	struct imb_engine *e,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view text,
	uint8_t *sealed
)
{
	IMB_AES256_GCM_ENC(
		e->gcm_long,
		&e->secrets->run_gcm.data,
		&e->context,
		sealed,
		bytes_of(text),
		text.size,
		iv,
		bytes_of(aad),
		aad.size,
		sealed + text.size,
		16
	);
}

enum sl_status imb_run_open(
	struct imb_engine *e,
	const uint8_t iv[static FIELD_IV_SIZE],
	struct view aad,
	struct view sealed,
	uint8_t *text
)
{
	uint8_t tag[16] = {0};
	uint8_t none[1];
	size_t text_size;

	if (sealed.size < sizeof(tag))
		return SL_E_TRUNCATED;
	text_size = sealed.size - sizeof(tag);
	IMB_AES256_GCM_DEC(
		e->gcm_long,
		&e->secrets->run_gcm.data,
		&e->context,
		text_size != 0 ? text : none,
		sealed.bytes,
		text_size,
		iv,
		bytes_of(aad),
		aad.size,
		tag,
		sizeof(tag)
	);
	if (bytes_equal_ct(tag, sealed.bytes + text_size, sizeof(tag)))
		return SL_OK;
	bytes_wipe(text, text_size);
	return SL_E_FORGED;
}
