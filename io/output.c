#include "io/output.h"

#include "io/blocks.h"
#include "io/encoder.h"
#include "io/file_problem.h"
#include "io/format.h"
#include "io/stream.h"
#include "io/target.h"
#include "io/uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

// Implementation notes. Bytes are gathered in a buffer (a block of a pool); a full one is written
// while the next one is filled. When none is free, the oldest of them that ends is waited for. The
// encoder, if any, stands in front of the buffers. Streams and files in memory are written at once:
// there, what is long enough for a write of its own is written from where it lies.

enum {
	GATHER_SHARE = 8,        // what is shorter than this part of a buffer is gathered
	WRITE_SIZE_MAX = 1 << 30 // bytes of one write
};

struct output {
	struct target target;
	struct blocks blocks;
	struct uring *ring;      // NULL = a stream
	struct encoder *encoder; // NULL = not compressed
	struct block *current;   // being filled
	size_t filled;           // bytes of current
	uint64_t begun;          // bytes that writes were begun for
	uint64_t put_size;       // bytes put, before compression
	bool has_failed;
	bool is_finished;
	struct problem failure; // has_failed
};

static enum sl_status fail_with(struct output *out, struct problem *ret_problem)
{
	*ret_problem = out->failure;
	return out->failure.status;
}

/** Keep a failed transfer's reason: the file is lost. */
static void fail(struct output *out, int error, const char *act)
{
	if (!out->has_failed)
		(void)!file_problem(&out->failure, error, out->target.name, act);
	out->has_failed = true;
}

static enum sl_status resolve_options(
	const char *path,
	const struct output_options *options,
	struct output_options *o
)
{
	*o = options == NULL ? (struct output_options){0} : *options;
	if (o->buffer_size == 0)
		o->buffer_size = OUTPUT_BUFFER_SIZE;
	if (o->buffer_count == 0)
		o->buffer_count = OUTPUT_BUFFER_COUNT;
	if (o->mode == 0)
		o->mode = 0644;
	if (o->compression == COMPRESSION_BY_NAME)
		o->compression = strcmp(path, "-") == 0 ? COMPRESSION_NONE : format_of_name(path);
	if (o->buffer_size < OUTPUT_BUFFER_SIZE_MIN || o->buffer_size > OUTPUT_BUFFER_SIZE_MAX
	    || o->buffer_count < 2 || o->buffer_count > OUTPUT_BUFFER_COUNT_MAX
	    || (o->mode & ~0777u) != 0 || o->compression > COMPRESSION_ZSTD)
		return SL_E_INVALID;
	return SL_OK;
}

static enum sl_status begin_ring(struct output *out)
{
	struct iovec *regions = blocks_regions(&out->blocks);
	enum sl_status status = SL_E_NOMEM;

	if (regions != NULL)
		status = uring_new(
			out->target.fd, regions, out->blocks.count, out->blocks.count, &out->ring
		);
	free(regions);
	return status;
}

static enum sl_status begin(
	struct output *out,
	const struct output_options *o,
	struct problem *ret_problem
)
{
	const char *name = out->target.name;
	enum sl_status status = SL_OK;

	if (o->compression != COMPRESSION_NONE)
		status = encoder_new(o->compression == COMPRESSION_ZSTD, o->level, &out->encoder);
	if (status == SL_E_INVALID)
		return file_problem_of(
			ret_problem, status, name, "the format has no such compression level", ""
		);
	if (status == SL_OK)
		status = blocks_init(&out->blocks, o->buffer_count, 0, o->buffer_size);
	if (status == SL_OK && !out->target.is_stream)
		status = begin_ring(out);
	if (status == SL_E_NOMEM)
		return file_problem(ret_problem, ENOMEM, name, "be made");
	if (status != SL_OK)
		return file_problem_of(
			ret_problem,
			status,
			name,
			"can not be written as the environment's SEALANE_IO demands",
			"Unset SEALANE_IO, or allow io_uring (sysctl kernel.io_uring_disabled)"
		);
	out->current = blocks_take(&out->blocks, false);
	target_expect(&out->target, out->encoder == NULL ? o->size_expected : 0);
	return SL_OK;
}

enum sl_status output_open(
	const char *path,
	const struct output_options *options,
	struct output **ret_output,
	struct problem *ret_problem
)
{
	const char *name = strcmp(path, "-") == 0 ? "standard output" : path;
	struct output_options o;
	enum sl_status status = resolve_options(path, options, &o);
	struct output *out;

	if (status != SL_OK)
		return file_problem_of(
			ret_problem, status, name, "write options are out of range", ""
		);
	out = calloc(1, sizeof(*out));
	if (out == NULL)
		return file_problem(ret_problem, ENOMEM, name, "be made");
	status = target_open(&out->target, path, (mode_t)o.mode, ret_problem);
	if (status == SL_OK)
		status = begin(out, &o, ret_problem);
	if (status != SL_OK) {
		output_free(out);
		return status;
	}
	*ret_output = out;
	return SL_OK;
}

static struct block *block_of(struct uring_op *op)
{
	return (struct block *)((uint8_t *)op - offsetof(struct block, op));
}

/** Wait for one write to end; false when none is in flight. */
static bool await_write(struct output *out)
{
	struct uring_op *op = uring_wait(out->ring);

	if (op == NULL)
		return false;
	if (op->error != 0)
		fail(out, op->error, "be written");
	block_release(block_of(op));
	return true;
}

static bool writes_at_once(const struct output *out)
{
	return out->ring == NULL || uring_is_plain(out->ring);
}

