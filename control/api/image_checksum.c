#define XXH_STATIC_LINKING_ONLY // the hash state on the stack
#include "control/api/image_checksum.h"

#include <xxhash.h>

uint64_t image_checksum(const void *bytes, size_t size, size_t at)
{
	const uint64_t zero = 0;
	XXH3_state_t state;

	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, bytes, at);
	XXH3_64bits_update(&state, &zero, sizeof(zero));
	XXH3_64bits_update(
		&state, (const uint8_t *)bytes + at + sizeof(zero), size - at - sizeof(zero)
	);
	return XXH3_64bits_digest(&state);
}
