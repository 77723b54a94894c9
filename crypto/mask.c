#include "crypto/mask.h"

#include "crypto/secret.h"
#include "io/base/status.h"

#include <intel-ipsec-mb.h>

#include <pthread.h>
#include <string.h>

// HMAC-SHA-256 (RFC 2104, FIPS 180-4) goes through ipsec-mb's job interface, one job at a time. Its
// job queue is for one thread only, so every thread that masks has one, made at its first mask.
//
// ipsec-mb 1.3 hashes an empty message wrongly, and later ones after it: it must never see one. So
// the MAC of the empty value is made in advance with the plain hash function.

enum {
	SHA256_BLOCK = 64,
	SHA256_SIZE = 32,
	MASK_MAC_SIZE = 16, // bytes of the HMAC that a mask shows
	EMPTY_MAC_AT = 2 * SHA256_SIZE
};

static pthread_key_t queue_key;
static pthread_once_t queue_key_made = PTHREAD_ONCE_INIT;
static _Thread_local IMB_MGR *queue;

static void free_queue(void *q)
{
	free_mb_mgr(q);
}

static void make_queue_key(void)
{
	if (pthread_key_create(&queue_key, free_queue) != 0)
		SL_BUG("no thread key for masks");
}

static IMB_MGR *get_queue(void)
{
	if (queue != NULL)
		return queue;
	pthread_once(&queue_key_made, make_queue_key);
	queue = alloc_mb_mgr(0);
	if (queue == NULL || pthread_setspecific(queue_key, queue) != 0)
		SL_BUG("no memory for masks");
	// The SSE level has the SHA instructions, where the CPU has them, and every engine needs it.
	init_mb_mgr_sse(queue);
	return queue;
}

/** SHA-256((K ^ outer pad) | SHA-256(K ^ inner pad)): the HMAC of no bytes (RFC 2104 §2). */
static void hash_pads(const uint8_t pads[2][SHA256_BLOCK], uint8_t ret_mac[static SHA256_SIZE])
{
	uint8_t outer[SHA256_BLOCK + SHA256_SIZE];

	memcpy(outer, pads[1], SHA256_BLOCK);
	IMB_SHA256(get_queue(), pads[0], SHA256_BLOCK, outer + SHA256_BLOCK);
	IMB_SHA256(get_queue(), outer, sizeof(outer), ret_mac);
	bytes_wipe(outer, sizeof(outer));
}

void mask_hmac_prepare(
	const uint8_t key[static MASK_KEY_SIZE],
	uint8_t ret_state[static MASK_HMAC_STATE_SIZE]
)
{
	uint8_t pads[2][SHA256_BLOCK]; // inner, outer
	uint8_t mac[SHA256_SIZE];

	memset(pads[0], 0x36, SHA256_BLOCK);
	memset(pads[1], 0x5c, SHA256_BLOCK);
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < MASK_KEY_SIZE; k++)
			pads[i][k] ^= key[k];
		IMB_SHA256_ONE_BLOCK(get_queue(), pads[i], ret_state + i * SHA256_SIZE);
	}
	hash_pads(pads, mac);
	memcpy(ret_state + EMPTY_MAC_AT, mac, MASK_MAC_SIZE);
	bytes_wipe(pads, sizeof(pads));
}

static void hash_value(const uint8_t *state, struct view value, uint8_t ret_mac[static SHA256_SIZE])
{
	IMB_MGR *q = get_queue();
	IMB_JOB *job = IMB_GET_NEXT_JOB(q);

	job->cipher_mode = IMB_CIPHER_NULL;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_HASH_CIPHER;
	job->hash_alg = IMB_AUTH_HMAC_SHA_256;
	job->src = value.bytes;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = value.size;
	job->auth_tag_output = ret_mac;
	job->auth_tag_output_len_in_bytes = SHA256_SIZE;
	job->u.HMAC._hashed_auth_key_xor_ipad = state;
	job->u.HMAC._hashed_auth_key_xor_opad = state + SHA256_SIZE;
	job = IMB_SUBMIT_JOB_NOCHECK(q);
	if (job == NULL)
		job = IMB_FLUSH_JOB(q);
	if (job == NULL || job->status != IMB_STATUS_COMPLETED)
		SL_BUG("ipsec-mb refused an HMAC");
}

size_t mask_hmac(
	const uint8_t state[static MASK_HMAC_STATE_SIZE],
	struct view value,
	char ret_text[static MASK_TEXT_MAX]
)
{
	static const char digits[16] = "0123456789abcdef";
	uint8_t mac[SHA256_SIZE];

	if (value.size == 0)
		memcpy(mac, state + EMPTY_MAC_AT, MASK_MAC_SIZE);
	else
		hash_value(state, value, mac);
	for (size_t i = 0; i < MASK_MAC_SIZE; i++) {
		ret_text[2 * i] = digits[mac[i] >> 4];
		ret_text[2 * i + 1] = digits[mac[i] & 15];
	}
	return 2 * MASK_MAC_SIZE;
}
