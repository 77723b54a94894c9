#include "control/keys_csv.h"

#include "crypto/base64.h"
#include "crypto/secret.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"

#include <stdlib.h>
#include <string.h>

enum {
	BATCH = 64, // keys derived at once
	JSON_MAX = CONTRACT_PURPOSES_MAX * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD,
	ROW_MAX = 2 * JSON_MAX + 256,
	TEXT_SIZE = 64 << 10,
	ID_DIGITS = 10,
	PROTO_SIZE = 2 + KEY_SIZE
};

/** Working memory. Secret. */
struct csv_work {
	struct vault_key keys[BATCH];
	uint8_t dek[BATCH][KEY_SIZE];
	uint8_t derived[BATCH * (1 + CONTRACT_PURPOSES_MAX) * KEY_SIZE];
	struct tink_key keyset[CONTRACT_PURPOSES_MAX];
	uint8_t json[JSON_MAX];
	uint8_t text[TEXT_SIZE];
};

/** The cell of a keyset, with the places of what differs from row to row. */
struct pattern {
	uint8_t bytes[2 * JSON_MAX];
	size_t size;
	uint16_t primary_at;
	uint16_t value_at[CONTRACT_PURPOSES_MAX];
	uint16_t id_at[CONTRACT_PURPOSES_MAX];
};

struct keys_csv {
	struct vault *vault;
	struct engine *engine;
	struct csv_work *work;
	struct room text; // work->text
	size_t count;     // of work->keys
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	size_t purpose_count;
	struct pattern pattern;
	keys_csv_put_fn put;
	void *self;
};

static enum sl_status put_text(struct keys_csv *csv)
{
	struct view text = view_of(csv->text.bytes, csv->text.size);

	csv->text.size = 0;
	return text.size == 0 ? SL_OK : csv->put(csv->self, text);
}

/** In double quotes; what goes in has no quotes of its own. */
static void put_quoted(struct room *r, const void *text, size_t size)
{
	room_put_byte(r, '"');
	room_put(r, text, size);
	room_put_byte(r, '"');
}

static void put_uuid(struct room *r, const uint8_t uuid[static UUID_SIZE])
{
	char text[UUID_TEXT_SIZE];

	uuid_write(uuid, text);
	put_quoted(r, text, sizeof(text));
}

/** snprintf would cost as much as a good part of the row. */
static void put_number(struct room *r, int64_t number)
{
	uint8_t text[24];
	uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
	size_t at = sizeof(text);

	do {
		text[--at] = (uint8_t)('0' + left % 10);
		left /= 10;
	} while (left != 0);
	if (number < 0)
		text[--at] = '-';
	put_quoted(r, text + at, sizeof(text) - at);
}

/** Ten digits: tink_key_id sets bit 30 and leaves bit 31. */
static void write_id(uint32_t id, uint8_t *digits)
{
	for (size_t i = ID_DIGITS; i-- != 0; id /= 10)
		digits[i] = (uint8_t)('0' + id % 10);
}

/** The next place behind a mark, from *at on; we are wrong when there is none. */
static uint16_t place_after(const struct pattern *p, const char *mark, size_t *at)
{
	const uint8_t *found = memmem(p->bytes + *at, p->size - *at, mark, strlen(mark));

	if (found == NULL)
		SL_BUG("a keyset is not as keys_csv.c expects");
	*at = (size_t)(found - p->bytes) + strlen(mark);
	return (uint16_t)*at;
}

/**
 * The keyset's cell with its quotes, once for all rows: from row to row only ids and values differ, and each has
 * the same length everywhere.
 */
static void make_pattern(struct keys_csv *csv)
{
	static const uint8_t no_link[KEY_LINK_SIZE];
	struct csv_work *w = csv->work;
	struct pattern *p = &csv->pattern;
	size_t json_size;
	size_t at = 0;

	for (size_t i = 0; i < csv->purpose_count; i++)
		w->keyset[i].id = tink_key_id(no_link, csv->purposes[i]);
	json_size = tink_keyset_write(w->keyset, csv->purpose_count, w->json);
	p->bytes[p->size++] = '"';
	for (size_t i = 0; i < json_size; i++) {
		if (w->json[i] == '"')
			p->bytes[p->size++] = '"';
		p->bytes[p->size++] = w->json[i];
	}
	p->bytes[p->size++] = '"';
	p->primary_at = place_after(p, "primaryKeyId\"\":", &at);
	for (size_t i = 0; i < csv->purpose_count; i++) {
		p->value_at[i] = place_after(p, "value\"\":\"\"", &at);
		p->id_at[i] = place_after(p, "keyId\"\":", &at);
	}
}

