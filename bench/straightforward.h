#pragma once

#include "bench/simdjson_parse.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What a good engineer writes in an afternoon, to be measured beside the turn: simdjson on-demand,
// OpenSSL EVP with a key per user in a hash map, string building, one thread, memory to memory.

struct straightforward;

/** Make the hash map with a random key for each of the users, whose names are decoded text. */
struct straightforward *straightforward_new(const char *const users[], size_t user_count);
void straightforward_free(struct straightforward *s);

/**
 * Seal `user`, `comment` and `cityName` of every event with AES-256-GCM, a counter as IV, the path as associated
 * data, base64, and strmMeta at the end.
 *
 * @param out      [out_size] big enough for all
 * @return bytes written; 0 when an event could not be sealed
 */
size_t straightforward_run(
	struct straightforward *s,
	const struct bench_text events[],
	size_t count,
	char *out,
	size_t out_size
);

/** The key of a user, to open with what was sealed; NULL when there is none. */
const unsigned char *straightforward_key(const struct straightforward *s, const char *user);

#ifdef __cplusplus
}
#endif
