#include "crypto/engine.h"
#include "crypto/secret.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/hex.h"
#include "tests/unit/crypto/engines.h"

#include <stdlib.h>
#include <string.h>

enum {
	BYTES_MAX = 128
};

/** AES-256 test cases 13..18 of the GCM specification (McGrew, Viega), revised 2005. */
static const struct gcm_vector {
	const char *key;
	const char *iv;
	const char *aad;
	const char *text;
	const char *sealed; // ciphertext, tag
} gcm_vectors[] = {

#define VECTOR(key, iv, aad, text, sealed) {key, iv, aad, text, sealed},
#include "tests/vectors/gcm.def"
#undef VECTOR
};

static void check_gcm(struct engine *engine)
{
	for (size_t i = 0; i < sizeof(gcm_vectors) / sizeof(gcm_vectors[0]); i++) {
		const struct gcm_vector *v = &gcm_vectors[i];
		uint8_t key[32];
		uint8_t iv[BYTES_MAX];
		uint8_t aad[BYTES_MAX];
		uint8_t text[BYTES_MAX];
		uint8_t want[BYTES_MAX];
		uint8_t got[BYTES_MAX];
		struct view ivs = view_of(iv, hex_read(v->iv, iv, BYTES_MAX));
		struct view aads = view_of(aad, hex_read(v->aad, aad, BYTES_MAX));
		struct view texts = view_of(text, hex_read(v->text, text, BYTES_MAX));
		size_t size = hex_read(v->sealed, want, BYTES_MAX);

		hex_read(v->key, key, sizeof(key));
		engine_gcm_seal(engine, key, ivs, aads, texts, got);
		CHECK(memcmp(got, want, size) == 0);
		CHECK(engine_gcm_open(engine, key, ivs, aads, view_of(want, size), got) == SL_OK);
		CHECK(memcmp(got, text, texts.size) == 0);
	}
}

/** NIST SP 800-38B, AES-256 examples: of one key, the first size bytes of one message. */
static const struct cmac_vector {
	size_t size;
	const char *mac;
} cmac_vectors[] = {
	{0, "028962f61b7bf89efc6b551f4667d983"},
	{16, "28a7023f452e8f82bd4bf28d8c37c35c"},
	{40, "aaf3d8f1de5640c232f5b169b9c911e6"},
	{64, "e1992190549f6ed5696a2c056c315410"},
};

static void check_cmac(struct engine *engine)
{
	uint8_t key[32];
	uint8_t text[64];

	hex_read(
		"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", key, sizeof(key)
	);
	hex_read(
		"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
		text,
		sizeof(text)
	);
	for (size_t i = 0; i < sizeof(cmac_vectors) / sizeof(cmac_vectors[0]); i++) {
		uint8_t want[16];
		uint8_t mac[16];

		hex_read(cmac_vectors[i].mac, want, sizeof(want));
		engine_cmac(engine, key, view_of(text, cmac_vectors[i].size), mac);
		CHECK(memcmp(mac, want, sizeof(mac)) == 0);
	}
}

/** Long messages, where ipsec-mb's own 16-bit count would wrap. */
static const struct long_cmac_vector {
	size_t size; // of a text 00 01 … modulo 251, under the key 00 01 … 1f
	const char *mac;
} long_cmac_vectors[] = {

#define VECTOR(size, mac) {size, mac},
#include "tests/vectors/cmac_long.def"
#undef VECTOR
};

static void check_long_cmac(struct engine *engine)
{
	static uint8_t text[FIELD_TEXT_MAX];
	uint8_t key[32];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i % 251);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(long_cmac_vectors) / sizeof(long_cmac_vectors[0]); i++) {
		uint8_t want[16];
		uint8_t mac[16];

		hex_read(long_cmac_vectors[i].mac, want, sizeof(want));
		engine_cmac(engine, key, view_of(text, long_cmac_vectors[i].size), mac);
		CHECK(memcmp(mac, want, sizeof(mac)) == 0);
	}
}

static const struct kdf_vector {
	const char *dek;
	int purpose; // -1: the IV key
	const char *key;
} kdf_vectors[] = {

#define VECTOR(dek, purpose, key) {dek, purpose, key},
#include "tests/vectors/kdf.def"
#undef VECTOR
};

