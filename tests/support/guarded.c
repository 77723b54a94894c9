#include "tests/support/guarded.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct guarded guarded_new(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inner = (size + page - 1) / page * page;
	struct guarded g = {.size = size, .map_size = inner + 2 * page};
	uint8_t *map;

	if (inner == 0)
		g.map_size += page;
	map = mmap(NULL, g.map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED
	    || mprotect(map + page, g.map_size - 2 * page, PROT_READ | PROT_WRITE) != 0)
		abort();
	g.map = map;
	g.bytes = map + g.map_size - page - size;
	return g;
}

void guarded_free(struct guarded *g)
{
	munmap(g->map, g->map_size);
	*g = (struct guarded){0};
}
