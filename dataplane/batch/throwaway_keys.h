#pragma once

#include "control/api/key_source.h"
#include "control/api/policy.h"
#include "crypto/engine.h"

/** Keys for showing what sealing does: made when asked for, in secret memory, gone with the object. */
struct throwaway_keys;

/**
 * @param engine borrowed
 * @param image  borrowed: its purposes
 */
enum sl_status throwaway_keys_new(
	struct engine *engine,
	const struct policy_image *image,
	struct throwaway_keys **ret_keys
);
void throwaway_keys_free(struct throwaway_keys *keys);

/** Lives as long as the keys. */
struct key_source throwaway_keys_source(struct throwaway_keys *keys);
