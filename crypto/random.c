#include "crypto/random.h"

#include "crypto/imb_job.h"
#include "crypto/secret.h"
#include "io/base/status.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	SEED_SIZE = RANDOM_SEED_SIZE, // key and V
	POOL_SIZE = 4096,             // bytes of one request to the generator
	REQUESTS_PER_SEED = 4096      // then the kernel is asked again: after 16 MiB
};

/** A state that reads as zeros (new, or wiped by a fork) has nothing left and is seeded first. */
struct state {
	uint8_t round_keys[AES256_ROUND_KEYS_SIZE] __attribute__((aligned(16)));
	uint8_t unused[AES256_ROUND_KEYS_SIZE] __attribute__((aligned(16)));
	uint8_t pool[POOL_SIZE + SEED_SIZE]; // bytes to give out, then the next key and V
	uint8_t v[AES_BLOCK];
	size_t left;            // bytes at the end of the pool not given out yet
	uint64_t requests_left; // 0: seed first
};

struct random {
	IMB_MGR *imb;
	struct state *state;
};

struct random *random_new(struct IMB_MGR *imb)
{
	struct random *r = malloc(sizeof(*r));

	if (r == NULL)
		return NULL;
	*r = (struct random){.imb = imb, .state = secret_new(sizeof(*r->state))};
	if (r->state == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void random_free(struct random *r)
{
	if (r == NULL)
		return;
	secret_free(r->state, sizeof(*r->state));
	free(r);
}

/** size bytes of AES(key, V + 1), AES(key, V + 2), …; V counts modulo 2^128, big endian. */
static void make_blocks(struct random *r, uint8_t *bytes, size_t size)
{
	uint64_t half[2];

	memcpy(half, r->state->v, AES_BLOCK);
	half[0] = be64toh(half[0]);
	half[1] = be64toh(half[1]);
	for (size_t i = 0; i < size; i += AES_BLOCK) {
		half[0] += ++half[1] == 0;
		memcpy(bytes + i, &(uint64_t){htobe64(half[0])}, 8);
		memcpy(bytes + i + 8, &(uint64_t){htobe64(half[1])}, 8);
	}
	memcpy(r->state->v, bytes + size - AES_BLOCK, AES_BLOCK);
	imb_ecb(r->imb, r->state->round_keys, bytes, size, bytes);
}

static void take_key_and_v(struct random *r, uint8_t seed[static SEED_SIZE])
{
	imb_expand(r->imb, seed, r->state->round_keys, r->state->unused);
	memcpy(r->state->v, seed + 32, AES_BLOCK);
	bytes_wipe(seed, SEED_SIZE);
}

static void ask_kernel(uint8_t seed[static SEED_SIZE])
{
	size_t size = 0;

	while (size < SEED_SIZE) {
		ssize_t got = getrandom(seed + size, SEED_SIZE - size, 0);

		if (got > 0)
			size += (size_t)got;
		else if (errno != EINTR)
			SL_BUG("the kernel gives no random bytes");
	}
}

/** Instantiate: Update over key 0 and V 0 with the seed (§10.2.1.3.1). */
static void seed_with(struct random *r, const uint8_t entropy[static SEED_SIZE])
{
	static const uint8_t zero_key[32];
	struct state *s = r->state;
	uint8_t next[SEED_SIZE];

	imb_expand(r->imb, zero_key, s->round_keys, s->unused);
	memset(s->v, 0, sizeof(s->v));
	make_blocks(r, next, sizeof(next));
	for (size_t i = 0; i < SEED_SIZE; i++)
		next[i] ^= entropy[i];
	take_key_and_v(r, next);
	s->left = 0;
	s->requests_left = REQUESTS_PER_SEED;
}

static void reseed(struct random *r)
{
	uint8_t entropy[SEED_SIZE];

	ask_kernel(entropy);
	seed_with(r, entropy);
	bytes_wipe(entropy, sizeof(entropy));
}

/** Generate: a pool of output, then Update without additional input (§10.2.1.5.1). */
static void refill(struct random *r)
{
	struct state *s = r->state;

	if (s->requests_left == 0)
		reseed(r);
	make_blocks(r, s->pool, sizeof(s->pool));
	take_key_and_v(r, s->pool + POOL_SIZE);
	s->requests_left--;
	s->left = POOL_SIZE;
}

void random_fill(struct random *r, void *bytes, size_t size)
{
	struct state *s = r->state;
	uint8_t *to = bytes;

	while (size != 0) {
		uint8_t *from;
		size_t part;

		if (s->left == 0)
			refill(r);
		from = s->pool + POOL_SIZE - s->left;
		part = size < s->left ? size : s->left;
		memcpy(to, from, part);
		memset(from, 0, part); // what was given out can not be read back
		s->left -= part;
		to += part;
		size -= part;
	}
}

void random_iv(struct random *r, uint8_t ret_iv[static FIELD_IV_SIZE])
{
	random_fill(r, ret_iv, FIELD_IV_SIZE);
}

void random_seed_for_test(struct random *r, const uint8_t seed[static RANDOM_SEED_SIZE])
{
	seed_with(r, seed);
}
