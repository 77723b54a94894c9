#pragma once

#include <intel-ipsec-mb.h>

#include <stddef.h>
#include <stdint.h>

// What we need of ipsec-mb's job interface, over arguments that are already right: the unchecked
// calls are used, so nothing here may be fed from outside.

enum {
	AES_BLOCK = 16,
	CMAC_PART = 32 * 1024, // bytes; a CMAC job of ipsec-mb keeps its length in 16 bits
	AES256_ROUND_KEYS_SIZE = 15 * 16
};

/** AES-256 keys of CMAC (NIST SP 800-38B §6.1). 16-byte aligned; secret. */
struct cmac_key {
	uint8_t round_keys[AES256_ROUND_KEYS_SIZE] __attribute__((aligned(16)));
	uint8_t k1[AES_BLOCK]; // subkey of a whole last block
	uint8_t k2[AES_BLOCK]; // subkey of a padded last block
};

/**
 * Expand an AES-256 key for encryption. ipsec-mb expands for decryption too, which nobody here needs:
 * unused is where it may leave that secret.
 *
 * @param ret_round_keys [AES256_ROUND_KEYS_SIZE] 16-byte aligned
 * @param unused         [AES256_ROUND_KEYS_SIZE] 16-byte aligned, in secret memory
 */
void imb_expand(
	IMB_MGR *imb,
	const uint8_t key[static 32],
	uint8_t *ret_round_keys,
	uint8_t *unused
);

/** Expand an AES-256 key for CMAC; unused as above. */
void imb_cmac_expand(
	IMB_MGR *imb,
	const uint8_t key[static 32],
	struct cmac_key *ret_key,
	uint8_t *unused
);

/** AES-256 of whole blocks, each for itself. out may be in. */
void imb_ecb(IMB_MGR *imb, const uint8_t *round_keys, const uint8_t *in, size_t size, uint8_t *out);

/**
 * Queue one CMAC: done at imb_flush or before. Key, text and ret_mac must live until then.
 *
 * @param text [size] changed when size is CMAC_PART and more; not NULL even when size is 0
 */
void imb_cmac_submit(
	IMB_MGR *imb,
	const struct cmac_key *key,
	uint8_t *text,
	size_t size,
	uint8_t ret_mac[static 16]
);

/** Finish everything that is queued. */
void imb_flush(IMB_MGR *imb);
