#pragma once

#include "io/base/view.h"

/** Memory of a tree of things that live and die together. {0} is an empty one. */
struct arena {
	struct arena_chunk *chunks;
};

/** Zeroed memory, 16-byte aligned, valid until arena_done; NULL when there is none. */
void *arena_take(struct arena *arena, size_t size);

/** A copy, with a NUL behind it; bytes == NULL when there is no memory. */
struct view arena_copy(struct arena *arena, struct view text);

void arena_done(struct arena *arena);
