#pragma once

#include "io/input.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

// What the tests of the input share: a text, its compressed forms, and a reader that compares.

enum {
	TEXT_SIZE = 200000,
	PACKED_MAX = 3 * TEXT_SIZE
};

static uint8_t text[TEXT_SIZE];
static uint8_t packed[PACKED_MAX];

static inline void fill_text(void)
{
	uint64_t random = 3;

	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)('a' + scratch_random(&random) % 20);
}

/**
 * One gzip member or zstd frame of part of the text, appended to packed at. Returns the new end.
 */
static inline size_t pack(bool is_zstd, size_t from, size_t size, size_t at)
{
	z_stream z = {0};

	if (is_zstd)
		return at + ZSTD_compress(packed + at, PACKED_MAX - at, text + from, size, 3);
	CHECK_FATAL(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
	z.next_in = text + from;
	z.avail_in = (uInt)size;
	z.next_out = packed + at;
	z.avail_out = (uInt)(PACKED_MAX - at);
	CHECK_FATAL(deflate(&z, Z_FINISH) == Z_STREAM_END);
	deflateEnd(&z);
	return at + z.total_out;
}

/** Read all; the text's bytes must come, as far as they come. */
static inline enum sl_status read_text(
	const char *path,
	const struct input_options *o,
	size_t *ret_size,
	struct problem *p
)
{
	struct input *in;
	struct input_progress progress;
	enum sl_status status = input_open(path, o, &in, p);
	bool is_good = true;

	*ret_size = 0;
	if (status != SL_OK)
		return status;
	for (;;) {
		struct input_block b;

		status = input_next(in, &b, p);
		if (status != SL_OK || b.bytes.size == 0)
			break;
		is_good = is_good && b.offset == *ret_size && b.bytes.size <= TEXT_SIZE - b.offset
			&& memcmp(b.bytes.bytes, text + b.offset, b.bytes.size) == 0;
		*ret_size += b.bytes.size;
		input_release(b.block);
	}
	progress = input_progress(in);
	CHECK(is_good);
	CHECK(status != SL_OK || progress.total == 0 || progress.read == progress.total);
	input_free(in);
	return status;
}
