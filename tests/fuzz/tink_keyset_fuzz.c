#include "crypto/tink.h"
// Targets: tink_keyset_read, tink_keyset_write

#include <stdlib.h>
#include <string.h>

/** What is accepted is written and read back as the same keys. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static uint8_t json[TINK_KEYS_MAX * TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	struct tink_key keys[TINK_KEYS_MAX];
	struct tink_key back[TINK_KEYS_MAX];
	struct problem problem = {0};
	size_t count = 0;
	size_t back_count = 0;

	if (tink_keyset_read(view_of(bytes, size), keys, &count, &problem) != SL_OK) {
		if (problem.what[0] == '\0')
			abort();
		return 0;
	}
	size = tink_keyset_write(keys, count, json);
	if (tink_keyset_read(view_of(json, size), back, &back_count, &problem) != SL_OK
	    || back_count != count || memcmp(keys, back, count * sizeof(keys[0])) != 0)
		abort();
	return 0;
}