enum {
	KDF_VECTORS = sizeof(kdf_vectors) / sizeof(kdf_vectors[0])
};

static void check_kdf_one_by_one(struct engine *engine)
{
	for (size_t i = 0; i < KDF_VECTORS; i++) {
		const struct kdf_vector *v = &kdf_vectors[i];
		uint8_t purpose = (uint8_t)v->purpose;
		uint8_t dek[32];
		uint8_t want[32];
		uint8_t keys[64];

		hex_read(v->dek, dek, sizeof(dek));
		hex_read(v->key, want, sizeof(want));
		engine_derive(engine, dek, 1, &purpose, v->purpose >= 0, keys);
		CHECK(memcmp(keys + (v->purpose >= 0 ? 32 : 0), want, sizeof(want)) == 0);
	}
}

/** Many data keys at once give what each gives alone, and not a byte more is written. */
static void check_kdf_in_bulk(struct engine *engine)
{
	static const uint8_t purposes[5] = {0, 1, 2, 63, 255};
	static const size_t counts[] = {0, 1, 3, 16, 64, 65, 300};
	uint8_t dek[300 * 32];

	engine_random(engine, dek, sizeof(dek));
	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++)
		for (size_t purpose_count = 0; purpose_count <= 5; purpose_count++) {
			size_t keys_size = (1 + purpose_count) * 32;
			struct guarded keys = guarded_new(counts[c] * keys_size);

			engine_derive(engine, dek, counts[c], purposes, purpose_count, keys.bytes);
			for (size_t i = 0; i < counts[c]; i++) {
				uint8_t alone[6 * 32];

				engine_derive(
					engine, dek + i * 32, 1, purposes, purpose_count, alone
				);
				CHECK(memcmp(alone, keys.bytes + i * keys_size, keys_size) == 0);
			}
			guarded_free(&keys);
		}
}

static void check_short_and_forged(struct engine *engine)
{
	static const uint8_t key[32] = {7};
	struct view iv = view_of("twelve bytes", 12);
	uint8_t sealed[16 + 33];
	uint8_t text[33];

	for (size_t size = 0; size < 16; size++)
		CHECK(engine_gcm_open(
			      engine, key, iv, view_of_text("aad"), view_of(sealed, size), text
		      )
		      == SL_E_TRUNCATED);
	engine_gcm_seal(
		engine,
		key,
		iv,
		view_of_text("aad"),
		view_of("thirty-three bytes of clear text.", 33),
		sealed
	);
	CHECK(engine_gcm_open(
		      engine, key, iv, view_of_text("aae"), view_of(sealed, sizeof(sealed)), text
	      )
	      == SL_E_FORGED);
	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
		uint8_t nothing[sizeof(text)] = {0};

		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(text, 0xee, sizeof(text));
		CHECK(engine_gcm_open(
			      engine,
			      key,
			      iv,
			      view_of_text("aad"),
			      view_of(sealed, sizeof(sealed)),
			      text
		      )
		      == SL_E_FORGED);
		CHECK(memcmp(text, nothing, sizeof(text)) == 0);
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void gcm_of_the_specification(void)
{
	engines_each(check_gcm);
}

static void cmac_of_sp_800_38b(void)
{
	engines_each(check_cmac);
}

static void long_cmac(void)
{
	engines_each(check_long_cmac);
}

static void derived_keys_of_an_independent_program(void)
{
	engines_each(check_kdf_one_by_one);
}

static void derived_keys_in_bulk(void)
{
	engines_each(check_kdf_in_bulk);
}

static void forged_messages_stay_closed(void)
{
	engines_each(check_short_and_forged);
}

static const struct check_test tests[] = {
	{"GCM of the specification", gcm_of_the_specification},
	{"CMAC of SP 800-38B", cmac_of_sp_800_38b},
	{"long CMAC", long_cmac},
	{"derived keys of an independent program", derived_keys_of_an_independent_program},
	{"derived keys in bulk", derived_keys_in_bulk},
	{"forged messages stay closed", forged_messages_stay_closed},
};

CHECK_MAIN("crypto/message")
