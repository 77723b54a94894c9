// Chunks and rows of any bytes: the same whatever the blocks' size, and the input's own bytes.
// Targets: input_next, decoder_run, records_scan, records_find_end, chunks_next, chunk_next_row

#include "io/chunks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	OPTION_BYTES = 3,    // format and compression, block size, size of the largest record
	OUTPUT_MAX = 4 << 20 // bytes to be looked at: a small input may decompress to very much
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** What two runs must agree on. */
struct outcome {
	uint64_t hash; // of every row's number, offset, size and first bytes
	uint64_t row_count;
	uint64_t oversize_size; // bytes of pieces
	uint64_t end;           // offset behind the last chunk
	enum sl_status status;
};

static void need(bool is_so)
{
	if (!is_so)
		abort();
}

static void mix(struct outcome *o, uint64_t value)
{
	o->hash = (o->hash ^ value) * 0x9e3779b97f4a7c15u;
	o->hash ^= o->hash >> 29;
}

/** Behind a row comes its line end, or nothing. */
static void look_at_rows(struct outcome *o, const struct chunk *c, size_t record_max)
{
	struct chunk_cursor cursor = {0};
	const uint8_t *end = c->bytes.bytes + c->bytes.size;
	struct view row;

	while (chunk_next_row(c, &cursor, &row)) {
		const uint8_t *behind = row.bytes + row.size;

		need(row.size != 0 && row.size <= record_max && behind <= end);
		need(behind == end || *behind == '\n'
		     || (c->format == CHUNK_CSV && behind[0] == '\r' && behind[1] == '\n'));
		need(c->format == CHUNK_CSV || memchr(row.bytes, '\n', row.size) == NULL);
		mix(o, cursor.number);
		mix(o, chunk_row_offset(c, row));
		mix(o, row.size);
		o->row_count++;
	}
	need(c->is_oversize || cursor.seen_count == c->row_count);
}

static struct outcome run(
	const char *path,
	enum compression compression,
	const struct chunks_options *options,
	uint32_t block_size,
	struct view text
)
{
	struct input_options io = {
		.compression = compression, .block_size = block_size, .block_count = 3};
	struct outcome o = {0};
	struct input *in;
	struct chunks *chunks;
	struct problem p;
	uint64_t index = 0;

	o.status = input_open(path, &io, &in, &p);
	if (o.status != SL_OK)
		return o;
	need(chunks_open(in, options, &chunks) == SL_OK);
	while (o.end < OUTPUT_MAX) {
		struct chunk c;

		o.status = chunks_next(chunks, &c, &p);
		if (o.status != SL_OK || c.is_end)
			break;
		need(c.index == index++ && c.offset >= o.end);
		if (compression == COMPRESSION_NONE)
			need(view_equal(c.bytes, view_of(text.bytes + c.offset, c.bytes.size)));
		if (c.is_oversize)
			o.oversize_size += c.bytes.size;
		look_at_rows(&o, &c, options->record_size_max);
		o.end = c.offset + c.bytes.size;
		chunk_release(&c);
	}
	chunks_free(chunks);
	input_free(in);
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct chunks_options options = {0};
	enum compression compression;
	uint32_t block_size;
	struct view text;
	struct outcome a;
	struct outcome b;
	char path[64];
	int fd;

	if (size < OPTION_BYTES)
		return 0;
	options.format = data[0] & 1 ? CHUNK_CSV : CHUNK_NDJSON;
	compression = (enum compression)(COMPRESSION_NONE + data[0] / 2 % 3);
	block_size = INPUT_BLOCK_SIZE_MIN + data[1];
	options.record_size_max = block_size + data[2];
	text = view_of(data + OPTION_BYTES, size - OPTION_BYTES);
	fd = memfd_create("chunks", MFD_CLOEXEC);
	need(fd >= 0 && write(fd, text.bytes, text.size) == (ssize_t)text.size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	a = run(path, compression, &options, block_size, text);
	b = run(path, compression, &options, INPUT_BLOCK_SIZE_MIN, text);
	need(a.status == b.status);
	// A failure comes when it is met: the blocks before it have gone out by then, more or
	// fewer.
	if (a.status == SL_OK && a.end < OUTPUT_MAX && b.end < OUTPUT_MAX)
		need(a.hash == b.hash && a.row_count == b.row_count
		     && a.oversize_size == b.oversize_size && a.end == b.end);
	close(fd);
	return 0;
}
