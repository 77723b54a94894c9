#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Files of a test, in a directory of its own that goes away when the program ends. All abort when
// they fail.

/** Bytes of a file; freed by the caller. */
struct scratch_bytes {
	uint8_t *bytes;
	size_t size;
};

/** The directory's path. */
const char *scratch_directory(void);

/** Path of a name in the directory; good for the next 16 calls. */
const char *scratch_path(const char *name);

void scratch_write(const char *path, const void *bytes, size_t size);
struct scratch_bytes scratch_read(const char *path);

/** Whether the file holds exactly these bytes. */
bool scratch_holds(const char *path, const void *bytes, size_t size);

/** Entries of a directory, . and .. left out. */
size_t scratch_count(const char *directory);

/** Remove all files of a directory. */
void scratch_empty(const char *directory);

/** The next number of a fixed series (splitmix64). */
uint64_t scratch_random(uint64_t *state);
