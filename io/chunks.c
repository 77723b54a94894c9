#include "io/chunks.h"

#include "io/records.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

// Implementation notes. A block, as it comes from the input, with the cut record's beginning (the
// tail of the block before) copied in front of it:
//
//      | headroom … tail | … LF … LF … LF … |
//                  ^ start          last ^   ^ the next tail
//                  |------- chunk -------|
//
// A record is oversize once its text is longer than record_size_max. Its pieces are what each block
// holds of it; after its last piece the rest of that block's records come as a second chunk of the
// same block. As a block is no longer than record_size_max, only a block's first record, with its
// tail, can be oversize.

static_assert(
	(int)RECORDS_PADDING == (int)INPUT_PADDING,
	"what the input promises is what scans need"
);
static_assert(
	(int)INPUT_BLOCK_SIZE_MAX <= (int)EVENT_SIZE_MAX,
	"at most one oversize record a block"
);

struct chunks {
	struct input *input;
	struct chunks_options options;
	struct records records; // the scan over all blocks
	struct view tail;       // the cut record's beginning, in tail_block
	struct block *tail_block;
	uint64_t tail_offset; // in the input
	struct chunk rest;    // to be given next; block NULL = none
	uint64_t index;       // of the next chunk
	uint64_t row;         // number of the next record
	uint32_t piece;       // of the oversize record that is under way
	bool is_oversize;     // one is under way
	bool has_begun;
	bool is_ended;
};

/** A block and what the scan found in it. */
struct cut {
	struct input_block block;
	struct view text; // the tail and the block's bytes
	size_t tail_size;
	struct record_ends ends; // offsets from the block's bytes
};

enum sl_status chunks_open(
	struct input *input,
	const struct chunks_options *options,
	struct chunks **ret_chunks
)
{
	struct chunks_options o = options == NULL ? (struct chunks_options){0} : *options;
	struct chunks *c;

	if (o.delimiter == 0)
		o.delimiter = ',';
	if (o.record_size_max == 0)
		o.record_size_max = EVENT_SIZE_MAX;
	if (o.record_size_max > EVENT_SIZE_MAX || o.record_size_max < input_block_size(input)
	    || input_headroom(input) < o.record_size_max + 1 || o.delimiter == '"'
	    || o.delimiter == '\n' || o.delimiter == '\r' || o.format > CHUNK_BY_FIRST_BYTE)
		return SL_E_INVALID;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return SL_E_NOMEM;
	*c = (struct chunks){
		.input = input,
		.options = o,
		.records = {.is_csv = o.format == CHUNK_CSV, .delimiter = o.delimiter},
		.row = 1,
	};
	*ret_chunks = c;
	return SL_OK;
}

/** A chunk with what all have. Holds the block once more. */
static struct chunk make_chunk(
	struct chunks *c,
	struct view bytes,
	uint64_t offset,
	struct block *block
)
{
	if (block != NULL)
		input_hold(block);
	return (struct chunk){
		.index = c->index++,
		.first_row = c->row,
		.offset = offset,
		.bytes = bytes,
		.delimiter = c->options.delimiter,
		.format = c->options.format,
		.block = block,
	};
}

static struct chunk make_rows(
	struct chunks *c,
	struct view bytes,
	uint64_t offset,
	struct block *block,
	uint64_t rows
)
{
	struct chunk chunk = make_chunk(c, bytes, offset, block);

	chunk.row_count = (uint32_t)rows;
	c->row += rows;
	return chunk;
}

static struct chunk make_piece(
	struct chunks *c,
	struct view bytes,
	uint64_t offset,
	struct block *block,
	bool is_last
)
{
	struct chunk chunk = make_chunk(c, bytes, offset, block);

	chunk.is_oversize = true;
	chunk.is_last = is_last;
	chunk.piece = c->piece++;
	chunk.row_count = is_last;
	c->is_oversize = !is_last;
	if (is_last) {
		c->piece = 0;
		c->row++;
	}
	return chunk;
}

static void drop_tail(struct chunks *c)
{
	input_release(c->tail_block);
	c->tail_block = NULL;
	c->tail = (struct view){0};
}

static void keep_tail(struct chunks *c, struct view tail, uint64_t offset, struct block *block)
{
	if (tail.size == 0)
		return;
	input_hold(block);
	c->tail = tail;
	c->tail_block = block;
	c->tail_offset = offset;
}

static void skip_byte_order_mark(struct input_block *b)
{
	if (b->bytes.size < 3 || memcmp(b->bytes.bytes, "\xef\xbb\xbf", 3) != 0)
		return;
	b->bytes = view_of(b->bytes.bytes + 3, b->bytes.size - 3);
	b->offset += 3;
}

/** Settle what the input is, when nobody has said it. */
static void settle_format(struct chunks *c, struct view bytes)
{
	if (c->options.format != CHUNK_BY_FIRST_BYTE)
		return;
	c->options.format = bytes.size == 0 || memchr("{ \t\r\n", bytes.bytes[0], 5) != NULL
		? CHUNK_NDJSON
		: CHUNK_CSV;
	c->records.is_csv = c->options.format == CHUNK_CSV;
}

/** Put the tail in front of a new block, and scan the block. */
static struct cut join(struct chunks *c, struct input_block block)
{
	struct cut cut = {.tail_size = c->tail.size};
	uint8_t *start;

