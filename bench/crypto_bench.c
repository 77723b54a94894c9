#include "crypto/cpu.h"
#include "crypto/engine.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// What sealing and opening a field costs, with the keys hot or each from a million in random order.
// Every figure is CPU time, the least of several passes over distinct fields; output is opened as a check, and
// OpenSSL's EVP does the same work beside it (same keys, IVs, texts and base64) as a yardstick.

enum {
	KEYS_COLD = 1 << 20, // field key and IV key each: 64 MiB
	KEYS_HOT = 8,
	BURST = 96,   // fields: a turn of 32 events with three fields
	BURSTS = 128, // of one pass
	PASSES = 7,
	TEXT_MAX = 256
};

struct key_pair {
	uint8_t field[FIELD_KEY_SIZE];
	uint8_t iv[FIELD_KEY_SIZE];
};

static struct key_pair *keys; // [KEYS_COLD]
static struct field_path path;
static uint8_t texts[BURST][TEXT_MAX];
static uint8_t sealed[BURSTS][BURST][512];
static uint8_t opened[BURST][512];
static uint32_t chosen[BURSTS][BURST];

struct run {
	struct engine *engine; // NULL: OpenSSL
	size_t text_size;
	bool is_random;
};

static uint32_t next_random(void)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

static void choose_keys(uint32_t key_count)
{
	for (uint32_t b = 0; b < BURSTS; b++)
		for (uint32_t i = 0; i < BURST; i++)
			chosen[b][i] = next_random() % key_count;
}

static void seal_ours(const struct run *r, uint32_t b)
{
	static struct seal_burst burst;

	burst.count = BURST;
	for (uint32_t i = 0; i < BURST; i++) {
		burst.field_key[i] = keys[chosen[b][i]].field;
		burst.iv_key[i] = r->is_random ? NULL : keys[chosen[b][i]].iv;
		burst.path[i] = &path;
		burst.key_id[i] = 0x40000001;
		burst.text[i] = view_of(texts[i], r->text_size);
		burst.sealed[i] = sealed[b][i];
	}
	engine_seal_fields(r->engine, &burst);
}

static void open_ours(const struct run *r, uint32_t b)
{
	static struct open_burst burst;

	burst.count = BURST;
	for (uint32_t i = 0; i < BURST; i++) {
		burst.field_key[i] = keys[chosen[b][i]].field;
		burst.path[i] = &path;
		burst.key_id[i] = 0x40000001;
		burst.sealed[i] = view_of(sealed[b][i], field_sealed_size(r->text_size));
		burst.text[i] = opened[i];
	}
	if (engine_open_fields(r->engine, &burst) != BURST
	    || memcmp(opened[BURST - 1], texts[BURST - 1], r->text_size) != 0) {
		fprintf(stderr, "crypto_bench: what was sealed does not open\n");
		exit(EXIT_FAILURE);
	}
}

/** AES-CMAC of the path and text by EVP: CBC-MAC with the subkey, as fast as EVP allows. */
static void make_iv_evp(
	EVP_CIPHER_CTX *cbc,
	const uint8_t *key,
	const uint8_t *text,
	size_t size,
	uint8_t *iv
)
{
	static const uint8_t zero[16];
	uint8_t message[16 * 20 + TEXT_MAX] = {0};
	uint8_t k[16];
	size_t head = (size_t)path.block_count * 16;
	size_t whole = (head + size + 15) / 16 * 16;
	bool is_padded = size % 16 != 0;
	int done;

	EVP_EncryptInit_ex(cbc, NULL, NULL, key, zero);
	EVP_EncryptUpdate(cbc, k, &done, zero, 16);
	for (unsigned doublings = 0; doublings < 1u + is_padded; doublings++) {
		uint8_t carry = k[0] >> 7;

		for (unsigned i = 0; i < 15; i++)
			k[i] = (uint8_t)(k[i] << 1 | k[i + 1] >> 7);
		k[15] = (uint8_t)(k[15] << 1 ^ (carry ? 0x87 : 0));
	}
	memcpy(message, path.block, head);
	memcpy(message + head, text, size);
	if (is_padded)
		message[head + size] = 0x80;
	for (unsigned i = 0; i < 16; i++)
		message[whole - 16 + i] ^= k[i];
	EVP_EncryptInit_ex(cbc, NULL, NULL, NULL, zero);
	EVP_EncryptUpdate(cbc, message, &done, message, (int)whole);
	memcpy(iv, message + whole - 16, FIELD_IV_SIZE);
}

