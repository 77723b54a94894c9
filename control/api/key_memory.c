#include "control/api/key_memory.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL
};

static const char FREE_HUGE_PAGES[] = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages";

static void protect(struct key_memory *m)
{
	(void)!madvise(m->bytes, m->size, MADV_DONTDUMP);
	(void)!madvise(m->bytes, m->size, MADV_DONTFORK);
	(void)!madvise(m->bytes, m->size, MADV_HUGEPAGE);
	// On fault: it would all be resident at once, however few keys there are.
	m->is_locked = mlock2(m->bytes, m->size, MLOCK_ONFAULT) == 0;
}

/** Addresses of nothing that begin where a huge page does: only so can the kernel put huge pages behind them. */
static uint8_t *reserve(size_t size)
{
	uint8_t *whole =
		mmap(NULL,
		     size + KEY_MEMORY_UNIT,
		     PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);
	size_t skip;

	if (whole == MAP_FAILED)
		return NULL;
	skip = key_memory_round((uintptr_t)whole, KEY_MEMORY_UNIT) - (uintptr_t)whole;
	if (skip != 0)
		munmap(whole, skip);
	if (skip != KEY_MEMORY_UNIT)
		munmap(whole + skip + size, KEY_MEMORY_UNIT - skip);
	return whole + skip;
}

/** Map m->fd, or memory of our own when there is none. */
static enum sl_status map(struct key_memory *m)
{
	int flags = m->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	m->bytes = reserve(m->size);
	if (m->bytes == NULL)
		return SL_E_NOMEM;
	if (mmap(m->bytes, m->size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, m->fd, 0)
	    == MAP_FAILED) {
		munmap(m->bytes, m->size);
		return SL_E_NOMEM;
	}
	protect(m);
	return SL_OK;
}

enum sl_status key_memory_private(size_t size, struct key_memory *ret_memory)
{
	struct key_memory m = {.size = key_memory_round(size, KEY_MEMORY_UNIT), .fd = -1};

	SL_TRY(map(&m));
	*ret_memory = m;
	return SL_OK;
}

/** Whether the kernel keeps so many huge pages ready, and as many again for others. */
static bool has_huge_pages(size_t size)
{
	FILE *f = fopen(FREE_HUGE_PAGES, "re");
	unsigned long count = 0;

	if (f == NULL)
		return false;
	if (fscanf(f, "%lu", &count) != 1)
		count = 0;
	fclose(f);
	return count >= 2 * (size / KEY_MEMORY_UNIT);
}

static enum sl_status make(
	const char *name,
	unsigned flags,
	size_t size,
	struct key_memory *ret_memory
)
{
	struct key_memory m = {.size = size};

	m.fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (m.fd < 0)
		return SL_E_NOMEM;
	if (ftruncate(m.fd, (off_t)size) != 0 || fcntl(m.fd, F_ADD_SEALS, SEALS) != 0
	    || map(&m) != SL_OK) {
		close(m.fd);
		return SL_E_NOMEM;
	}
	*ret_memory = m;
	return SL_OK;
}

enum sl_status key_memory_shared(const char *name, size_t size, struct key_memory *ret_memory)
{
	size = key_memory_round(size, KEY_MEMORY_UNIT);
	if (has_huge_pages(size)
	    && make(name, MFD_HUGETLB | MFD_HUGE_2MB, size, ret_memory) == SL_OK)
		return SL_OK;
	return make(name, 0, size, ret_memory);
}

enum sl_status key_memory_attach(int fd, size_t size_min, struct key_memory *ret_memory)
{
	struct key_memory m;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &st) != 0
	    || st.st_size < (off_t)size_min)
		return SL_E_CORRUPT;
	m = (struct key_memory){.size = (size_t)st.st_size, .fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)};
	if (m.fd < 0)
		return SL_E_NOMEM;
	if (map(&m) != SL_OK) {
		close(m.fd);
		return SL_E_NOMEM;
	}
	*ret_memory = m;
	return SL_OK;
}

void key_memory_done(struct key_memory *memory)
{
	munmap(memory->bytes, memory->size);
	if (memory->fd >= 0)
		close(memory->fd);
}
