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

enum sl_status key_memory_private(size_t size, struct key_memory *ret_memory)
{
	struct key_memory m = {.size = key_memory_round(size, KEY_MEMORY_UNIT), .fd = -1};
	uint8_t *whole =
		mmap(NULL,
		     m.size + KEY_MEMORY_UNIT,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);
	size_t skip;

	if (whole == MAP_FAILED)
		return SL_E_NOMEM;
	skip = key_memory_round((uintptr_t)whole, KEY_MEMORY_UNIT) - (uintptr_t)whole;
	if (skip != 0)
		munmap(whole, skip);
	if (skip != KEY_MEMORY_UNIT)
		munmap(whole + skip + m.size, KEY_MEMORY_UNIT - skip);
	m.bytes = whole + skip;
	protect(&m);
	*ret_memory = m;
	return SL_OK;
}

static enum sl_status map_shared(struct key_memory *m)
{
	m->bytes = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (m->bytes == MAP_FAILED)
		return SL_E_NOMEM;
	protect(m);
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
	    || map_shared(&m) != SL_OK) {
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
	if (map_shared(&m) != SL_OK) {
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
