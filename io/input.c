#include "io/input.h"

#include "io/base/limits.h"
#include "io/blocks.h"
#include "io/decoder.h"
#include "io/file_problem.h"
#include "io/format.h"
#include "io/reader.h"
#include "io/source.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Implementation notes. What the caller gets are blocks of one pool. Uncompressed, the reader reads
// into them; else it reads into blocks of a second, small pool, from which the decoder fills the
// first one's.

enum {
	HEADROOM = EVENT_SIZE_MAX
		+ 4096,      // a record's beginning that the limit still allows, and its CR
	RAW_SIZE = 256 << 10 // bytes of a block of compressed data
};

static_assert(
	(int)INPUT_PADDING == (int)BLOCKS_PADDING,
	"blocks carry the padding that input promises"
);

struct input {
	char *name;
	bool is_stdin;
	bool has_begun;
	bool is_ended;
	bool has_failed;
	struct problem failure; // has_failed
	struct input_options options;
	struct reader_source source;
	struct blocks blocks;
	struct blocks raw;       // compressed: what the reader reads into; else never touched
	struct reader *reader;   // has_begun
	struct decoder *decoder; // NULL = not compressed
	enum compression compression;
	struct block *raw_block; // being decompressed; NULL = none
	struct view raw_left;    // of raw_block
	uint64_t offset;         // of the next block, decompressed
	uint64_t raw_size;       // bytes the reader has delivered
	_Atomic uint64_t read;   // for input_progress, which any thread may ask for
};

static enum sl_status resolve_options(struct input_options *o)
{
	if (o->block_size == 0)
		o->block_size = INPUT_BLOCK_SIZE;
	if (o->block_count == 0)
		o->block_count = INPUT_BLOCK_COUNT;
	if (o->depth == 0)
		o->depth = o->block_count - 1 < INPUT_DEPTH ? o->block_count - 1 : INPUT_DEPTH;
	if (o->block_size < INPUT_BLOCK_SIZE_MIN || o->block_size > INPUT_BLOCK_SIZE_MAX
	    || o->block_count < INPUT_BLOCK_COUNT_MIN || o->block_count > INPUT_BLOCK_COUNT_MAX
	    || o->depth >= o->block_count || o->compression > COMPRESSION_ZSTD)
		return SL_E_INVALID;
	return SL_OK;
}

/** Say why the reader failed. */
static enum sl_status describe_read(
	const struct input *in,
	enum sl_status status,
	int error,
	struct problem *p
)
{
	if (status == SL_E_INTERRUPTED)
		return file_problem_of(p, status, in->name, "was not read to its end: stopped", "");
	if (error != 0)
		return file_problem(p, error, in->name, "be read");
	return file_problem_of(
		p,
		status,
		in->name,
		"became shorter while it was read",
		"Run again when nothing writes to the file any more"
	);
}

static enum sl_status begin_reader(struct input *in, struct problem *p)
{
	struct blocks *into = in->decoder == NULL ? &in->blocks : &in->raw;
	uint32_t depth = in->options.depth;
	enum sl_status status;

	status = reader_new(&in->source, into, depth, &in->reader);
	if (status == SL_E_UNSUPPORTED)
		return file_problem_of(
			p,
			status,
			in->name,
			"can not be read as SEALANE_IO=uring demands: io_uring is refused",
			"Unset SEALANE_IO, or allow io_uring (sysctl kernel.io_uring_disabled)"
		);
	if (status == SL_E_INVALID)
		return file_problem_of(
			p,
			status,
			in->name,
			"can not be read: the environment's SEALANE_IO is not uring or posix",
			"Unset SEALANE_IO"
		);
	return status == SL_OK ? SL_OK : file_problem(p, ENOMEM, in->name, "be read");
}

/** Look at the first bytes, and set up what reads the rest. */
static enum sl_status begin(struct input *in, struct problem *p)
{
	uint8_t head[FORMAT_HEAD_SIZE];
	size_t head_size = 0;
	int error = source_read_head(&in->source, &in->raw, head, sizeof(head), &head_size);

