#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A text as C and C++ both know it. */
struct bench_text {
	const uint8_t *bytes; // [size]
	size_t size;
};

/** Locate members of each event by simdjson's on-demand parser, in the order that they mostly come in. */
struct simdjson_bench;
struct simdjson_bench *simdjson_bench_new(void);
void simdjson_bench_free(struct simdjson_bench *bench);

/**
 * @param texts  [count], 64 readable bytes behind each
 * @param names  [name_count] members of the top object
 * @return bytes of all values found: the same that our parser finds
 */
uint64_t simdjson_bench_locate(
	struct simdjson_bench *bench,
	const struct bench_text *texts,
	size_t count,
	const char *const *names,
	size_t name_count
);

/** Validate each event wholly by simdjson's DOM parser; the number of valid ones. */
uint64_t simdjson_bench_validate(
	struct simdjson_bench *bench,
	const struct bench_text *texts,
	size_t count
);

#ifdef __cplusplus
}
#endif