static void seal_evp(const struct run *r, uint32_t b)
{
	static EVP_CIPHER_CTX *gcm;
	static EVP_CIPHER_CTX *cbc;
	static uint64_t count;
	uint8_t raw[512] = {0x01, 0x40, 0, 0, 1};
	int done;

	if (gcm == NULL) {
		gcm = EVP_CIPHER_CTX_new();
		cbc = EVP_CIPHER_CTX_new();
		EVP_EncryptInit_ex(gcm, EVP_aes_256_gcm(), NULL, NULL, NULL);
		EVP_EncryptInit_ex(cbc, EVP_aes_256_cbc(), NULL, NULL, NULL);
		EVP_CIPHER_CTX_set_padding(cbc, 0);
	}
	for (uint32_t i = 0; i < BURST; i++) {
		const struct key_pair *k = &keys[chosen[b][i]];

		if (r->is_random)
			memcpy(raw + 5, &(uint64_t){++count}, 8); // cheaper than anything random
		else
			make_iv_evp(cbc, k->iv, texts[i], r->text_size, raw + 5);
		EVP_EncryptInit_ex(gcm, NULL, NULL, k->field, raw + 5);
		EVP_EncryptUpdate(gcm, NULL, &done, field_path_bytes(&path), (int)path.size);
		EVP_EncryptUpdate(gcm, raw + 17, &done, texts[i], (int)r->text_size);
		EVP_EncryptFinal_ex(gcm, raw + 17 + done, &done);
		EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_GCM_GET_TAG, 16, raw + 17 + r->text_size);
		EVP_EncodeBlock(sealed[b][i], raw, (int)(FIELD_OVERHEAD + r->text_size));
	}
}

/** CPU time of this thread: what others do on the machine is left out, but for the caches. */
static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/** Least nanoseconds a field. */
static double measure(const struct run *r, void (*turn)(const struct run *r, uint32_t b))
{
	double least = 1e18;

	for (unsigned p = 0; p < PASSES; p++) {
		double start = cpu_ns();
		double took;

		for (uint32_t b = 0; b < BURSTS; b++)
			turn(r, b);
		took = (cpu_ns() - start) / (BURSTS * BURST);
		least = took < least ? took : least;
	}
	return least;
}

static void print_row(struct engine *engine, const char *name, uint32_t key_count)
{
	static const size_t sizes[] = {16, 32, 64, 256};

	for (unsigned is_random = 0; is_random < 2; is_random++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct run ours = {engine, sizes[s], is_random != 0};
			struct run theirs = {NULL, sizes[s], is_random != 0};
			double evp;
			double seal;
			double open;

			choose_keys(key_count);
			evp = measure(&theirs, seal_evp);
			seal = measure(&ours, seal_ours);
			open = measure(&ours, open_ours);
			printf("%-12s %-9s %-13s %4zu B  seal %6.1f  open %6.1f  EVP seal %6.1f  "
			       "ratio %.2f\n",
			       name,
			       key_count == KEYS_HOT ? "8 keys" : "1 M keys",
			       is_random ? "random" : "deterministic",
			       sizes[s],
			       seal,
			       open,
			       evp,
			       evp / seal);
		}
}

int main(void)
{
	struct engine_options kinds[] = {
		{CPU_AUTO, LANES_AUTO},
		{CPU_AUTO, LANES_OFF},
		{CPU_SSE, LANES_OFF},
		{CPU_AVX2, LANES_OFF},
		{CPU_AVX512, LANES_OFF},
	};

	keys = malloc(KEYS_COLD * sizeof(*keys));
	if (keys == NULL || !field_path_init(view_of_text("customer/email"), &path))
		return EXIT_FAILURE;
	for (size_t i = 0; i < KEYS_COLD * sizeof(*keys); i += 4)
		memcpy((uint8_t *)keys + i, &(uint32_t){next_random()}, 4);
	for (size_t i = 0; i < sizeof(texts); i++)
		(&texts[0][0])[i] = (uint8_t)next_random();
	puts("ns a field; ratio: EVP / ours");
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct engine *engine;
		struct problem problem;
		char name[32];

		if (engine_new(&kinds[k], &engine, &problem) != SL_OK)
			continue;
		snprintf(
			name,
			sizeof(name),
			"%s%s",
			cpu_level_name(kinds[k].cpu),
			kinds[k].lanes == LANES_OFF ? "/imb" : ""
		);
		printf("%s: %s\n", name, engine_text(engine));
		print_row(engine, name, KEYS_HOT);
		print_row(engine, name, KEYS_COLD);
		engine_free(engine);
	}
	free(keys);
	return EXIT_SUCCESS;
}
