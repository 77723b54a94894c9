#include "bench/evp_fields.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEXT_AT = FIELD_PREFIX_SIZE + FIELD_IV_SIZE,
	TEXT_MAX = 4096 // bytes of a field here
};

struct evp_fields {
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
	EVP_CIPHER_CTX *cbc;
	uint64_t counter;
	uint8_t raw[FIELD_OVERHEAD + TEXT_MAX + 3];
	uint8_t message[FIELD_PATH_BLOCKS_MAX * 16 + TEXT_MAX + 16];
};

struct evp_fields *evp_fields_new(void)
{
	struct evp_fields *e = calloc(1, sizeof(*e));

	if (e == NULL)
		abort();
	e->seal = EVP_CIPHER_CTX_new();
	e->open = EVP_CIPHER_CTX_new();
	e->cbc = EVP_CIPHER_CTX_new();
	if (!EVP_EncryptInit_ex(e->seal, EVP_aes_256_gcm(), NULL, NULL, NULL)
	    || !EVP_DecryptInit_ex(e->open, EVP_aes_256_gcm(), NULL, NULL, NULL)
	    || !EVP_EncryptInit_ex(e->cbc, EVP_aes_256_cbc(), NULL, NULL, NULL))
		abort();
	EVP_CIPHER_CTX_set_padding(e->cbc, 0);
	return e;
}

void evp_fields_free(struct evp_fields *e)
{
	EVP_CIPHER_CTX_free(e->seal);
	EVP_CIPHER_CTX_free(e->open);
	EVP_CIPHER_CTX_free(e->cbc);
	free(e);
}

static void double_block(uint8_t k[static 16])
{
	uint8_t carry = k[0] >> 7;

	for (unsigned i = 0; i < 15; i++)
		k[i] = (uint8_t)(k[i] << 1 | k[i + 1] >> 7);
	k[15] = (uint8_t)(k[15] << 1 ^ carry * 0x87);
}

/** The synthetic IV: CMAC as CBC-MAC with a subkey, which is faster than EVP_MAC. */
static void make_iv(
	struct evp_fields *e,
	const uint8_t *key,
	const struct field_path *path,
	struct view text,
	uint8_t *ret_iv
)
{
	static const uint8_t zero[16];
	uint8_t subkey[16];
	size_t head = (size_t)path->block_count * 16;
	size_t size = head + text.size;
	size_t whole = (size + 15) / 16 * 16;
	int done;

	EVP_EncryptInit_ex(e->cbc, NULL, NULL, key, zero);
	EVP_EncryptUpdate(e->cbc, subkey, &done, zero, 16);
	double_block(subkey);
	memcpy(e->message, path->block, head);
	memcpy(e->message + head, text.bytes, text.size);
	if (size != whole) {
		memset(e->message + size, 0, whole - size);
		e->message[size] = 0x80;
		double_block(subkey);
	}
	for (unsigned i = 0; i < 16; i++)
		e->message[whole - 16 + i] ^= subkey[i];
	EVP_EncryptInit_ex(e->cbc, NULL, NULL, NULL, zero);
	EVP_EncryptUpdate(e->cbc, e->message, &done, e->message, (int)whole);
	memcpy(ret_iv, e->message + whole - 16, FIELD_IV_SIZE);
}

static void seal_field(struct evp_fields *e, const struct seal_burst *burst, uint32_t i)
{
	const struct field_path *path = burst->path[i];
	struct view text = burst->text[i];
	uint32_t id = __builtin_bswap32(burst->key_id[i]);
	uint8_t *iv = e->raw + FIELD_PREFIX_SIZE;
	int done;

	e->raw[0] = 1;
	memcpy(e->raw + 1, &id, sizeof(id));
	if (burst->iv_key[i] != NULL)
		make_iv(e, burst->iv_key[i], path, text, iv);
	else
		memcpy(iv, &(uint64_t){++e->counter}, sizeof(uint64_t));
	EVP_EncryptInit_ex(e->seal, NULL, NULL, burst->field_key[i], iv);
	EVP_EncryptUpdate(e->seal, NULL, &done, field_path_bytes(path), (int)path->size);
	EVP_EncryptUpdate(e->seal, e->raw + TEXT_AT, &done, text.bytes, (int)text.size);
	EVP_EncryptFinal_ex(e->seal, e->raw + TEXT_AT + done, &done);
	EVP_CIPHER_CTX_ctrl(e->seal, EVP_CTRL_GCM_GET_TAG, 16, e->raw + TEXT_AT + text.size);
	EVP_EncodeBlock(burst->sealed[i], e->raw, (int)(FIELD_OVERHEAD + text.size));
}

void evp_seal_fields(struct evp_fields *e, struct seal_burst *burst)
{
	for (uint32_t i = 0; i < burst->count; i++)
		seal_field(e, burst, i);
}

static bool open_field(struct evp_fields *e, struct open_burst *burst, uint32_t i)
{
	const struct field_path *path = burst->path[i];
	struct view sealed = burst->sealed[i];
	int size = EVP_DecodeBlock(e->raw, sealed.bytes, (int)sealed.size);
	int done;

	size -= sealed.bytes[sealed.size - 1] == '=';
	size -= sealed.bytes[sealed.size - 2] == '=';
	size -= FIELD_OVERHEAD;
	EVP_DecryptInit_ex(e->open, NULL, NULL, burst->field_key[i], e->raw + FIELD_PREFIX_SIZE);
	EVP_DecryptUpdate(e->open, NULL, &done, field_path_bytes(path), (int)path->size);
	EVP_DecryptUpdate(e->open, burst->text[i], &done, e->raw + TEXT_AT, size);
	EVP_CIPHER_CTX_ctrl(e->open, EVP_CTRL_GCM_SET_TAG, 16, e->raw + TEXT_AT + size);
	burst->text_size[i] = (uint32_t)size;
	return EVP_DecryptFinal_ex(e->open, burst->text[i] + size, &done) == 1;
}

size_t evp_open_fields(struct evp_fields *e, struct open_burst *burst)
{
	size_t opened = 0;

	for (uint32_t i = 0; i < burst->count; i++) {
		burst->is_opened[i] = open_field(e, burst, i);
		opened += burst->is_opened[i];
	}
	return opened;
}
