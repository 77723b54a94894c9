#include "crypto/base64_code.h"
// Targets: base64_decode_*, base64_encode_*

#include <stdlib.h>
#include <string.h>

enum {
	SIZE_LIMIT = 1024
};

/** All code paths agree, and what is accepted is the one spelling of its bytes. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint8_t want[SIZE_LIMIT];
	uint8_t got[SIZE_LIMIT];
	uint8_t text[SIZE_LIMIT + 4];
	size_t want_size;

	if (size > SIZE_LIMIT)
		return 0;
	want_size = base64_decode_scalar(view_of(bytes, size), want);
	for (unsigned i = 0; i < BASE64_PATH_COUNT; i++) {
		if (!base64_paths[i].is_there())
			continue;
		if (base64_paths[i].decode(view_of(bytes, size), got) != want_size)
			abort();
		if (want_size == SIZE_MAX)
			continue;
		base64_paths[i].encode(view_of(got, want_size), text);
		if (memcmp(got, want, want_size) != 0 || base64_size(want_size) != size
		    || (size != 0 && memcmp(text, bytes, size) != 0))
			abort();
	}
	return 0;
}
