#include "crypto/siphash.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"

#include <string.h>

/** vectors_sip128 of the authors' reference code: key 00..0f, text 00, 01, … of that many bytes. */
static const struct vector {
	size_t size;
	uint8_t hash[SIPHASH_SIZE];
} vectors[] = {

#define VECTOR(size, ...) {size, {__VA_ARGS__}},
#include "tests/vectors/siphash.def"
#undef VECTOR
};

static void reference_vectors(void)
{
	uint8_t key[SIPHASH_KEY_SIZE];

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)i;
	CHECK_EQUAL(sizeof(vectors) / sizeof(vectors[0]), 64);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct guarded text = guarded_new(vectors[i].size);
		uint8_t hash[SIPHASH_SIZE];

		for (size_t k = 0; k < text.size; k++)
			text.bytes[k] = (uint8_t)k;
		siphash(key, view_of(text.bytes, text.size), hash);
		CHECK(memcmp(hash, vectors[i].hash, sizeof(hash)) == 0);
		guarded_free(&text);
	}
}

static void every_bit_of_the_key_counts(void)
{
	uint8_t key[SIPHASH_KEY_SIZE] = {0};
	uint8_t base[SIPHASH_SIZE];

	siphash(key, view_of_text("subject"), base);
	for (size_t bit = 0; bit < 8 * sizeof(key); bit++) {
		uint8_t hash[SIPHASH_SIZE];

		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
		siphash(key, view_of_text("subject"), hash);
		CHECK(memcmp(hash, base, sizeof(hash)) != 0);
		key[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

enum {
	ROWS_MAX = 20,
	HEADS = 3,
	ROUNDS = 3000
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/** Rows whose heads and tails were cut from pieces of one random text, and their hashes one by one. */
static size_t make_rows(
	const uint8_t key[static SIPHASH_KEY_SIZE],
	const struct guarded *text,
	struct siphash_head heads[static HEADS],
	struct siphash_row rows[static ROWS_MAX],
	uint8_t ret_expected[static ROWS_MAX][SIPHASH_SIZE],
	uint64_t *state
)
{
	size_t count = next_random(state) % (ROWS_MAX + 1);
	size_t usable = text->size - SIPHASH_PADDING;
	size_t size_max = next_random(state) % 3 == 0 ? usable : 40;

	for (size_t h = 0; h < HEADS; h++)
		siphash_begin(key, text->bytes + h, &heads[h]);
	for (size_t n = 0; n < count; n++) {
		size_t head = next_random(state) % HEADS;
		size_t size = next_random(state) % (size_max + 1);
		uint8_t whole[1024];

		// Rows end where their padding ends with the page.
		rows[n].head = &heads[head];
		rows[n].tail = view_of(text->bytes + usable - size, size);
		memcpy(whole, text->bytes + head, SIPHASH_HEAD_SIZE);
		memcpy(whole + SIPHASH_HEAD_SIZE, rows[n].tail.bytes, size);
		siphash(key, view_of(whole, SIPHASH_HEAD_SIZE + size), ret_expected[n]);
	}
	return count;
}

static void rows_side_by_side_hash_as_alone(void)
{
	struct guarded text = guarded_new(400 + SIPHASH_PADDING);
	uint64_t state = 20120918;
	uint8_t key[SIPHASH_KEY_SIZE];
	uint32_t differences = 0;

	for (size_t i = 0; i < text.size; i++)
		text.bytes[i] = (uint8_t)next_random(&state);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		struct siphash_head heads[HEADS];
		struct siphash_row rows[ROWS_MAX];
		uint8_t expected[ROWS_MAX][SIPHASH_SIZE];
		size_t count;

		key[round % sizeof(key)] = (uint8_t)next_random(&state);
		count = make_rows(key, &text, heads, rows, expected, &state);
		for (size_t p = 0; p < SIPHASH_PATH_COUNT; p++) {
			uint8_t hashes[ROWS_MAX + 1][SIPHASH_SIZE] = {0};
			static const uint8_t zeros[SIPHASH_SIZE];

			if (!siphash_paths[p].is_there())
				continue;
			siphash_paths[p].hash(rows, count, hashes);
			differences += memcmp(hashes, expected, count * SIPHASH_SIZE) != 0;
			differences += memcmp(hashes[count], zeros, SIPHASH_SIZE) != 0;
		}
	}
	CHECK_EQUAL(differences, 0);
	guarded_free(&text);
}

static void rows_of_reference_vectors(void)
{
	struct guarded text = guarded_new(64 + SIPHASH_PADDING);
	uint8_t key[SIPHASH_KEY_SIZE];
	struct siphash_head head;
	struct siphash_row rows[64 - SIPHASH_HEAD_SIZE];

	for (size_t i = 0; i < text.size; i++)
		text.bytes[i] = (uint8_t)i;
	memcpy(key, text.bytes, sizeof(key));
	siphash_begin(key, text.bytes, &head);
	for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
		rows[n] = (struct siphash_row){&head, view_of(text.bytes + SIPHASH_HEAD_SIZE, n)};
	for (size_t p = 0; p < SIPHASH_PATH_COUNT; p++) {
		uint8_t hashes[64 - SIPHASH_HEAD_SIZE][SIPHASH_SIZE];

		if (!siphash_paths[p].is_there())
			continue;
		siphash_paths[p].hash(rows, sizeof(rows) / sizeof(rows[0]), hashes);
		for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
			CHECK(memcmp(hashes[n], vectors[SIPHASH_HEAD_SIZE + n].hash, SIPHASH_SIZE)
			      == 0);
	}
	guarded_free(&text);
}

static const struct check_test tests[] = {
	{"reference vectors", reference_vectors},
	{"reference vectors side by side", rows_of_reference_vectors},
	{"rows side by side hash as alone", rows_side_by_side_hash_as_alone},
	{"every bit of the key counts", every_bit_of_the_key_counts},
};

CHECK_MAIN("crypto/siphash")
