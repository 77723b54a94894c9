#include "control/keyset_quick.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <string.h>

static struct tink_key keys[TINK_KEYS_MAX];
static struct tink_key quick[TINK_KEYS_MAX];
static struct tink_key full[TINK_KEYS_MAX];

static size_t write_keyset(size_t count, uint8_t *json)
{
	for (size_t i = 0; i < count; i++) {
		keys[i].id = (uint32_t)(i * 67108863 + 1);
		memset(keys[i].key, (int)(3 * i + 1), sizeof(keys[i].key));
	}
	return tink_keyset_write(keys, count, json);
}

static void our_own_form_is_read(void)
{
	static uint8_t json[TINK_KEYS_MAX * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];

	for (size_t count = 1; count <= TINK_KEYS_MAX; count++) {
		size_t size = write_keyset(count, json);
		struct guarded g = guarded_new(size);
		size_t got = 0;

		memcpy(g.bytes, json, size);
		CHECK(keyset_quick_read(view_of(g.bytes, size), quick, &got));
		CHECK_EQUAL(got, count);
		CHECK(memcmp(quick, keys, count * sizeof(keys[0])) == 0);
		guarded_free(&g);
	}
}

/** What it takes, the whole reader takes too, with the same keys. */
static bool agrees(struct view json)
{
	struct problem p;
	size_t quick_count = 0;
	size_t full_count = 0;

	if (!keyset_quick_read(json, quick, &quick_count))
		return true;
	return tink_keyset_read(json, full, &full_count, &p) == SL_OK && full_count == quick_count
		&& memcmp(full, quick, full_count * sizeof(full[0])) == 0;
}

static void changed_text_is_left_to_the_whole_reader(void)
{
	static const uint8_t bytes[] = {0, '"', ',', '0', '9', 'A', '=', '{', '}', ' ', 0xff};
	uint8_t json[2 * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	size_t size = write_keyset(2, json);
	struct guarded g = guarded_new(size);
	size_t got;
	size_t wrong = 0;
	size_t taken = 0;

	for (size_t i = 0; i < size; i++) {
		for (size_t b = 0; b < sizeof(bytes); b++) {
			memcpy(g.bytes, json, size);
			g.bytes[i] = bytes[b];
			wrong += !agrees(view_of(g.bytes, size));
		}
		memcpy(g.bytes + i, json, size - i); // cut short
		taken += keyset_quick_read(view_of(g.bytes + i, size - i), quick, &got) && i != 0;
	}
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(taken, 0);
	guarded_free(&g);
}

static const struct check_test tests[] = {
	{"our own form is read", our_own_form_is_read},
	{"changed text is left to the whole reader", changed_text_is_left_to_the_whole_reader},
};

CHECK_MAIN("control/keyset_quick")
