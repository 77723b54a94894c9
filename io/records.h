#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Where records end: at LF (NDJSON), or at LF outside quotes (CSV). Quotes count from a field's
// beginning on.

enum records_state {
	RECORDS_FIELD_START, // also a record's beginning
	RECORDS_IN_FIELD,
	RECORDS_QUOTED,
	RECORDS_AFTER_QUOTE // the quoted field's end, or the first of two quotes
};

/** A scan that goes over stretches of text one after the other; state zero at the beginning. */
struct records {
	bool is_csv;
	uint8_t delimiter; // CSV
	enum records_state state;
};

/** Record ends of a stretch. */
struct record_ends {
	uint64_t count;
	size_t first; // offset of the LF of the first one; only with count != 0
	size_t last;  // of the last one
};

enum records_level {
	RECORDS_SCALAR,
	RECORDS_AVX2,
	RECORDS_AVX512,
	RECORDS_LEVEL_COUNT
};

/** Scan the next stretch, after which RECORDS_PADDING bytes are readable. */
struct record_ends records_scan(struct records *records, const uint8_t *text, size_t size);

/**
 * Offset of the LF that ends the record that begins at text; size when none does. Padding as above.
 */
size_t records_find_end(const struct records *records, const uint8_t *text, size_t size);

/**
 * Use a level instead of the best one; false when the CPU or the system has it not. For tests and
 * benches.
 */
bool records_use_level(enum records_level level);

enum {
	RECORDS_PADDING = 64
};
