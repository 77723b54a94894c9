#include "crypto/imb_job.h"

void imb_expand(
	IMB_MGR *imb,
	const uint8_t key[static 32],
	uint8_t *ret_round_keys,
	uint8_t *unused
)
{
	IMB_AES_KEYEXP_256(imb, key, ret_round_keys, unused);
}

void imb_cmac_expand(
	IMB_MGR *imb,
	const uint8_t key[static 32],
	struct cmac_key *ret_key,
	uint8_t *unused
)
{
	imb_expand(imb, key, ret_key->round_keys, unused);
	IMB_AES_CMAC_SUBKEY_GEN_256(imb, ret_key->round_keys, ret_key->k1, ret_key->k2);
}

void imb_ecb(IMB_MGR *imb, const uint8_t *round_keys, const uint8_t *in, size_t size, uint8_t *out)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(imb);

	job->cipher_mode = IMB_CIPHER_ECB;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_CIPHER_HASH;
	job->hash_alg = IMB_AUTH_NULL;
	job->enc_keys = round_keys;
	job->dec_keys = round_keys;
	job->key_len_in_bytes = 32;
	job->src = in;
	job->dst = out;
	job->iv = NULL;
	job->iv_len_in_bytes = 0;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = size;
	IMB_SUBMIT_JOB_NOCHECK(imb);
	imb_flush(imb);
}

static void submit_cmac(
	IMB_MGR *imb,
	const struct cmac_key *key,
	const uint8_t *text,
	size_t size,
	uint8_t *ret_mac
)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(imb);

	job->cipher_mode = IMB_CIPHER_NULL;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_HASH_CIPHER;
	job->hash_alg = IMB_AUTH_AES_CMAC_256;
	job->key_len_in_bytes = 32;
	job->src = text;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = size;
	job->auth_tag_output = ret_mac;
	job->auth_tag_output_len_in_bytes = AES_BLOCK;
	job->u.CMAC._key_expanded = key->round_keys;
	job->u.CMAC._skey1 = key->k1;
	job->u.CMAC._skey2 = key->k2;
	IMB_SUBMIT_JOB_NOCHECK(imb);
}

static void xor_block(uint8_t *block, const uint8_t *with)
{
	for (size_t i = 0; i < AES_BLOCK; i++)
		block[i] ^= with[i];
}

/**
 * CMAC is a chain of AES calls (SP 800-38B §6.2) that masks its last block with K1. Masking the last
 * block of a part beforehand takes K1 out again, which gives the chain's value there; put into the
 * next block it makes the CMAC of the rest the CMAC of the whole.
 *
 * @return bytes folded away; the rest has a block at least, and fits a job
 */
static size_t fold_parts(IMB_MGR *imb, const struct cmac_key *key, uint8_t *text, size_t size)
{
	uint8_t chain[AES_BLOCK];
	size_t done = 0;

	while (size - done >= CMAC_PART + AES_BLOCK) {
		xor_block(text + done + CMAC_PART - AES_BLOCK, key->k1);
		submit_cmac(imb, key, text + done, CMAC_PART, chain);
		imb_flush(imb);
		done += CMAC_PART;
		xor_block(text + done, chain);
	}
	return done;
}

void imb_cmac_submit(
	IMB_MGR *imb,
	const struct cmac_key *key,
	uint8_t *text,
	size_t size,
	uint8_t ret_mac[static 16]
)
{
	size_t done = size < CMAC_PART ? 0 : fold_parts(imb, key, text, size);

	submit_cmac(imb, key, text + done, size - done, ret_mac);
}

void imb_flush(IMB_MGR *imb)
{
	while (IMB_FLUSH_JOB(imb) != NULL)
		;
}
