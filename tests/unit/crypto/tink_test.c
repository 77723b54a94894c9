#include "crypto/engine.h"
#include "crypto/tink.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// That real Tink takes these keysets is shown by tests/conformance/tink_test.py; here is their form.

#define HEAD     "{\"keyData\":{\"typeUrl\":\"type.googleapis.com/google.crypto.tink."
#define VALUE    "GiAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHw=="
#define MATERIAL "\",\"keyMaterialType\":\"SYMMETRIC\"},"
#define KEY(id)                                                                                    \
	HEAD "AesGcmKey\",\"value\":\"" VALUE MATERIAL "\"status\":\"ENABLED\",\"keyId\":" id      \
	     ",\"outputPrefixType\":\"TINK\"}"
#define KEYSET(primary, keys) "{\"primaryKeyId\":" primary ",\"key\":[" keys "]}"

static struct tink_key numbered_key(uint32_t id)
{
	struct tink_key key = {.id = id};

	for (size_t i = 0; i < sizeof(key.key); i++)
		key.key[i] = (uint8_t)i;
	return key;
}

static enum sl_status read(const char *json, size_t *ret_count, struct problem *ret_problem)
{
	struct guarded text = guarded_new(strlen(json));
	struct tink_key keys[TINK_KEYS_MAX];
	enum sl_status status;

	memcpy(text.bytes, json, text.size);
	*ret_problem = (struct problem){0};
	status = tink_keyset_read(view_of(text.bytes, text.size), keys, ret_count, ret_problem);
	guarded_free(&text);
	return status;
}

static void written_form(void)
{
	struct tink_key keys[2] = {numbered_key(1), numbered_key(4294967295u)};
	uint8_t json[2 * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	size_t size = tink_keyset_write(keys, 2, json);

	CHECK(view_equal(
		view_of(json, size), view_of_text(KEYSET("1", KEY("1") "," KEY("4294967295")))
	));
}

/** The bound of tink.h holds for the longest ids, and nothing is written beyond it. */
static void the_bound_holds(void)
{
	static const size_t counts[] = {0, 1, 2, TINK_KEYS_MAX};

	for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
		struct guarded json =
			guarded_new(counts[c] * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD);
		struct tink_key keys[TINK_KEYS_MAX];

		for (size_t i = 0; i < TINK_KEYS_MAX; i++)
			keys[i] = numbered_key(4294967295u - (uint32_t)i);
		CHECK(tink_keyset_write(keys, counts[c], json.bytes) <= json.size);
		guarded_free(&json);
	}
}

/** Random keys: every value of a base64 digit occurs in every place. */
static void written_and_read(void)
{
	struct engine_options options = {0};
	struct tink_key keys[TINK_KEYS_MAX];
	struct tink_key back[TINK_KEYS_MAX];
	uint8_t json[TINK_KEYS_MAX * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	struct engine *engine;
	struct problem problem;

	CHECK_FATAL(engine_new(&options, &engine, &problem) == SL_OK);
	for (unsigned round = 0; round < 40; round++) {
		size_t count = round % TINK_KEYS_MAX + 1;
		size_t size;
		size_t back_count = 0;

		engine_random(engine, keys, sizeof(keys));
		if (round == 39)
			count = TINK_KEYS_MAX;
		for (size_t i = 0; i < count; i++)
			keys[i].id = (keys[i].id & ~63u) | (uint32_t)i;
		size = tink_keyset_write(keys, count, json);
		CHECK(tink_keyset_read(view_of(json, size), back, &back_count, &problem) == SL_OK);
		CHECK_EQUAL(back_count, count);
		CHECK(memcmp(back, keys, count * sizeof(keys[0])) == 0);
	}
	engine_free(engine);
}

static const struct refusal {
	const char *what;
	const char *json;
	enum sl_status status;
} refusals[] = {
	{"nothing", "", SL_E_SYNTAX},
	{"no JSON", "{", SL_E_SYNTAX},
	{"text after the keyset", KEYSET("1", KEY("1")) "x", SL_E_SYNTAX},
	{"a list", "[]", SL_E_SYNTAX},
	{"a name twice", "{\"primaryKeyId\":1,\"key\":[" KEY("1") "],\"key\":[]}", SL_E_SYNTAX},
	{"no keys", KEYSET("1", ""), SL_E_SYNTAX},
	{"keys are no list", "{\"primaryKeyId\":1,\"key\":{}}", SL_E_SYNTAX},
	{"a key is no object", KEYSET("1", "7"), SL_E_SYNTAX},
	{"primary not among the keys", KEYSET("2", KEY("1")), SL_E_SYNTAX},
	{"no primary", "{\"key\":[" KEY("1") "]}", SL_E_SYNTAX},
	{"an id twice", KEYSET("1", KEY("1") "," KEY("1")), SL_E_SYNTAX},
	{"negative id", KEYSET("-1", KEY("-1")), SL_E_SYNTAX},
	{"id beyond 32 bits", KEYSET("4294967296", KEY("4294967296")), SL_E_SYNTAX},
	{"id as text", KEYSET("\"1\"", KEY("\"1\"")), SL_E_SYNTAX},
	{"another type",
	 KEYSET("1",
		HEAD "AesSivKey\",\"value\":\"" VALUE MATERIAL
		     "\"status\":\"ENABLED\",\"keyId\":1,\"outputPrefixType\":\"TINK\"}"),
	 SL_E_UNSUPPORTED},
	{"disabled",
	 KEYSET("1",
		HEAD "AesGcmKey\",\"value\":\"" VALUE MATERIAL
		     "\"status\":\"DISABLED\",\"keyId\":1,\"outputPrefixType\":\"TINK\"}"),
	 SL_E_UNSUPPORTED},
	{"raw prefix",
	 KEYSET("1",
		HEAD "AesGcmKey\",\"value\":\"" VALUE MATERIAL
		     "\"status\":\"ENABLED\",\"keyId\":1,\"outputPrefixType\":\"RAW\"}"),
	 SL_E_UNSUPPORTED},
	{"a public key",
	 KEYSET("1",
		HEAD "AesGcmKey\",\"value\":\"" VALUE
		     "\",\"keyMaterialType\":\"ASYMMETRIC_PUBLIC\"},"
		     "\"status\":\"ENABLED\",\"keyId\":1,\"outputPrefixType\":\"TINK\"}"),
	 SL_E_UNSUPPORTED},
};

static void what_is_not_ours_is_refused(void)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		size_t count = 99;
		struct problem problem;

		CHECK(read(refusals[i].json, &count, &problem) == refusals[i].status);
		CHECK_EQUAL(count, 99);
		CHECK(problem.status == refusals[i].status);
		CHECK(problem.what[0] != '\0');
		CHECK(strstr(problem.what, "GiAA") == NULL);
	}
}

