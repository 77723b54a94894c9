#include "control/arena.h"

#include <stdlib.h>

enum {
	CHUNK_SIZE = 16 << 10 // bytes; a bigger thing gets a chunk of its own
};

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; // bytes in use
	size_t capacity;
	_Alignas(16) uint8_t bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
	struct arena_chunk *c = arena->chunks;
	size_t capacity;
	void *bytes;

	size = (size + 15) & ~(size_t)15;
	capacity = size > CHUNK_SIZE ? size : CHUNK_SIZE;
	if (c == NULL || c->capacity - c->size < size) {
		c = calloc(1, sizeof(*c) + capacity);
		if (c == NULL)
			return NULL;
		c->capacity = capacity;
		c->next = arena->chunks;
		arena->chunks = c;
	}
	bytes = c->bytes + c->size;
	c->size += size;
	return bytes;
}

struct view arena_copy(struct arena *arena, struct view text)
{
	uint8_t *bytes = arena_take(arena, text.size + 1);

	if (bytes == NULL)
		return (struct view){0};
	if (text.size != 0)
		memcpy(bytes, text.bytes, text.size);
	return view_of(bytes, text.size);
}

void arena_done(struct arena *arena)
{
	while (arena->chunks != NULL) {
		struct arena_chunk *next = arena->chunks->next;

		free(arena->chunks);
		arena->chunks = next;
	}
}
