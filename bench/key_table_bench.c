// Look-ups of random keys in a full key table: nanoseconds each, copy-out of the entry's keys included.
#include "control/api/key_table.h"
#include "io/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BURST = 64,
	PURPOSES = 2, // the entry holds 3 keys: IV key and two field keys
	ROUNDS = 5
};

static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void hash_of(uint64_t number, uint8_t ret_hash[KEY_HASH_SIZE])
{
	uint64_t state = number << 20;
	uint64_t h[2] = {random_next(&state), random_next(&state)};

	memcpy(ret_hash, h, sizeof(h));
}

static double look_up(const struct key_table *t, uint64_t key_count, uint64_t look_up_count)
{
	static struct key_entry entries[BURST];
	uint8_t(*hashes)[KEY_HASH_SIZE] = malloc(look_up_count * KEY_HASH_SIZE);
	struct key_entry *out[BURST];
	bool found[BURST];
	uint64_t state = 1;
	uint64_t hits = 0;
	uint64_t start;

	if (hashes == NULL)
		abort();
	for (size_t i = 0; i < BURST; i++)
		out[i] = &entries[i];
	for (uint64_t i = 0; i < look_up_count; i++)
		hash_of(random_next(&state) % key_count, hashes[i]);
	start = clock_monotonic_ns();
	for (uint64_t i = 0; i < look_up_count; i += BURST)
		hits += key_table_find_burst(t, hashes + i, BURST, out, found);
	start = clock_monotonic_ns() - start;
	free(hashes);
	if (hits != look_up_count)
		abort();
	return (double)start / (double)look_up_count;
}

int main(int argc, char **argv)
{
	uint64_t key_count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1 << 20;
	struct key_table *t;
	uint8_t hash[KEY_HASH_SIZE];
	double best = 1e9;

	if (key_count == 0 || key_table_new(key_count, PURPOSES, &t) != SL_OK)
		return EXIT_FAILURE;
	for (uint64_t i = 0; i < key_count; i++) {
		struct key_entry e = {.position = i};

		hash_of(i, hash);
		if (key_table_insert(t, hash, &e, 0) != SL_OK)
			return EXIT_FAILURE;
	}
	for (int i = 0; i < ROUNDS; i++) {
		double ns = look_up(t, key_count, 1 << 21);

		best = ns < best ? ns : best;
	}
	printf("%llu keys, bursts of %d, 3 keys copied out: %.1f ns a look-up (best of %d "
	       "rounds)\n",
	       (unsigned long long)key_count,
	       BURST,
	       best,
	       ROUNDS);
	key_table_free(t);
	return EXIT_SUCCESS;
}
