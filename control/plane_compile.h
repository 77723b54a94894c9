#pragma once

#include "control/api/plane.h"
#include "control/definitions.h"

// From a directory of definitions to a plane image (control/api/plane.h).

/** What of the vault goes into an image. Zeros find faults as well. Secret. */
struct plane_keys {
	const uint8_t *mask_key; // [MASK_KEY_SIZE] vault_mask_key; NULL: zeros
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	uint64_t scope[PLANE_STREAMS_MAX];
	uint8_t dead_link[KEY_LINK_SIZE];
	uint8_t dead_key[KEY_SIZE];
	int64_t dead_day;
};

/** An image. Secret: released by plane_compiled_free. */
struct plane_compiled {
	struct plane_image *image; // 64-byte aligned
	size_t size;
	size_t capacity; // bytes of the memory behind image
};

/**
 * Compile. The image has passed plane_image_check; table_fd of row n is n.
 *
 * @param epoch    from 1
 * @param problems what is wrong is added, at its place in the definitions
 */
enum sl_status plane_compile(
	const struct definitions *definitions,
	const struct plane_keys *keys,
	uint64_t epoch,
	struct problems *problems,
	struct plane_compiled *ret_compiled
);
void plane_compiled_free(struct plane_compiled *compiled);

/** Change the epoch of an image that is not shown to anyone yet. */
void plane_compiled_set_epoch(struct plane_compiled *compiled, uint64_t epoch);
