#pragma once

#include <stddef.h>
#include <stdint.h>

/** Memory whose last byte lies before an unmapped page and whose page begins after one. */
struct guarded {
	uint8_t *bytes; // [size], ends at an unmapped page
	size_t size;
	void *map;
	size_t map_size;
};

/** Map it, or abort: tests do not go on without. */
struct guarded guarded_new(size_t size);
void guarded_free(struct guarded *g);