	if (error != 0)
		return describe_read(in, status_of_errno(error), error, p);
	SL_TRY(format_settle(
		in->name,
		in->options.compression,
		in->is_stdin,
		view_of(head, head_size),
		&in->compression,
		p
	));
	if (in->compression != COMPRESSION_NONE
	    && decoder_new(in->compression == COMPRESSION_ZSTD, &in->decoder) != SL_OK)
		return file_problem(p, ENOMEM, in->name, "be decompressed");
	SL_TRY(begin_reader(in, p));
	in->has_begun = true;
	return SL_OK;
}

static enum sl_status open_input(struct input *in, const char *path, struct problem *p)
{
	const struct input_options *o = &in->options;
	int error = source_open(&in->source, in->is_stdin ? NULL : path);

	if (error != 0)
		return file_problem(p, error, in->name, "be opened");
	if (blocks_init(&in->blocks, o->block_count, HEADROOM, o->block_size) != SL_OK
	    || blocks_init(&in->raw, o->depth + 1, 0, RAW_SIZE) != SL_OK)
		return file_problem(p, ENOMEM, in->name, "be read");
	// A pipe has perhaps nothing to say yet: its beginning is looked at when it is asked for.
	return in->source.has_offsets ? begin(in, p) : SL_OK;
}

enum sl_status input_open(
	const char *path,
	const struct input_options *options,
	struct input **ret_input,
	struct problem *ret_problem
)
{
	struct input *in = calloc(1, sizeof(*in));
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	enum sl_status status;

	if (in != NULL)
		in->name = strdup(name);
	if (in == NULL || in->name == NULL) {
		free(in);
		return file_problem(ret_problem, ENOMEM, name, "be read");
	}
	in->source.fd = -1;
	in->is_stdin = is_stdin;
	if (options != NULL)
		in->options = *options;
	status = resolve_options(&in->options);
	if (status != SL_OK)
		(void
		)!file_problem_of(ret_problem, status, name, "read options are out of range", "");
	else
		status = open_input(in, path, ret_problem);
	if (status != SL_OK) {
		input_free(in);
		return status;
	}
	*ret_input = in;
	return SL_OK;
}

/** Say why the decoder failed, and at which byte of the file. */
static enum sl_status describe_decode(
	const struct input *in,
	enum sl_status status,
	struct problem *p
)
{
	unsigned long long at = in->source.start + in->raw_size - in->raw_left.size;
	const char *format = format_text(in->compression);
	const char *remedy = "Get or make the file again, and check it with its own tool";

	if (status == SL_E_NOMEM)
		return file_problem(p, ENOMEM, in->name, "be decompressed");
	if (status == SL_E_TRUNCATED) {
		(void)!problem_set(p, status, "ends inside its %s data, at byte %llu", format, at);
	} else if (status == SL_E_TOO_BIG) {
		(void)!problem_set(p, status, "needs more than 128 MiB to be decompressed");
		remedy = "Compress it again without zstd's --long and --ultra";
	} else {
		(void)!problem_set(p, status, "has damaged %s data near byte %llu", format, at);
	}
	problem_at_file(p, in->name);
	problem_remedy(p, "%s", remedy);
	return status;
}

/** More compressed bytes in raw_left; none at the end. */
static enum sl_status refill_raw(struct input *in, struct problem *p)
{
	uint32_t size;
	int error;
	enum sl_status status;

	if (in->raw_block != NULL)
		block_release(in->raw_block);
	in->raw_block = NULL;
	in->raw_left = (struct view){0};
	status = reader_next(in->reader, &in->raw_block, &size, &error);
	if (status != SL_OK)
		return describe_read(in, status, error, p);
	if (in->raw_block != NULL)
		in->raw_left = view_of(in->raw_block->bytes, size);
	in->raw_size += size;
	return SL_OK;
}

