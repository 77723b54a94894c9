#include "crypto/base64.h"
#include "crypto/engine.h"
#include "tests/support/check.h"
#include "tests/unit/crypto/bursts.h"
#include "tests/unit/crypto/engines.h"

#include <string.h>

// What was not sealed here, under this key, at this path, with this key id, must stay shut: whatever
// is wrong, and whatever its neighbours in the burst are.

enum {
	FIELDS = 24,
	VICTIM = 11, // the field that is tampered with
	TEXT_MAX = 70
};

static struct fixture *sealed_fixture(struct engine *engine, unsigned seed)
{
	struct fixture *f = fixture_new(seed, FIELDS, TEXT_MAX, 50);

	engine_seal_fields(engine, &f->seal);
	return f;
}

static void expect_only_victim_shut(struct engine *engine, struct fixture *f)
{
	for (uint32_t i = 0; i < FIELDS; i++)
		memset(f->open.text[i], 0xee, field_text_size_max(f->open.sealed[i].size));
	CHECK_EQUAL(engine_open_fields(engine, &f->open), FIELDS - 1);
	for (uint32_t i = 0; i < FIELDS; i++)
		CHECK(i == VICTIM ? fixture_is_shut(f, i) : fixture_is_back(f, i));
}

static void check_flipped_bits(struct engine *engine)
{
	for (unsigned seed = 1; seed <= 4; seed++) {
		struct fixture *f = sealed_fixture(engine, seed);
		struct guarded *sealed = &f->sealed[VICTIM];
		size_t raw_size = FIELD_OVERHEAD + f->seal.text[VICTIM].size;
		uint8_t raw[FIELD_OVERHEAD + TEXT_MAX + 3];

		CHECK_EQUAL(base64_decode(view_of(sealed->bytes, sealed->size), raw), raw_size);
		for (size_t bit = 0; bit < 8 * raw_size; bit++) {
			raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
			base64_encode(view_of(raw, raw_size), sealed->bytes);
			expect_only_victim_shut(engine, f);
			raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		fixture_free(f);
	}
}

/** Every character replaced by one that is no base64, or that spells other bits. */
static void check_changed_characters(struct engine *engine)
{
	struct fixture *f = sealed_fixture(engine, 9);
	struct guarded *sealed = &f->sealed[VICTIM];

	for (size_t at = 0; at < sealed->size; at++) {
		static const uint8_t others[] = {'A', '/', '=', ' ', '-', 0, 0xff};
		uint8_t kept = sealed->bytes[at];

		for (size_t i = 0; i < sizeof(others); i++) {
			if (others[i] == kept)
				continue;
			sealed->bytes[at] = others[i];
			expect_only_victim_shut(engine, f);
		}
		sealed->bytes[at] = kept;
	}
	fixture_free(f);
}

static void check_truncated(struct engine *engine)
{
	struct fixture *f = sealed_fixture(engine, 3);
	struct view whole = f->open.sealed[VICTIM];

	for (size_t size = 0; size < whole.size; size++) {
		f->open.sealed[VICTIM] = view_of(whole.bytes, size);
		expect_only_victim_shut(engine, f);
	}
	fixture_free(f);
}

static void check_wrong_circumstances(struct engine *engine)
{
	struct fixture *f = sealed_fixture(engine, 4);
	const struct field_path *path = f->open.path[VICTIM];
	const uint8_t *key = f->open.field_key[VICTIM];
	uint8_t other_key[FIELD_KEY_SIZE];

	for (size_t i = 0; i < 8; i++) {
		f->open.path[VICTIM] = &f->paths[i];
		if (&f->paths[i] != path)
			expect_only_victim_shut(engine, f);
	}
	f->open.path[VICTIM] = path;
	for (unsigned bit = 0; bit < 32; bit++) {
		f->open.key_id[VICTIM] ^= 1u << bit;
		expect_only_victim_shut(engine, f);
		f->open.key_id[VICTIM] ^= 1u << bit;
	}
	for (unsigned bit = 0; bit < 8 * FIELD_KEY_SIZE; bit++) {
		memcpy(other_key, key, sizeof(other_key));
		other_key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		f->open.field_key[VICTIM] = other_key;
		expect_only_victim_shut(engine, f);
	}
	fixture_free(f);
}

/** Longer than any sealed field: refused before a byte is decoded. */
static void check_too_long(struct engine *engine)
{
	struct fixture *f = sealed_fixture(engine, 5);
	size_t size =
		field_sealed_size(FIELD_TEXT_MAX) + 64 * 1024; // what would be written over shows
	uint8_t *sealed = malloc(size);
	uint8_t *text = malloc(field_text_size_max(size));
	uint8_t *kept = f->open.text[VICTIM];

	CHECK_FATAL(sealed != NULL && text != NULL);
	memset(sealed, 'A', size);
	f->open.sealed[VICTIM] = view_of(sealed, size);
	f->open.text[VICTIM] = text;
	expect_only_victim_shut(engine, f);
	f->open.text[VICTIM] = kept;
	free(sealed);
	free(text);
	fixture_free(f);
}

/** All of a burst wrong at once: none opens. */
static void check_all_wrong(struct engine *engine)
{
	struct fixture *f = sealed_fixture(engine, 6);

	for (uint32_t i = 0; i < FIELDS; i++)
		f->open.key_id[i]++;
	CHECK_EQUAL(engine_open_fields(engine, &f->open), 0);
	for (uint32_t i = 0; i < FIELDS; i++)
		CHECK(fixture_is_shut(f, i));
	fixture_free(f);
}

static void flipped_bits(void)
{
	engines_each(check_flipped_bits);
}

static void changed_characters(void)
{
	engines_each(check_changed_characters);
}

static void truncated(void)
{
	engines_each(check_truncated);
}

static void wrong_key_path_or_id(void)
{
	engines_each(check_wrong_circumstances);
}

static void too_long(void)
{
	engines_each(check_too_long);
}

static void all_wrong(void)
{
	engines_each(check_all_wrong);
}

static const struct check_test tests[] = {
	{"flipped bits", flipped_bits},
	{"changed characters", changed_characters},
	{"truncated", truncated},
	{"wrong key, path or id", wrong_key_path_or_id},
	{"too long", too_long},
	{"all wrong", all_wrong},
};

CHECK_MAIN("crypto/forgery")
