#include "control/keys_file.h"
// Targets: keys_file_read, csv_rows_*, keyset_quick_read, tink_keyset_read

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const uint8_t no_link[KEY_LINK_SIZE];
	struct keys_file *keys = NULL;
	struct problem p = {0};
	char path[64];
	int fd = memfd_create("keys", MFD_CLOEXEC);

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (keys_file_read(path, &keys, &p) != SL_OK) {
		// A refusal names its place and has its sentence.
		if (p.what[0] == '\0' || p.file[0] == '\0')
			abort();
	} else if (keys_file_find(keys, no_link) != NULL && keys_file_count(keys) == 0) {
		abort();
	}
	keys_file_free(keys);
	close(fd);
	return 0;
}