	if (!c->has_begun) {
		skip_byte_order_mark(&block);
		settle_format(c, block.bytes);
	}
	c->has_begun = true;
	// The headroom is ours to write to: nobody else looks in front of a block's bytes.
	start = (uint8_t *)block.bytes.bytes - c->tail.size;
	if (c->tail.size != 0)
		memcpy(start, c->tail.bytes, c->tail.size);
	drop_tail(c);
	cut.block = block;
	cut.text = view_of(start, cut.tail_size + block.bytes.size);
	cut.ends = records_scan(&c->records, block.bytes.bytes, block.bytes.size);
	return cut;
}

/** Size of the text that ends before the LF at end, without CSV's CR. */
static size_t text_size(const struct chunks *c, const uint8_t *text, size_t end)
{
	if (c->options.format == CHUNK_CSV && end != 0 && text[end - 1] == '\r')
		return end - 1;
	return end;
}

/** A block in which no record ends. True when it makes a chunk. */
static bool pass_whole(struct chunks *c, const struct cut *cut, struct chunk *ret_chunk)
{
	uint64_t offset = cut->block.offset - cut->tail_size;

	// One byte more than the limit may still turn out to be CSV's CR.
	if (!c->is_oversize && cut->text.size <= (size_t)c->options.record_size_max + 1) {
		keep_tail(c, cut->text, offset, cut->block.block);
		return false;
	}
	*ret_chunk = make_piece(c, cut->text, offset, cut->block.block, false);
	return true;
}

/**
 * A block in which records end: a chunk of them, or an oversize record's last piece and the rest.
 */
static void pass_records(struct chunks *c, const struct cut *cut, struct chunk *ret_chunk)
{
	const uint8_t *text = cut->text.bytes;
	uint64_t offset = cut->block.offset - cut->tail_size;
	struct block *block = cut->block.block;
	size_t first = cut->tail_size + cut->ends.first;
	size_t end = cut->tail_size + cut->ends.last + 1;

	if (!c->is_oversize && text_size(c, text, first) <= c->options.record_size_max) {
		*ret_chunk = make_rows(c, view_of(text, end), offset, block, cut->ends.count);
	} else {
		*ret_chunk = make_piece(c, view_of(text, first), offset, block, true);
		first++;
		if (first < end)
			c->rest = make_rows(
				c,
				view_of(text + first, end - first),
				offset + first,
				block,
				cut->ends.count - 1
			);
	}
	keep_tail(c, view_of(text + end, cut->text.size - end), offset + end, block);
}

/** The input has ended: what is left is the last record, without a line end. */
static void pass_last(struct chunks *c, struct chunk *ret_chunk)
{
	static const uint8_t nothing[INPUT_PADDING]; // what is empty has its padding too

	c->is_ended = true;
	if (c->is_oversize)
		*ret_chunk = make_piece(c, view_of(nothing, 0), c->tail_offset, NULL, true);
	else if (c->tail.size > c->options.record_size_max)
		*ret_chunk = make_piece(c, c->tail, c->tail_offset, c->tail_block, true);
	else if (c->tail.size != 0)
		*ret_chunk = make_rows(c, c->tail, c->tail_offset, c->tail_block, 1);
	else
		*ret_chunk = (struct chunk){.is_end = true};
	drop_tail(c);
}

enum sl_status chunks_next(struct chunks *c, struct chunk *ret_chunk, struct problem *ret_problem)
{
	bool has_chunk = false;

	if (c->rest.block != NULL) {
		*ret_chunk = c->rest;
		c->rest = (struct chunk){0};
		return SL_OK;
	}
	while (!has_chunk) {
		struct input_block block;
		struct cut cut;

		if (!c->is_ended)
			SL_TRY(input_next(c->input, &block, ret_problem));
		if (c->is_ended || block.bytes.size == 0) {
			pass_last(c, ret_chunk);
			return SL_OK;
		}
		cut = join(c, block);
		if (cut.ends.count == 0) {
			has_chunk = pass_whole(c, &cut, ret_chunk);
		} else {
			pass_records(c, &cut, ret_chunk);
			has_chunk = true;
		}
		c->tail_offset =
			c->tail_block != NULL ? c->tail_offset : block.offset + block.bytes.size;
		input_release(block.block);
	}
	return SL_OK;
}

void chunk_release(struct chunk *chunk)
{
	input_release(chunk->block);
	chunk->block = NULL;
}

static bool is_blank(const struct chunk *chunk, struct view row)
{
	if (chunk->format == CHUNK_CSV)
		return row.size == 0;
	for (size_t i = 0; i < row.size; i++)
		if (row.bytes[i] != ' ' && row.bytes[i] != '\t' && row.bytes[i] != '\r')
			return false;
	return true;
}

bool chunk_next_row(const struct chunk *chunk, struct chunk_cursor *cursor, struct view *ret_row)
{
	struct records records = {
		.is_csv = chunk->format == CHUNK_CSV, .delimiter = chunk->delimiter};

	while (!chunk->is_oversize && cursor->at < chunk->bytes.size) {
		const uint8_t *text = chunk->bytes.bytes + cursor->at;
		size_t left = chunk->bytes.size - cursor->at;
		size_t end = records_find_end(&records, text, left);
		struct view row = view_of(text, end);

		if (end < left && records.is_csv && end != 0 && text[end - 1] == '\r')
			row.size--;
		cursor->at += end < left ? end + 1 : end;
		cursor->number = chunk->first_row + cursor->seen_count++;
		if (is_blank(chunk, row)) {
			cursor->blank_count++;
			continue;
		}
		*ret_row = row;
		return true;
	}
	return false;
}

void chunks_free(struct chunks *c)
{
	if (c == NULL)
		return;
	drop_tail(c);
	input_release(c->rest.block);
	free(c);
}
