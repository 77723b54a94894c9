#include "control/vault_inner.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// The pages of the vault's file that were looked at count as this process's memory, though they
// are the page cache's. So that a job's memory stays bounded whatever the vault's size, they are
// given back now and then: the map is only ever read, and what is looked at again is mapped again.

enum {
	TRIM_READS = 128 // look-ups between two checks
};

// Pages that come and go cost more than the look-ups they serve: they go only when the process as a
// whole comes near what a job may keep resident.
static const unsigned long RESIDENT_MAX = 224 << 20; // bytes of the process
static const unsigned long MAPPED_MIN = 6 << 20; // bytes of mapped files that may stay in any case

/** The mapping that an address lies in. */
static void find_map(struct vault *v, const void *inside)
{
	char line[512];
	unsigned long start;
	unsigned long end;
	FILE *maps = fopen("/proc/self/maps", "re");

	if (maps == NULL)
		return;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx", &start, &end) != 2 || (uintptr_t)inside < start
		    || (uintptr_t)inside >= end)
			continue;
		v->map = (void *)start;
		v->map_size = end - start;
		break;
	}
	fclose(maps);
}

/** false as well when nobody tells. */
static bool is_too_much(const struct vault *v)
{
	char text[128] = "";
	unsigned long resident;
	unsigned long shared; // files and shared memory, mapped
	unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);

	// size, resident, shared: in pages
	if (v->statm_fd < 0 || pread(v->statm_fd, text, sizeof(text) - 1, 0) <= 0
	    || sscanf(text, "%*u %lu %lu", &resident, &shared) != 2)
		return false;
	return resident * page > RESIDENT_MAX && shared * page > MAPPED_MIN;
}

void store_find_map(struct vault *v, const void *inside)
{
	if (v->map == NULL)
		find_map(v, inside);
}

void store_trim(struct vault *v)
{
	if (v->map != NULL && is_too_much(v))
		(void)!madvise(v->map, v->map_size, MADV_DONTNEED);
}

void store_was_read(struct vault *v, const void *inside)
{
	if (++v->read_count % TRIM_READS != 0)
		return;
	if (inside != NULL)
		store_find_map(v, inside);
	store_trim(v);
}
