#pragma once

#include "dataplane/pipeline/batch.h"
#include "io/base/view.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Writing into the rooms of a turn: each function writes at `to` and returns where it ended. turn_out_max counts
// ahead what a turn can write, ROOM_SLACK included, so nothing here checks. A pointer in a register is what makes
// many small writes cheap; a room's size in memory would have to be read back after each.

enum {
	ROOM_SLACK = 128 // bytes after a room's end that put_padded and put_short may scribble on
};

/** First free byte of a room. */
static inline uint8_t *room_end(const struct room *r)
{
	return r->bytes + r->size;
}

/** All bytes before `to` are written. */
static inline void room_close(struct room *r, const uint8_t *to)
{
	r->size = (size_t)(to - r->bytes);
	assert(r->size <= r->capacity);
}

/** Bytes of the turn's scratch; turn_scratch_size has counted them. */
static inline uint8_t *scratch_take(struct batch *b, size_t size)
{
	uint8_t *bytes = room_end(&b->scratch);

	b->scratch.size += size;
	assert(b->scratch.size + ROOM_SLACK <= b->scratch.capacity);
	return bytes;
}

/**
 * Bytes in whole chunks of 64: reads and writes up to 63 bytes beyond the end, which both sides have
 * (BATCH_FRAME_PADDING, ROOM_SLACK). The pieces of an event are too short for a call of memcpy to pay.
 */
static inline uint8_t *put_padded(uint8_t *to, const uint8_t *bytes, size_t size)
{
	if (size > 1024) {
		memcpy(to, bytes, size);
		return to + size;
	}
	for (size_t at = 0; at < size; at += 64)
		memcpy(to + at, bytes + at, 64);
	return to + size;
}

/**
 * Likewise for what nearly always has 1 to 128 bytes, as base64 of a field: these are copied whatever the size, as
 * a branch on it would often be guessed wrong. Reads and writes up to ROOM_SLACK bytes beyond the end.
 */
static inline uint8_t *put_short(uint8_t *to, const uint8_t *bytes, size_t size)
{
	if (size > 128)
		return put_padded(to, bytes, size);
	memcpy(to, bytes, 64);
	memcpy(to + 64, bytes + 64, 64);
	return to + size;
}

static inline uint8_t *put_view(uint8_t *to, struct view text)
{
	if (text.size != 0)
		memcpy(to, text.bytes, text.size);
	return to + text.size;
}

static inline uint8_t *put_byte(uint8_t *to, uint8_t byte)
{
	*to = byte;
	return to + 1;
}

/** A text literal. */
#define put_literal(to, text) put_bytes((to), (text), sizeof(text) - 1)

static inline uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t size)
{
	memcpy(to, bytes, size);
	return to + size;
}

/** A text in double quotes, those inside doubled. */
uint8_t *put_doubled(uint8_t *to, struct view text);

/** A text as a JSON string. */
uint8_t *put_string(uint8_t *to, struct view text);

enum {
	PUT_TIME_SIZE = 13 // digits
};

/** Whether a number has thirteen digits, as nearly all times in milliseconds since 1970 do. */
static inline bool put_is_time(int64_t number)
{
	return number >= INT64_C(1000000000000) && number < INT64_C(10000000000000);
}

/** The digits of a number of which put_is_time is true, and no byte more. */
void put_time(uint8_t to[static PUT_TIME_SIZE], int64_t number);

/** A decimal number. */
uint8_t *put_unsigned(uint8_t *to, uint64_t number);
uint8_t *put_signed(uint8_t *to, int64_t number);
