#include "crypto/engine.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"
#include "tests/unit/crypto/engines.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

// Every case of Wycheproof that our interface can express, verdicts both ways. Keys of other sizes
// than 256 bits can not be expressed: engine.h takes 32 bytes. The counts hold that none is lost.

enum {
	BYTES_MAX = 4096,
	GCM_CASES = 105, // of 316; the other 211 have keys of 128 or 192 bits
	CMAC_CASES = 102 // of 311; the other 209 have keys of other sizes
};

struct bytes {
	uint8_t at[BYTES_MAX];
	size_t size;
};

static json_t *load(const char *name)
{
	const char *folder = getenv("SEALANE_TEST_DATA");
	char path[1024];
	json_t *root;

	snprintf(
		path,
		sizeof(path),
		"%s/wycheproof/%s",
		folder != NULL ? folder : SEALANE_TEST_DATA_DIR,
		name
	);
	root = json_load_file(path, 0, NULL);
	CHECK_FATAL(root != NULL);
	return root;
}

static void read_hex(const json_t *test, const char *name, struct bytes *ret_bytes)
{
	ret_bytes->size =
		hex_read(json_string_value(json_object_get(test, name)), ret_bytes->at, BYTES_MAX);
}

static struct view view_bytes(const struct bytes *b)
{
	return view_of(b->at, b->size);
}

static bool is_valid(const json_t *test)
{
	return strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
}

static void run_gcm(struct engine *engine, const json_t *test)
{
	struct bytes key;
	struct bytes iv;
	struct bytes aad;
	struct bytes text;
	struct bytes sealed;
	struct bytes tag;
	uint8_t out[BYTES_MAX + 16];
	enum sl_status status;

	read_hex(test, "key", &key);
	read_hex(test, "iv", &iv);
	read_hex(test, "aad", &aad);
	read_hex(test, "msg", &text);
	read_hex(test, "ct", &sealed);
	read_hex(test, "tag", &tag);
	memcpy(sealed.at + sealed.size, tag.at, tag.size);
	sealed.size += tag.size;
	memset(out, 0xa5, sizeof(out));
	status = engine_gcm_open(
		engine, key.at, view_bytes(&iv), view_bytes(&aad), view_bytes(&sealed), out
	);
	if (is_valid(test)) {
		CHECK(status == SL_OK);
		CHECK(memcmp(out, text.at, text.size) == 0);
		engine_gcm_seal(
			engine, key.at, view_bytes(&iv), view_bytes(&aad), view_bytes(&text), out
		);
		CHECK(memcmp(out, sealed.at, sealed.size) == 0);
		return;
	}
	CHECK(status == (iv.size == 0 ? SL_E_INVALID : SL_E_FORGED));
	for (size_t i = 0; status == SL_E_FORGED && i < text.size; i++)
		CHECK_EQUAL(out[i], 0);
}

static void run_cmac(struct engine *engine, const json_t *test)
{
	struct bytes key;
	struct bytes text;
	struct bytes tag;
	uint8_t mac[16];

	read_hex(test, "key", &key);
	read_hex(test, "msg", &text);
	read_hex(test, "tag", &tag);
	engine_cmac(engine, key.at, view_bytes(&text), mac);
	CHECK((memcmp(mac, tag.at, 16) == 0) == is_valid(test));
}

/** Run every case with keys of 256 bits and tags of 128. Returns how many there were. */
static size_t run_file(
	struct engine *engine,
	const char *name,
	void (*run)(struct engine *engine, const json_t *test)
)
{
	json_t *root = load(name);
	size_t count = 0;
	size_t g;
	size_t t;
	json_t *group;
	json_t *test;

	json_array_foreach(json_object_get(root, "testGroups"), g, group)
	{
		if (json_integer_value(json_object_get(group, "keySize")) != 256)
			continue;
		if (json_integer_value(json_object_get(group, "tagSize")) != 128)
			continue;
		json_array_foreach(json_object_get(group, "tests"), t, test)
		{
			run(engine, test);
			count++;
		}
	}
	json_decref(root);
	return count;
}

static void gcm_file(struct engine *engine)
{
	CHECK_EQUAL(run_file(engine, "aes_gcm_test.json", run_gcm), GCM_CASES);
}

static void cmac_file(struct engine *engine)
{
	CHECK_EQUAL(run_file(engine, "aes_cmac_test.json", run_cmac), CMAC_CASES);
}

static void gcm_verdicts(void)
{
	engines_each(gcm_file);
}

static void cmac_verdicts(void)
{
	engines_each(cmac_file);
}

static const struct check_test tests[] = {
	{"AES-256-GCM", gcm_verdicts},
	{"AES-256-CMAC", cmac_verdicts},
};

CHECK_MAIN("crypto/wycheproof")
