#pragma once

#include "crypto/engine.h"
#include "tests/support/guarded.h"

#include <stdlib.h>
#include <string.h>

/** One burst with everything it points to: made from a seed, sealed, opened again. */
struct fixture {
	struct seal_burst seal;
	struct open_burst open;
	struct field_path paths[8];
	uint8_t keys[2 * FIELD_BURST_MAX][FIELD_KEY_SIZE];
	struct guarded text[FIELD_BURST_MAX];   // each ends at an unmapped page
	struct guarded sealed[FIELD_BURST_MAX]; // and its size is exact
	struct guarded opened[FIELD_BURST_MAX];
};

static inline unsigned fixture_random(unsigned *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static inline void fixture_bytes(uint8_t *bytes, size_t size, unsigned *seed)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)fixture_random(seed);
}

/**
 * Fill a burst: sizes 0..size_max, eight paths, every second field under the keys of the one before it.
 *
 * @param random_share of 100 fields, how many get random IVs
 */
static inline struct fixture *fixture_new(
	unsigned seed,
	uint32_t count,
	size_t size_max,
	unsigned random_share
)
{
	static const size_t path_sizes[8] = {1, 5, 13, 14, 15, 30, 31, FIELD_PATH_MAX};
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t path[FIELD_PATH_MAX];

	if (f == NULL)
		abort();
	fixture_bytes(&f->keys[0][0], sizeof(f->keys), &seed);
	for (size_t i = 0; i < 8; i++) {
		memset(path, (int)('a' + i), sizeof(path));
		if (!field_path_init(view_of(path, path_sizes[i]), &f->paths[i]))
			abort();
	}
	f->seal.count = f->open.count = count;
	for (uint32_t i = 0; i < count; i++) {
		size_t size = fixture_random(&seed) % (size_max + 1);
		unsigned of = fixture_random(&seed) % 2 == 0 && i != 0 ? i - 1 : i;
		bool is_random = fixture_random(&seed) % 100 < random_share;

		f->text[i] = guarded_new(size);
		f->sealed[i] = guarded_new(field_sealed_size(size));
		f->opened[i] = guarded_new(field_text_size_max(f->sealed[i].size));
		fixture_bytes(f->text[i].bytes, size, &seed);
		f->seal.field_key[i] = f->open.field_key[i] = f->keys[2 * of];
		f->seal.iv_key[i] = is_random ? NULL : f->keys[2 * of + 1];
		f->seal.path[i] = f->open.path[i] = &f->paths[fixture_random(&seed) % 8];
		f->seal.key_id[i] = f->open.key_id[i] = fixture_random(&seed) * 257u;
		f->seal.text[i] = view_of(f->text[i].bytes, size);
		f->seal.sealed[i] = f->sealed[i].bytes;
		f->open.sealed[i] = view_of(f->sealed[i].bytes, f->sealed[i].size);
		f->open.text[i] = f->opened[i].bytes;
	}
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	for (uint32_t i = 0; i < f->seal.count; i++) {
		guarded_free(&f->text[i]);
		guarded_free(&f->sealed[i]);
		guarded_free(&f->opened[i]);
	}
	free(f);
}

/** Whether field i was opened to just what was sealed. */
static inline bool fixture_is_back(const struct fixture *f, uint32_t i)
{
	return f->open.is_opened[i]
		&& view_equal(view_of(f->open.text[i], f->open.text_size[i]), f->seal.text[i]);
}

/** Whether field i was refused, and nothing of it can be read. */
static inline bool fixture_is_shut(const struct fixture *f, uint32_t i)
{
	size_t room = field_text_size_max(f->open.sealed[i].size);

	for (size_t at = 0; at < room; at++)
		if (f->open.text[i][at] != 0)
			return false;
	return !f->open.is_opened[i] && f->open.text_size[i] == 0;
}