/** The value of a key: 48 characters of canonical base64 over 1a 20 and 32 bytes, nothing else. */
static void one_changed_character_of_a_value(void)
{
	static const char keyset[] = KEYSET("1", KEY("1"));
	size_t at = (size_t)(strstr(keyset, VALUE) - keyset);
	static const char others[] = "A/+=-_ @[`{.:,*";

	for (size_t i = 0; i < strlen(VALUE); i++)
		for (size_t o = 0; o < sizeof(others) - 1; o++) {
			// 16 bits of head, 256 of key, 4 of padding that must be zero.
			bool is_key = (i >= 3 && i < 45 && strchr("A/+", others[o]) != NULL)
				|| (i == 45 && others[o] == 'A');
			size_t count;
			struct problem problem;
			char changed[sizeof(keyset)];
			enum sl_status status;

			memcpy(changed, keyset, sizeof(keyset));
			if (changed[at + i] == others[o])
				continue;
			changed[at + i] = others[o];
			status = read(changed, &count, &problem);
			CHECK(status == (is_key ? SL_OK : SL_E_UNSUPPORTED));
		}
}

static void sizes_beyond_the_limits(void)
{
	size_t room = 70 * 1024;
	char *json = malloc(room);
	struct problem problem;
	size_t count;
	size_t size;

	CHECK_FATAL(json != NULL);
	memset(json, ' ', room);
	json[room - 1] = '\0';
	CHECK(read(json, &count, &problem) == SL_E_TOO_BIG);
	size = (size_t)sprintf(json, "{\"primaryKeyId\":1,\"key\":[");
	for (unsigned i = 1; i <= TINK_KEYS_MAX + 1; i++)
		size += (size_t)sprintf(json + size, "%s" KEY("%u"), i == 1 ? "" : ",", i);
	memcpy(json + size, "]}", 3);
	CHECK(read(json, &count, &problem) == SL_E_TOO_BIG);
	free(json);
}

static void key_ids(void)
{
	uint8_t link[16] = {0};

	CHECK_EQUAL(tink_key_id(link, 0), 0x40000000u);
	CHECK_EQUAL(tink_key_id(link, 63), 0x4000003fu);
	memset(link + 13, 0xff, 3);
	CHECK_EQUAL(tink_key_id(link, 63), 0x7fffffffu);
	CHECK_EQUAL(tink_key_id(link, 0), 0x7fffffc0u);
}

static const struct check_test tests[] = {
	{"written form", written_form},
	{"the bound holds", the_bound_holds},
	{"written and read", written_and_read},
	{"what is not ours is refused", what_is_not_ours_is_refused},
	{"one changed character of a value", one_changed_character_of_a_value},
	{"sizes beyond the limits", sizes_beyond_the_limits},
	{"key ids", key_ids},
};

CHECK_MAIN("crypto/tink")
