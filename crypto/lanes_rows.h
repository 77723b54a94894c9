// Part of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c (see lanes_body.h): bytes of messages to
// rows of a batch and back. Sizes decide here what is copied; no byte does.
//
// Over the level's load_part (0..16 bytes and zeros, reading nothing else) and copy_part (1..15 bytes exactly).

INLINE size_t blocks_of(size_t size)
{
	return (size + 15) / 16;
}

/** Where the last block of a text begins. */
INLINE size_t last_block_at(size_t size)
{
	return (size - (size != 0)) / 16 * 16;
}

INLINE void copy_block(uint8_t *to, const uint8_t *from)
{
	_mm_storeu_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
}

/** What the lanes of a batch are to work on, column by column. All of them have something: see fill_batch. */
struct lanes_input {
	struct view head[GROUPS * VEC_LANES];
	struct view aad[GROUPS * VEC_LANES];
	struct view text[GROUPS * VEC_LANES];
};

/** Put a step of which `left` come after it: a whole block, or zeros in lanes that have not begun. */
INLINE void put_whole(struct lanes_row *row, uint32_t left, const struct view column[])
{
	static const uint8_t zeros[16];
	const uint8_t *from[GROUPS * VEC_LANES];
	size_t size_left = (left + (size_t)1) * 16;

	for (unsigned lane = 0; lane < GROUPS * VEC_LANES; lane++) {
		size_t size = blocks_of(column[lane].size) * 16;

		from[lane] = size < size_left ? zeros : column[lane].bytes + (size - size_left);
	}
	for (unsigned g = 0; g < GROUPS; g++)
		row_store(row, g, vec_gather(from + g * VEC_LANES, 0));
}

/** Put the last step of all lanes: what there is of a block, and zeros behind it. */
INLINE void put_last(struct lanes_row *row, const struct view column[])
{
	for (unsigned g = 0; g < GROUPS; g++) {
		__m128i block[VEC_LANES];

		for (unsigned n = 0; n < VEC_LANES; n++) {
			const struct view *v = &column[g * VEC_LANES + n];
			size_t at = last_block_at(v->size);

			block[n] = load_part(v->bytes + at, v->size - at);
		}
		row_store(row, g, vec_join(block));
	}
}

/** Put the lanes' bytes into rows, aligned at their last blocks; padded: there are zeros behind them. */
INLINE void put_rows(
	struct lanes_row rows[],
	uint32_t steps,
	const struct view column[],
	bool is_padded
)
{
	uint32_t whole = is_padded || steps == 0 ? steps : steps - 1;

	for (uint32_t step = 0; step < whole; step++)
		put_whole(&rows[step], steps - 1 - step, column);
	if (whole < steps)
		put_last(&rows[whole], column);
}

INLINE uint32_t larger(uint32_t a, size_t b)
{
	return a > b ? a : (uint32_t)b;
}

/** Note how long the lanes are, and how many steps the longest takes. */
INLINE void put_shapes(struct lanes_batch *b, const struct lanes_input *in, bool has_mac)
{
	// Locals: the compiler can not know that the rows that are written are not the batch's numbers.
	uint32_t head_steps = 0;
	uint32_t aad_steps = 0;
	uint32_t text_steps = 0;
	bool has_empty = false;

	for (uint32_t lane = 0; lane < GROUPS * VEC_LANES; lane++) {
		size_t head_blocks = in->head[lane].size / 16;
		size_t aad_size = in->aad[lane].size;
		size_t text_size = in->text[lane].size;
		size_t text_blocks = blocks_of(text_size);
		uint32_t *shape = (uint32_t *)(void *)b->shape.lane[lane];
		uint64_t *lengths = (uint64_t *)(void *)b->lengths.lane[lane];

		assert(in->head[lane].size <= LANES_HEAD_MAX && in->head[lane].size % 16 == 0);
		assert(aad_size <= LANES_HEAD_MAX && text_size <= LANES_TEXT_MAX);
		// The MAC of nothing at all is that of one block of padding.
		text_blocks += has_mac && head_blocks + text_blocks == 0;
		shape[SHAPE_TEXT_BLOCKS] = (uint32_t)text_blocks;
		shape[SHAPE_HEAD_BLOCKS] = (uint32_t)head_blocks;
		shape[SHAPE_LAST_SIZE] = (uint32_t)(text_size - last_block_at(text_size));
		lengths[0] = text_size * 8;
		lengths[1] = aad_size * 8;
		head_steps = larger(head_steps, head_blocks);
		aad_steps = larger(aad_steps, blocks_of(aad_size));
		text_steps = larger(text_steps, text_blocks);
		has_empty |= text_blocks == 0;
	}
	b->head_steps = head_steps;
	b->aad_steps = aad_steps;
	b->text_steps = text_steps;
	b->has_empty = has_empty;
}

/**
 * Fill the rows of a batch. Lanes that nobody uses have been given the input of one that is used.
 *
 * @param is_padded whether zeros stand behind the associated data, up to whole blocks
 */
INLINE void fill_batch(
	struct lanes_batch *b,
	const struct lanes_input *in,
	uint32_t count,
	bool has_mac,
	bool is_padded
)
{
	put_shapes(b, in, has_mac);
	b->count = count;
	b->rows_used = larger(b->rows_used, b->text_steps);
	if (has_mac)
		put_rows(b->head, b->head_steps, in->head, true);
	put_rows(b->aad, b->aad_steps, in->aad, is_padded);
	put_rows(b->text, b->text_steps, in->text, false);
}

static void fill(struct lanes_batch *b, const struct lanes_message m[], uint32_t count)
{
	UNINITIALIZED struct lanes_input in;

	for (uint32_t lane = 0; lane < GROUPS * VEC_LANES; lane++) {
		const struct lanes_message *from = &m[lane < count ? lane : 0];

		b->key[lane] = from->key;
		b->mac_key[lane] = from->mac_key;
		in.head[lane] = from->head;
		in.aad[lane] = from->aad;
		in.text[lane] = from->text;
	}
	fill_batch(b, &in, count, m[0].mac_key != NULL, false);
}

/** Copy a lane's text out; up to 15 bytes beyond it are overwritten. */
INLINE void take_blocks(const struct lanes_batch *b, uint32_t lane, size_t size, uint8_t *ret_text)
{
	uint32_t steps = b->text_steps; // a local: see put_shapes

	for (uint32_t step = steps - (uint32_t)blocks_of(size); step < steps;
	     step++, ret_text += 16)
		copy_block(ret_text, b->text[step].lane[lane]);
}

/** Copy a lane's text out, to the byte. */
static void text(const struct lanes_batch *b, uint32_t lane, size_t size, uint8_t *ret_text)
{
	uint32_t step = b->text_steps - (uint32_t)blocks_of(size);

	for (; size >= 16; size -= 16, ret_text += 16)
		copy_block(ret_text, b->text[step++].lane[lane]);
	if (size != 0)
		copy_part(ret_text, b->text[step].lane[lane], size);
}
