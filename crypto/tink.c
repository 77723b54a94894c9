#include "crypto/tink.h"

#include "crypto/secret.h"

#include <inttypes.h>
#include <jansson.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Tink's proto AesGcmKey: field 3 (key_value), 32 bytes; field 1 (version) is 0 and so left out.

#define TYPE_URL "type.googleapis.com/google.crypto.tink.AesGcmKey"

enum {
	PROTO_HEAD_0 = 0x1a, // field 3, length-delimited
	PROTO_SIZE = 2 + 32,
	VALUE_LENGTH = (PROTO_SIZE + 2) / 3 * 4,
	JSON_SIZE_MAX = 64 * 1024 // bytes we read at all
};

/** Base64 digit of 0..63 by arithmetic: a look-up in a table would show key bits to the cache. */
static uint8_t digit_of(unsigned v)
{
	unsigned c = v + 'A';

	c += (25 - v) >> 8 & ('a' - 'Z' - 1);
	c -= (51 - v) >> 8 & ('z' + 1 - '0');
	c -= (61 - v) >> 8 & ('9' + 1 - '+');
	c += (62 - v) >> 8 & ('/' - '+' - 1);
	return (uint8_t)c;
}

/** All ones when low <= c <= high. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
	return (((c - low) | (high - c)) >> 31) - 1;
}

/** 0..63, or a value with bits above 0xff: by arithmetic, as above. */
static unsigned value_of(uint8_t c)
{
	unsigned v = ~0u;

	v ^= in_range(c, 'A', 'Z') & (~0u ^ (c - 'A'));
	v ^= in_range(c, 'a', 'z') & (~0u ^ (c - 'a' + 26u));
	v ^= in_range(c, '0', '9') & (~0u ^ (c - '0' + 52u));
	v ^= in_range(c, '+', '+') & (~0u ^ 62u);
	v ^= in_range(c, '/', '/') & (~0u ^ 63u);
	return v;
}

/** PROTO_SIZE is one byte over a multiple of three: the text ends in two '='. */
static void write_value(const uint8_t key[static 32], char text[static VALUE_LENGTH])
{
	uint8_t proto[PROTO_SIZE + 2] = {PROTO_HEAD_0, 32};

	memcpy(proto + 2, key, 32);
	for (size_t i = 0, o = 0; i < PROTO_SIZE; i += 3, o += 4) {
		unsigned bits =
			(unsigned)proto[i] << 16 | (unsigned)proto[i + 1] << 8 | proto[i + 2];

		for (unsigned d = 0; d < 4; d++)
			text[o + d] = (char)digit_of(bits >> (18 - 6 * d) & 63);
	}
	memset(text + VALUE_LENGTH - 2, '=', 2);
	bytes_wipe(proto, sizeof(proto));
}

static bool read_value(const char *text, size_t length, uint8_t ret_key[static 32])
{
	uint8_t proto[PROTO_SIZE + 2];
	unsigned wrong = 0;
	bool is_key;

	if (length != VALUE_LENGTH || memcmp(text + VALUE_LENGTH - 2, "==", 2) != 0)
		return false;
	for (size_t i = 0, o = 0; i < PROTO_SIZE; i += 3, o += 4) {
		unsigned bits = 0;

		for (unsigned d = 0; d < 4; d++) {
			bool is_pad = o + d >= VALUE_LENGTH - 2;
			unsigned v = is_pad ? 0 : value_of((uint8_t)text[o + d]);

			wrong |= v >> 6;
			bits = bits << 6 | (v & 63);
		}
		proto[i] = (uint8_t)(bits >> 16);
		proto[i + 1] = (uint8_t)(bits >> 8);
		proto[i + 2] = (uint8_t)bits;
	}
	wrong |= proto[PROTO_SIZE] | proto[PROTO_SIZE + 1];
	is_key = wrong == 0 && proto[0] == PROTO_HEAD_0 && proto[1] == 32;
	if (is_key)
		memcpy(ret_key, proto + 2, 32);
	bytes_wipe(proto, sizeof(proto));
	return is_key;
}

size_t tink_keyset_write(const struct tink_key keys[], size_t count, uint8_t *json)
{
	const size_t size_max = count * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD;
	const uint32_t primary = count == 0 ? 0 : keys[0].id;
	char *text = (char *)json;
	size_t size = (size_t
	)snprintf(text, size_max, "{\"primaryKeyId\":%" PRIu32 ",\"key\":[", primary);

	for (size_t i = 0; i < count; i++) {
		size += (size_t)snprintf(
			text + size,
			size_max - size,
			"%s{\"keyData\":{\"typeUrl\":\"" TYPE_URL "\",\"value\":\"",
			i == 0 ? "" : ","
		);
		write_value(keys[i].key, text + size);
		size += VALUE_LENGTH;
		size += (size_t)snprintf(
			text + size,
			size_max - size,
			"\",\"keyMaterialType\":\"SYMMETRIC\"},\"status\":\"ENABLED\","
			"\"keyId\":%" PRIu32 ",\"outputPrefixType\":\"TINK\"}",
			keys[i].id
		);
	}
	memcpy(text + size, "]}", 2);
	return size + 2;
}

/** Whatever jansson frees may have held a key. Fits every block of malloc, older ones too. */
static void wipe_and_free(void *block)
{
	if (block != NULL)
		bytes_wipe(block, malloc_usable_size(block));
	free(block);
}

