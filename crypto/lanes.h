#pragma once

#include "crypto/engine.h"

// Sealing of many short fields at once, each under a key that has not been used before: one field in
// every 128-bit lane of a vector register (lanes_body.h tells how). engine.c decides which fields come here;
// the results are the same, byte for byte, as those of ipsec-mb.

struct lanes;

/** Where random IVs come from: fill bytes. */
typedef void (*lanes_random_fn)(void *context, void *bytes, size_t size);

/**
 * The level that lanes would run at: the best one not above `at_most` for which CPU and OS have what it
 * takes (CPU_AUTO: the best). Lanes at the AVX2 level want VAES and VPCLMULQDQ, which ipsec-mb does not.
 *
 * @return CPU_AUTO when there is none
 */
enum cpu_level lanes_best(enum cpu_level at_most);

/**
 * @param level  one that lanes_best has returned
 * @param random called in the thread of the caller of lanes_seal_fields, once a burst at most
 * @return NULL when there is no memory
 */
struct lanes *lanes_new(enum cpu_level level, lanes_random_fn random, void *random_context);
void lanes_free(struct lanes *lanes);

/** Bytes of the longest text that lanes take. */
size_t lanes_text_max(const struct lanes *lanes);

/**
 * Seal the fields of a burst whose text is no longer than lanes_text_max, as engine_seal_fields does.
 *
 * @param ret_rest rows left alone because their text is longer, ascending
 * @return number of those rows
 *
 * Context   one thread at a time; no allocation, lock, log or system call
 */
size_t lanes_seal_fields(
	struct lanes *lanes,
	struct seal_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
);

/**
 * Open the fields of a burst whose text is no longer than lanes_text_max, as engine_open_fields does.
 *
 * @param ret_rest rows left alone because their text is longer, ascending
 * @return number of those rows; is_opened tells about the others
 */
size_t lanes_open_fields(
	struct lanes *lanes,
	struct open_burst *burst,
	uint16_t ret_rest[static FIELD_BURST_MAX]
);

/** As engine_derive. */
void lanes_derive(
	struct lanes *lanes,
	const uint8_t *dek,
	size_t count,
	const uint8_t *purposes,
	size_t purpose_count,
	uint8_t *ret_keys
);
