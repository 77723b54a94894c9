#pragma once

#include "crypto/imb_job.h"
#include "crypto/ipsec_mb.h"

// The inside of the ipsec-mb engine, shared by ipsec_mb.c (making it), imb_choose.c (which level serves
// what), imb_fields.c (bursts), imb_message.c (single messages and key derivation) and imb_run.c (messages under one key).

enum {
	GCM_SLOTS = 4, // expanded keys at hand within one burst
	CMAC_CHUNK =
		64, // synthetic IVs made at a time: their messages stay in the first-level cache
	MESSAGE_MAX = FIELD_PATH_BLOCKS_MAX * 16 + FIELD_TEXT_MAX,
	RAW_MAX = FIELD_OVERHEAD + FIELD_TEXT_MAX + 3
};

/**
 * One expanded GCM key. ipsec-mb aligns gcm_key_data only where LINUX is defined and its code wants
 * 64 bytes, so we see to it. What is inside depends on the level that made it.
 */
struct gcm_slot {
	struct gcm_key_data data;
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct gcm_slot) == 1024, "an expanded key has slots of 1 KiB");

/** Everything that is secret, in secret_new memory. */
struct imb_secrets {
	struct gcm_slot gcm[GCM_SLOTS];
	struct gcm_slot message_gcm; // of single messages
	struct gcm_slot run_gcm;     // of a run of messages under one key
	struct cmac_key cmac[CMAC_CHUNK];
	uint8_t unused[AES256_ROUND_KEYS_SIZE] __attribute__((aligned(16))); // of imb_expand
	uint8_t block[2 * (1 + 256) * AES_BLOCK]; // counter blocks of one derivation
	uint8_t message[MESSAGE_MAX];             // what goes through CMAC
};

struct imb_engine {
	IMB_MGR *level[CPU_LEVEL_COUNT]; // those in use, NULL else
	IMB_MGR *gcm_short;              // texts below long_size
	IMB_MGR *gcm_long;
	IMB_MGR *cmac;
	size_t long_size; // bytes
	struct imb_secrets *secrets;
	struct random *random;
	const uint8_t *slot_key
		[GCM_SLOTS]; // whose expanded key a slot holds, by address; within one burst
	IMB_MGR *slot_imb[GCM_SLOTS]; // who expanded it
	unsigned next_slot;
	struct gcm_context_data context;
	uint8_t raw[RAW_MAX]; // one sealed field before base64
	char text[256];
};

/**
 * Decide by measuring which of the made levels serves short texts, long texts and CMACs; where long
 * begins; and say so in e->text.
 */
void imb_choose(struct imb_engine *e, bool is_forced);
