#include "dataplane/runtime/parcel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	CACHE_LINE = 64,
	WARM_PARCELS = 2 // of a new pool
};

/** Parcels hold opened fields of derived events: they stay out of core files. */
static void *map_memory(size_t size)
{
	void *memory =
		mmap(NULL,
		     size,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);

	if (memory == MAP_FAILED)
		return NULL;
	(void)madvise(memory, size, MADV_DONTDUMP);
	(void)madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

static void lay_out(struct parcel_pool *pool)
{
	uint8_t *at = pool->memory;

	for (uint32_t n = 0; n < pool->count; n++) {
		struct parcel *p = &pool->parcels[n];

		p->pool = pool;
		for (uint32_t r = 0; r < pool->room_count; r++, at += pool->room_size)
			p->room[r] = (struct room){.bytes = at, .capacity = pool->room_size};
		p->tickets = (void *)at;
		at += PARCEL_TICKETS_MAX * sizeof(*p->tickets);
		pool->free[n] = p;
	}
	pool->free_count = pool->count;
	atomic_store_explicit(&pool->home, pool->count, memory_order_relaxed);
}

/**
 * Have the memory of the parcels that are taken first, as well as the kernel can: else a worker's first rounds wait while it
 * clears pages.
 */
static void warm(const struct parcel_pool *pool)
{
	size_t warm = pool->memory_size / pool->count * WARM_PARCELS;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t begin = warm < pool->memory_size ? (pool->memory_size - warm) & ~(page - 1) : 0;

	(void
	)madvise((uint8_t *)pool->memory + begin, pool->memory_size - begin, MADV_POPULATE_WRITE);
}

enum sl_status parcel_pool_new(
	uint32_t worker,
	uint32_t count,
	uint32_t room_count,
	size_t room_size,
	struct parcel_pool **ret_pool
)
{
	struct parcel_pool *pool = calloc(1, sizeof(*pool));
	size_t tickets = PARCEL_TICKETS_MAX * sizeof(struct datagram_ticket);

	if (pool == NULL)
		return SL_E_NOMEM;
	pool->worker = worker;
	pool->count = count;
	pool->room_count = room_count;
	pool->room_size = (room_size + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	pool->memory_size = count * (room_count * pool->room_size + tickets);
	pool->parcels = calloc(count, sizeof(*pool->parcels));
	pool->free = calloc(count, sizeof(struct parcel *));
	pool->memory = map_memory(pool->memory_size);
	if (pool->parcels == NULL || pool->free == NULL || pool->memory == NULL) {
		parcel_pool_free(pool);
		return SL_E_NOMEM;
	}
	lay_out(pool);
	warm(pool);
	*ret_pool = pool;
	return SL_OK;
}

void parcel_pool_free(struct parcel_pool *pool)
{
	if (pool == NULL)
		return;
	if (pool->memory != NULL)
		munmap(pool->memory, pool->memory_size);
	free(pool->free);
	free(pool->parcels);
	free(pool);
}

struct parcel *parcel_take(struct parcel_pool *pool)
{
	if (pool->free_count == 0)
		return NULL;
	pool->free_count--;
	atomic_store_explicit(&pool->home, pool->free_count, memory_order_relaxed);
	return pool->free[pool->free_count];
}

void parcel_put(struct parcel *p)
{
	struct parcel_pool *pool = p->pool;

	for (uint32_t r = 0; r < pool->room_count; r++) {
		p->room[r].size = 0;
		p->rows[r] = 0;
	}
	p->next = NULL;
	p->events = 0;
	p->position_max = 0;
	p->oldest_ns = 0;
	p->continues = false;
	p->is_continued = false;
	p->ticket_count = 0;
	p->offered = 0;
	p->awaited = 0;
	p->has_failed = false;
	p->has_delivered = false;
	pool->free[pool->free_count++] = p;
	// Pairs with parcel_pool_is_home: who sees the last one home may free the pool.
	atomic_store_explicit(&pool->home, pool->free_count, memory_order_release);
}

bool parcel_pool_is_home(const struct parcel_pool *pool)
{
	return atomic_load_explicit(&pool->home, memory_order_acquire) == pool->count;
}

size_t parcel_left(const struct parcel *p)
{
	size_t left = room_left(&p->room[0]);

	for (uint32_t r = 1; r < p->pool->room_count; r++)
		if (room_left(&p->room[r]) < left)
			left = room_left(&p->room[r]);
	return left;
}