enum sl_status keys_csv_new(
	struct vault *vault,
	const uint8_t purposes[],
	size_t purpose_count,
	keys_csv_put_fn put,
	void *self,
	struct keys_csv **ret_csv,
	struct problem *ret_problem
)
{
	static const char header[] = "keyLink,encryptionKey,policyId,expiresAt\r\n";
	const struct engine_options auto_options = {0};
	struct keys_csv *csv;
	enum sl_status status;

	if (purpose_count == 0 || purpose_count > CONTRACT_PURPOSES_MAX)
		return problem_set(
			ret_problem, SL_E_INVALID, "keys of no purpose can not be exported"
		);
	csv = calloc(1, sizeof(*csv));
	if (csv == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the keys file");
	csv->vault = vault;
	csv->put = put;
	csv->self = self;
	csv->purpose_count = purpose_count;
	memcpy(csv->purposes, purposes, purpose_count);
	csv->work = secret_new(sizeof(*csv->work));
	status = csv->work == NULL
		? problem_set(ret_problem, SL_E_NOMEM, "no memory for the keys file")
		: engine_new(&auto_options, &csv->engine, ret_problem);
	if (status != SL_OK) {
		keys_csv_free(csv);
		return status;
	}
	make_pattern(csv);
	csv->text = (struct room){.bytes = csv->work->text, .capacity = TEXT_SIZE};
	room_put(&csv->text, header, sizeof(header) - 1);
	*ret_csv = csv;
	return SL_OK;
}

void keys_csv_free(struct keys_csv *csv)
{
	if (csv == NULL)
		return;
	engine_free(csv->engine);
	secret_free(csv->work, sizeof(*csv->work));
	free(csv);
}

static void put_keyset(struct keys_csv *csv, const uint8_t *link, const uint8_t *keys)
{
	const struct pattern *p = &csv->pattern;
	uint8_t proto[PROTO_SIZE] = {0x1a, KEY_SIZE}; // Tink's AesGcmKey: field 3, 32 bytes
	uint8_t *cell = csv->text.bytes + csv->text.size;

	room_put(&csv->text, p->bytes, p->size);
	write_id(tink_key_id(link, csv->purposes[0]), cell + p->primary_at);
	for (size_t i = 0; i < csv->purpose_count; i++) {
		memcpy(proto + PROTO_SIZE - KEY_SIZE, keys + i * KEY_SIZE, KEY_SIZE);
		base64_encode(view_of(proto, PROTO_SIZE), cell + p->value_at[i]);
		write_id(tink_key_id(link, csv->purposes[i]), cell + p->id_at[i]);
	}
	bytes_wipe(proto, sizeof(proto));
}

static void put_row(struct keys_csv *csv, const struct vault_key *key, const uint8_t *derived)
{
	static const uint8_t no_policy[VAULT_POLICY_SIZE];
	struct room *r = &csv->text;

	put_uuid(r, key->link);
	room_put_byte(r, ',');
	put_keyset(csv, key->link, derived + KEY_SIZE); // behind the IV key
	room_put_byte(r, ',');
	if (memcmp(key->policy_id, no_policy, sizeof(no_policy)) != 0)
		put_uuid(r, key->policy_id);
	room_put_byte(r, ',');
	put_number(r, key->expires_ms);
	room_put(r, "\r\n", 2);
}

static enum sl_status put_batch(struct keys_csv *csv)
{
	struct csv_work *w = csv->work;
	size_t keys_size = (1 + csv->purpose_count) * KEY_SIZE;

	if (csv->count == 0)
		return SL_OK;
	for (size_t i = 0; i < csv->count; i++)
		memcpy(w->dek[i], w->keys[i].dek, KEY_SIZE);
	engine_derive(
		csv->engine, w->dek[0], csv->count, csv->purposes, csv->purpose_count, w->derived
	);
	for (size_t i = 0; i < csv->count; i++) {
		if (room_left(&csv->text) < ROW_MAX)
			SL_TRY(put_text(csv));
		put_row(csv, &w->keys[i], w->derived + i * keys_size);
	}
	csv->count = 0;
	return SL_OK;
}

enum sl_status keys_csv_add(struct keys_csv *csv, const uint8_t link[static KEY_LINK_SIZE])
{
	SL_TRY(vault_read_key(csv->vault, csv->engine, link, &csv->work->keys[csv->count]));
	if (++csv->count < BATCH)
		return SL_OK;
	return put_batch(csv);
}

enum sl_status keys_csv_add_key(struct keys_csv *csv, const struct vault_key *key)
{
	csv->work->keys[csv->count] = *key;
	if (++csv->count < BATCH)
		return SL_OK;
	return put_batch(csv);
}

enum sl_status keys_csv_flush(struct keys_csv *csv)
{
	SL_TRY(put_batch(csv));
	return put_text(csv);
}

static enum sl_status add(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	return keys_csv_add(self, link);
}

enum sl_status keys_csv_write(
	struct vault *vault,
	struct keyring *keyring,
	const uint8_t purposes[],
	size_t purpose_count,
	keys_csv_put_fn put,
	void *self,
	struct problem *ret_problem
)
{
	struct keys_csv *csv;
	enum sl_status status = keyring_wait_durable(keyring, keyring_position(keyring));

	if (status != SL_OK)
		return keyring_status(keyring, ret_problem);
	SL_TRY(keys_csv_new(vault, purposes, purpose_count, put, self, &csv, ret_problem));
	status = keyring_used_links(keyring, add, csv);
	if (status == SL_OK)
		status = keys_csv_flush(csv);
	keys_csv_free(csv);
	if (status == SL_OK)
		return SL_OK;
	return problem_set(
		ret_problem, status, "the keys can not be exported: %s", status_text(status)
	);
}
