#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Bytes borrowed for reading. An empty view may have bytes == NULL. */
struct view {
	const uint8_t *bytes; // [size]
	size_t size;          // bytes
};

/** Bytes borrowed for writing: [0, size) are written, [size, capacity) are free. */
struct room {
	uint8_t *bytes;  // [capacity]
	size_t size;     // bytes
	size_t capacity; // bytes
};

static inline struct view view_of(const void *bytes, size_t size)
{
	return (struct view){.bytes = bytes, .size = size};
}

/** The text without its final NUL. */
static inline struct view view_of_text(const char *text)
{
	return view_of(text, strlen(text));
}

static inline bool view_equal(struct view a, struct view b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline size_t room_left(const struct room *r)
{
	return r->capacity - r->size;
}

/** Append bytes. The caller has made sure of the room: a turn checks once, ahead (batch.h). */
static inline void room_put(struct room *r, const void *bytes, size_t size)
{
	memcpy(r->bytes + r->size, bytes, size);
	r->size += size;
}

static inline void room_put_view(struct room *r, struct view v)
{
	if (v.size != 0)
		room_put(r, v.bytes, v.size);
}

static inline void room_put_byte(struct room *r, uint8_t byte)
{
	r->bytes[r->size++] = byte;
}
