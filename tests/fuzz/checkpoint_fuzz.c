#include "io/checkpoint_form.h"
// Targets: checkpoint_find

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile uint64_t sum; // of every byte that a found state names

static void find(const uint8_t *bytes, size_t size, uint64_t records)
{
	struct checkpoint_found found = {0};
	uint64_t at = 0;

	if (checkpoint_find(view_of(bytes, size), &found, &at) != SL_OK) {
		if (at > size)
			abort();
		return;
	}
	if (found.end > size || (found.sequence == 0) != (found.end == 0))
		abort();
	for (size_t i = 0; i < found.state.size; i++)
		sum += found.state.bytes[i];
	// What was written whole before is not lost to what comes after.
	if (found.sequence < records)
		abort();
}

/** The bytes as a file; as the states of records; and as what follows a whole record. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t whole = (size_t)checkpoint_record_size(size);
	uint8_t *file;

	find(bytes, size, 0);
	file = malloc(2 * whole + size);
	if (file == NULL)
		return 0;
	for (uint64_t n = 0; n < 2; n++) {
		if (size != 0)
			memcpy(file + n * whole + CHECKPOINT_HEAD_SIZE, bytes, size);
		checkpoint_record_seal(file + n * whole, (uint32_t)size, n + 1);
	}
	find(file, 2 * whole, 2);
	if (size != 0)
		memcpy(file + 2 * whole, bytes, size);
	find(file, 2 * whole + size, 2);
	free(file);
	return 0;
}