/** Write bytes from where they lie; afterwards they are the caller's again. */
static void write_at_once(struct output *out, struct view bytes)
{
	struct uring_op op = {
		.bytes = (uint8_t *)bytes.bytes,
		.offset = out->begun,
		.size = (uint32_t)bytes.size,
		.fd = out->target.fd,
		.is_write = true,
	};

	if (out->ring == NULL) {
		op.error = stream_write(op.fd, bytes.bytes, bytes.size);
	} else {
		uring_submit(out->ring, &op);
		(void)uring_wait(out->ring);
	}
	if (op.error != 0)
		fail(out, op.error, "be written");
}

/** Begin to write what current holds, and take another current. */
static void write_ahead(struct output *out)
{
	struct block *block = out->current;

	block->op = (struct uring_op){
		.bytes = block->bytes,
		.offset = out->begun,
		.size = (uint32_t)out->filled,
		.region = block->index,
		.fd = out->target.fd,
		.is_write = true,
	};
	uring_submit(out->ring, &block->op);
	out->current = blocks_take(&out->blocks, false);
	while (out->current == NULL && await_write(out))
		out->current = blocks_take(&out->blocks, false);
}

/** Send what current holds on its way; then it is empty. */
static void flush_current(struct output *out)
{
	if (out->filled == 0)
		return;
	if (writes_at_once(out))
		write_at_once(out, view_of(out->current->bytes, out->filled));
	else
		write_ahead(out);
	out->begun += out->filled;
	out->filled = 0;
}

/** Write what is long enough for a write of its own, behind what was gathered. */
static void pass_through(struct output *out, struct view bytes)
{
	flush_current(out);
	while (bytes.size != 0 && !out->has_failed) {
		size_t size = bytes.size < WRITE_SIZE_MAX ? bytes.size : WRITE_SIZE_MAX;

		write_at_once(out, view_of(bytes.bytes, size));
		out->begun += size;
		bytes = view_of(bytes.bytes + size, bytes.size - size);
	}
}

static void append(struct output *out, struct view bytes)
{
	if (writes_at_once(out) && bytes.size >= out->blocks.size / GATHER_SHARE) {
		pass_through(out, bytes);
		return;
	}
	while (bytes.size != 0 && !out->has_failed) {
		size_t left = out->blocks.size - out->filled;
		size_t size = bytes.size < left ? bytes.size : left;

		memcpy(out->current->bytes + out->filled, bytes.bytes, size);
		out->filled += size;
		bytes = view_of(bytes.bytes + size, bytes.size - size);
		if (out->filled == out->blocks.size)
			flush_current(out);
	}
}

static struct room current_room(const struct output *out)
{
	return (struct room){
		.bytes = out->current->bytes,
		.size = out->filled,
		.capacity = out->blocks.size,
	};
}

static void take_encoded(struct output *out, const struct room *room)
{
	out->filled = room->size;
	if (room_left(room) == 0)
		flush_current(out);
}

static void compress(struct output *out, struct view bytes)
{
	while (bytes.size != 0 && !out->has_failed) {
		struct room room = current_room(out);

		if (encoder_run(out->encoder, &bytes, &room) != SL_OK)
			fail(out, ENOMEM, "be compressed");
		take_encoded(out, &room);
	}
}

enum sl_status output_put(struct output *out, struct view bytes, struct problem *ret_problem)
{
	if (out->is_finished)
		SL_BUG("bytes for an output that is finished");
	if (!out->has_failed && out->encoder != NULL)
		compress(out, bytes);
	else if (!out->has_failed)
		append(out, bytes);
	if (out->has_failed)
		return fail_with(out, ret_problem);
	out->put_size += bytes.size;
	return SL_OK;
}

static void finish_encoding(struct output *out)
{
	bool is_done = false;

	while (!is_done && !out->has_failed) {
		struct room room = current_room(out);

		if (encoder_finish(out->encoder, &room, &is_done) != SL_OK)
			fail(out, ENOMEM, "be compressed");
		take_encoded(out, &room);
	}
}

/** Give back what only writing needs. */
static void end_writing(struct output *out)
{
	uring_free(out->ring);
	out->ring = NULL;
	encoder_free(out->encoder);
	out->encoder = NULL;
	if (out->current != NULL)
		block_release(out->current);
	out->current = NULL;
	blocks_done(&out->blocks);
}

enum sl_status output_finish(struct output *out, struct problem *ret_problem)
{
	if (out->is_finished)
		SL_BUG("an output is finished twice");
	if (!out->has_failed && out->encoder != NULL)
		finish_encoding(out);
	if (!out->has_failed)
		flush_current(out);
	while (out->ring != NULL && await_write(out))
		;
	if (!out->has_failed)
		out->has_failed = target_sync(&out->target, out->begun, &out->failure) != SL_OK;
	if (out->has_failed)
		return fail_with(out, ret_problem);
	end_writing(out);
	out->is_finished = true;
	return SL_OK;
}

enum sl_status output_publish(struct output *out, struct problem *ret_problem)
{
	if (!out->is_finished)
		SL_BUG("an output is published before it is finished");
	return target_publish(&out->target, ret_problem);
}

uint64_t output_put_size(const struct output *out)
{
	return out->put_size;
}

uint64_t output_file_size(const struct output *out)
{
	return out->begun;
}

void output_free(struct output *out)
{
	if (out == NULL)
		return;
	while (out->ring != NULL && await_write(out))
		;
	end_writing(out);
	target_done(&out->target);
	free(out);
}
