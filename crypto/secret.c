#include "crypto/secret.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

// One mapping per secret:
//
//	| size, rounded up to pages | guard page |
//
// The secret begins at its page, so that it has every alignment; reading on beyond the last page faults.

static atomic_bool lock_failed;

static size_t inner_size(size_t size, size_t page)
{
	return size == 0 ? page : (size + page - 1) / page * page;
}

void *secret_new(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inner = inner_size(size, page);
	uint8_t *map;

	if (size > SIZE_MAX / 2)
		return NULL;
	map = mmap(NULL, inner + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return NULL;
	// Without the wipe a forked child would go on with our random numbers: then rather nothing.
	if (mprotect(map, inner, PROT_READ | PROT_WRITE) != 0
	    || madvise(map, inner, MADV_WIPEONFORK) != 0
	    || madvise(map, inner, MADV_DONTDUMP) != 0) {
		munmap(map, inner + page);
		return NULL;
	}
	if (mlock(map, inner) != 0)
		lock_failed = true;
	return map;
}

void secret_free(void *secret, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inner = inner_size(size, page);

	if (secret == NULL)
		return;
	bytes_wipe(secret, inner);
	munmap(secret, inner + page);
}

bool secret_is_locked(void)
{
	return !lock_failed;
}

void bytes_wipe(void *bytes, size_t size)
{
	if (size != 0)
		explicit_bzero(bytes, size);
}

bool bytes_equal_ct(const void *a, const void *b, size_t size)
{
	const uint8_t *x = a;
	const uint8_t *y = b;
	uint64_t difference = 0;

	for (; size >= 8; size -= 8, x += 8, y += 8) {
		uint64_t words[2];

		memcpy(&words[0], x, 8);
		memcpy(&words[1], y, 8);
		difference |= words[0] ^ words[1];
		__asm__("" : "+r"(difference)); // or the compiler might leave early
	}
	for (size_t i = 0; i < size; i++) {
		difference |= (uint64_t)(x[i] ^ y[i]);
		__asm__("" : "+r"(difference));
	}
	return difference == 0;
}

void secret_forbid_core_files(void)
{
	// One byte is too small for a file, and the kernel's sign for a core that no pipe may get either.
	const struct rlimit one = {.rlim_cur = 1, .rlim_max = 1};

	(void)!setrlimit(RLIMIT_CORE, &one);
}

void secret_forbid_reading(void)
{
	secret_forbid_core_files();
	(void)prctl(PR_SET_DUMPABLE, 0);
}