static void make_jansson_wipe(void)
{
	json_set_alloc_funcs(malloc, wipe_and_free);
}

static bool is_text(const json_t *object, const char *name, const char *expected)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text != NULL && strcmp(text, expected) == 0;
}

static bool read_id(const json_t *number, uint32_t *ret_id)
{
	json_int_t id = json_integer_value(number);

	if (!json_is_integer(number) || id < 0 || id > UINT32_MAX)
		return false;
	*ret_id = (uint32_t)id;
	return true;
}

static enum sl_status read_key(
	const json_t *entry,
	size_t number,
	struct tink_key *ret_key,
	struct problem *ret_problem
)
{
	const json_t *data = json_object_get(entry, "keyData");
	const json_t *value = json_object_get(data, "value");
	const char *why = NULL;

	if (!json_is_string(value) || !read_id(json_object_get(entry, "keyId"), &ret_key->id))
		return problem_set(
			ret_problem, SL_E_SYNTAX, "key %zu lacks keyData.value or keyId", number
		);
	if (!is_text(entry, "status", "ENABLED"))
		why = "is not ENABLED";
	else if (!is_text(data, "typeUrl", TYPE_URL))
		why = "is not an AesGcmKey";
	else if (!is_text(data, "keyMaterialType", "SYMMETRIC"))
		why = "is not of SYMMETRIC key material";
	else if (!is_text(entry, "outputPrefixType", "TINK"))
		why = "has an outputPrefixType that is not TINK";
	else if (!read_value(json_string_value(value), json_string_length(value), ret_key->key))
		why = "is not a key of 32 bytes";
	if (why == NULL)
		return SL_OK;
	(void)!problem_set(ret_problem, SL_E_UNSUPPORTED, "key %zu of the keyset %s", number, why);
	problem_remedy(ret_problem, "export AES-256-GCM keys with the template AES256_GCM");
	return SL_E_UNSUPPORTED;
}

static enum sl_status read_keys(
	const json_t *list,
	struct tink_key ret_keys[static TINK_KEYS_MAX],
	struct problem *ret_problem
)
{
	size_t count = json_array_size(list);

	if (!json_is_array(list) || count == 0)
		return problem_set(ret_problem, SL_E_SYNTAX, "the keyset has no list of keys");
	if (count > TINK_KEYS_MAX)
		return problem_set(
			ret_problem,
			SL_E_TOO_BIG,
			"the keyset has %zu keys, more than %d",
			count,
			TINK_KEYS_MAX
		);
	for (size_t i = 0; i < count; i++)
		SL_TRY(read_key(json_array_get(list, i), i + 1, &ret_keys[i], ret_problem));
	return SL_OK;
}

static bool has_id_twice(const struct tink_key keys[], size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t k = 0; k < i; k++)
			if (keys[i].id == keys[k].id)
				return true;
	return false;
}

/** Move the primary key to the front. */
static enum sl_status put_primary_first(
	const json_t *root,
	struct tink_key keys[],
	size_t count,
	struct problem *ret_problem
)
{
	struct tink_key first = keys[0];
	uint32_t id;

	if (has_id_twice(keys, count))
		return problem_set(
			ret_problem, SL_E_SYNTAX, "two keys of the keyset have one keyId"
		);
	if (!read_id(json_object_get(root, "primaryKeyId"), &id))
		return problem_set(ret_problem, SL_E_SYNTAX, "the keyset lacks its primaryKeyId");
	for (size_t i = 0; i < count; i++) {
		if (keys[i].id != id)
			continue;
		keys[0] = keys[i];
		keys[i] = first;
		bytes_wipe(&first, sizeof(first));
		return SL_OK;
	}
	bytes_wipe(&first, sizeof(first));
	return problem_set(
		ret_problem, SL_E_SYNTAX, "the keyset has no key with its primaryKeyId %" PRIu32, id
	);
}

enum sl_status tink_keyset_read(
	struct view json,
	struct tink_key ret_keys[static TINK_KEYS_MAX],
	size_t *ret_count,
	struct problem *ret_problem
)
{
	static pthread_once_t wiping = PTHREAD_ONCE_INIT;
	struct tink_key keys[TINK_KEYS_MAX];
	json_error_t error;
	enum sl_status status;
	json_t *root;
	size_t count;

	if (json.size > JSON_SIZE_MAX)
		return problem_set(
			ret_problem,
			SL_E_TOO_BIG,
			"the keyset has %zu bytes, more than %d",
			json.size,
			JSON_SIZE_MAX
		);
	pthread_once(&wiping, make_jansson_wipe);
	root = json_loadb((const char *)json.bytes, json.size, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		// jansson's text may quote the keyset: only the place is told.
		(void)!problem_set(ret_problem, SL_E_SYNTAX, "the keyset is not JSON");
		ret_problem->line = (uint32_t)error.line;
		ret_problem->column = (uint32_t)error.column;
		return SL_E_SYNTAX;
	}
	count = json_array_size(json_object_get(root, "key"));
	status = read_keys(json_object_get(root, "key"), keys, ret_problem);
	if (status == SL_OK)
		status = put_primary_first(root, keys, count, ret_problem);
	if (status == SL_OK) {
		memcpy(ret_keys, keys, count * sizeof(keys[0]));
		*ret_count = count;
	}
	json_decref(root);
	bytes_wipe(keys, sizeof(keys));
	return status;
}
