#pragma once

#include "io/base/view.h"

// Reading a format front to back: a cursor that is short once stays so and then reads zeros, so that a parser takes a
// whole header and asks once.

struct cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool is_short; // something was taken that is not there
};

static inline struct cursor cursor_over(struct view v)
{
	const uint8_t *at = v.size != 0 ? v.bytes : (const uint8_t *)"";

	return (struct cursor){.at = at, .end = at + v.size};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t)(c->end - c->at);
}

/** The rest, unread. */
static inline struct view cursor_rest(const struct cursor *c)
{
	return view_of(c->at, cursor_left(c));
}

/** Go on behind the next size bytes. @return them, or NULL: the cursor is short and reads nothing any more */
static inline const uint8_t *cursor_take(struct cursor *c, size_t size)
{
	const uint8_t *bytes = c->at;

	if (size > cursor_left(c)) {
		c->is_short = true;
		c->at = c->end;
		return NULL;
	}
	c->at += size;
	return bytes;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	const uint8_t *b = cursor_take(c, 1);

	return b == NULL ? 0 : b[0];
}

/** Big endian, as on the wire. */
static inline uint16_t cursor_be16(struct cursor *c)
{
	const uint8_t *b = cursor_take(c, 2);

	return (uint16_t)(b == NULL ? 0 : b[0] << 8 | b[1]);
}

/** Copy size bytes out; a short cursor leaves them as they are. */
static inline void cursor_copy(struct cursor *c, void *ret_bytes, size_t size)
{
	const uint8_t *b = cursor_take(c, size);

	if (b != NULL)
		memcpy(ret_bytes, b, size);
}

/** What lies behind the next size bytes is not the format's; short when there are fewer. */
static inline void cursor_limit(struct cursor *c, size_t size)
{
	if (size > cursor_left(c))
		c->is_short = true;
	else
		c->end = c->at + size;
}