static enum sl_status decompress(struct input *in, struct room *out, struct problem *p)
{
	for (;;) {
		enum sl_status status = decoder_run(in->decoder, &in->raw_left, out);

		if (status != SL_OK)
			return describe_decode(in, status, p);
		if (room_left(out) == 0)
			return SL_OK;
		SL_TRY(refill_raw(in, p));
		if (in->raw_block == NULL)
			return decoder_may_end(in->decoder)
				? SL_OK
				: describe_decode(in, SL_E_TRUNCATED, p);
	}
}

static enum sl_status next_decompressed(
	struct input *in,
	struct block **ret_block,
	uint32_t *ret_size,
	struct problem *p
)
{
	struct block *block = blocks_take(&in->blocks, true);
	struct room out;
	enum sl_status status;

	if (block == NULL)
		return describe_read(in, SL_E_INTERRUPTED, 0, p);
	out = (struct room){.bytes = block->bytes, .capacity = in->options.block_size};
	status = decompress(in, &out, p);
	if (status != SL_OK || out.size == 0) {
		block_release(block);
		return status;
	}
	*ret_block = block;
	*ret_size = (uint32_t)out.size;
	return SL_OK;
}

static enum sl_status next_block(
	struct input *in,
	struct block **ret_block,
	uint32_t *ret_size,
	struct problem *p
)
{
	int error;
	enum sl_status status;

	if (blocks_is_stopped(&in->blocks))
		return describe_read(in, SL_E_INTERRUPTED, 0, p);
	if (!in->has_begun)
		SL_TRY(begin(in, p));
	if (in->decoder != NULL)
		return next_decompressed(in, ret_block, ret_size, p);
	status = reader_next(in->reader, ret_block, ret_size, &error);
	if (status != SL_OK)
		return describe_read(in, status, error, p);
	in->raw_size += *ret_size;
	return SL_OK;
}

enum sl_status input_next(
	struct input *in,
	struct input_block *ret_block,
	struct problem *ret_problem
)
{
	struct block *block = NULL;
	uint32_t size = 0;

	if (!in->has_failed && !in->is_ended)
		in->has_failed = next_block(in, &block, &size, &in->failure) != SL_OK;
	if (in->has_failed) {
		*ret_problem = in->failure;
		return in->failure.status;
	}
	in->is_ended = block == NULL;
	*ret_block = (struct input_block){.offset = in->offset, .block = block};
	if (block != NULL)
		ret_block->bytes = view_of(block->bytes, size);
	in->offset += size;
	atomic_store_explicit(&in->read, in->raw_size - in->raw_left.size, memory_order_relaxed);
	return SL_OK;
}

void input_hold(struct block *block)
{
	block_hold(block);
}

void input_release(struct block *block)
{
	if (block != NULL)
		block_release(block);
}

uint32_t input_headroom(const struct input *in)
{
	return in->blocks.headroom;
}

uint32_t input_block_size(const struct input *in)
{
	return in->options.block_size;
}

struct input_progress input_progress(const struct input *in)
{
	return (struct input_progress){
		.read = atomic_load_explicit(&in->read, memory_order_relaxed),
		.total = in->source.size,
	};
}

const char *input_name(const struct input *in)
{
	return in->name;
}

const char *input_backend(const struct input *in)
{
	return in->reader != NULL ? reader_text(in->reader) : "plain reads: not a regular file";
}

void input_stop(struct input *in)
{
	blocks_stop(&in->blocks);
	blocks_stop(&in->raw);
}

void input_free(struct input *in)
{
	if (in == NULL)
		return;
	if (in->raw_block != NULL)
		block_release(in->raw_block);
	if (in->reader != NULL)
		reader_free(in->reader);
	decoder_free(in->decoder);
	blocks_done(&in->raw);
	blocks_done(&in->blocks);
	source_close(&in->source);
	free(in->name);
	free(in);
}
