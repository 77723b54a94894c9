#include "io/blocks.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t round_to_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

enum sl_status blocks_init(struct blocks *b, uint32_t count, uint32_t headroom, uint32_t size)
{
	size_t front = round_to_pages(headroom);
	size_t stride = front + round_to_pages((size_t)size + BLOCKS_PADDING);

	*b = (struct blocks){.count = count, .headroom = headroom, .size = size};
	b->map_size = stride * count;
	b->items = calloc(count, sizeof(*b->items));
	if (b->items == NULL)
		return SL_E_NOMEM;
	b->map =
		mmap(NULL,
		     b->map_size,
		     PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		     -1,
		     0);
	if (b->map == MAP_FAILED) {
		free(b->items);
		*b = (struct blocks){0};
		return SL_E_NOMEM;
	}
	// Events lie here in clear: they do not belong in a core file.
	madvise(b->map, b->map_size, MADV_DONTDUMP);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->has_free, NULL);
	for (uint32_t i = count; i-- > 0;) {
		b->items[i] = (struct block){
			.pool = b,
			.bytes = b->map + stride * i + front,
			.index = i,
			.next = b->free,
		};
		b->free = &b->items[i];
	}
	return SL_OK;
}

struct iovec *blocks_regions(const struct blocks *b)
{
	struct iovec *regions = calloc(b->count, sizeof(*regions));

	for (uint32_t i = 0; regions != NULL && i < b->count; i++)
		regions[i] = (struct iovec){.iov_base = b->items[i].bytes, .iov_len = b->size};
	return regions;
}

struct block *blocks_take(struct blocks *b, bool may_wait)
{
	struct block *block;

	pthread_mutex_lock(&b->lock);
	while (b->free == NULL && may_wait && !b->is_stopped)
		pthread_cond_wait(&b->has_free, &b->lock);
	block = b->is_stopped ? NULL : b->free;
	if (block != NULL)
		b->free = block->next;
	pthread_mutex_unlock(&b->lock);
	if (block != NULL)
		atomic_store_explicit(&block->holds, 1, memory_order_relaxed);
	return block;
}

void block_hold(struct block *block)
{
	atomic_fetch_add_explicit(&block->holds, 1, memory_order_relaxed);
}

void block_release(struct block *block)
{
	struct blocks *b = block->pool;

	// Release: our reads of the bytes are over. Acquire (by the last one): so are the others'.
	if (atomic_fetch_sub_explicit(&block->holds, 1, memory_order_acq_rel) != 1)
		return;
	pthread_mutex_lock(&b->lock);
	block->next = b->free;
	b->free = block;
	pthread_cond_signal(&b->has_free);
	pthread_mutex_unlock(&b->lock);
}

void blocks_stop(struct blocks *b)
{
	pthread_mutex_lock(&b->lock);
	b->is_stopped = true;
	pthread_cond_broadcast(&b->has_free);
	pthread_mutex_unlock(&b->lock);
}

bool blocks_is_stopped(struct blocks *b)
{
	bool is_stopped;

	pthread_mutex_lock(&b->lock);
	is_stopped = b->is_stopped;
	pthread_mutex_unlock(&b->lock);
	return is_stopped;
}

void blocks_done(struct blocks *b)
{
	if (b->map == NULL)
		return;
	for (uint32_t i = 0; i < b->count; i++)
		if (atomic_load_explicit(&b->items[i].holds, memory_order_acquire) != 0)
			SL_BUG("a block is still held");
	munmap(b->map, b->map_size);
	pthread_cond_destroy(&b->has_free);
	pthread_mutex_destroy(&b->lock);
	free(b->items);
	*b = (struct blocks){0};
}
