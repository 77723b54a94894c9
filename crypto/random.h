#pragma once

#include "crypto/field.h"

#include <stddef.h>
#include <stdint.h>

// Random bytes for IVs and keys: CTR_DRBG with AES-256, no derivation function (NIST SP 800-90A
// §10.2.1), seeded with 48 bytes of getrandom. Its memory is wiped in a forked child, which seeds anew.

enum {
	RANDOM_SEED_SIZE = 48 // bytes: an AES-256 key and a block
};

struct IMB_MGR;
struct random;

/**
 * @param imb the thread's ipsec-mb, which does the AES; outlives the random source
 * @return NULL when there is no memory, or none that is wiped in a forked child
 */
struct random *random_new(struct IMB_MGR *imb);
void random_free(struct random *r);

/** Fill bytes. The thread of imb only. */
void random_fill(struct random *r, void *bytes, size_t size);

/** One IV; most calls only copy from a buffer. */
void random_iv(struct random *r, uint8_t ret_iv[static FIELD_IV_SIZE]);

/** Seed with bytes that are known, for known-answer tests only. */
void random_seed_for_test(struct random *r, const uint8_t seed[static RANDOM_SEED_SIZE]);
