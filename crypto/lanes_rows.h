// Part of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c (see lanes_body.h): bytes of messages to
// rows of a batch and back. Sizes decide here what is copied; no byte does.
//
// Over the level's load_part (1..15 bytes and zeros, reading nothing else) and copy_part (1..15 bytes exactly).

INLINE size_t blocks_of(size_t size)
{
	return (size + 15) / 16;
}

INLINE void copy_block(uint8_t *to, const uint8_t *from)
{
	_mm_storeu_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from));
}

/** Put bytes into the last rows of a lane and zeros into those before. */
INLINE void put_blocks(struct lanes_row rows[], uint32_t steps, uint32_t lane, struct view bytes)
{
	uint32_t step = 0;
	size_t at = 0;

	for (; step < steps - blocks_of(bytes.size); step++)
		_mm_store_si128((__m128i *)rows[step].lane[lane], _mm_setzero_si128());
	for (; at + 16 <= bytes.size; at += 16)
		copy_block(rows[step++].lane[lane], bytes.bytes + at);
	if (at < bytes.size)
		_mm_store_si128(
			(__m128i *)rows[step].lane[lane],
			load_part(bytes.bytes + at, bytes.size - at)
		);
}

/** The MAC of nothing at all is that of one block of padding. */
INLINE size_t text_blocks_of(const struct lanes_message *m)
{
	if (m->mac_key != NULL && m->head.size + m->text.size == 0)
		return 1;
	return blocks_of(m->text.size);
}

INLINE void fill_lane(struct lanes_batch *b, uint32_t lane, const struct lanes_message *m)
{
	size_t text_blocks = text_blocks_of(m);
	size_t last_size = m->text.size == 0 ? 0 : (m->text.size - 1) % 16 + 1;
	__m128i shape = _mm_setr_epi32(
		(int)(b->text_steps - text_blocks),
		(int)(b->head_steps - m->head.size / 16),
		(int)last_size,
		0
	);
	__m128i lengths = _mm_set_epi64x((long long)m->aad.size * 8, (long long)m->text.size * 8);

	b->key[lane] = m->key;
	_mm_store_si128((__m128i *)b->shape.lane[lane], shape);
	_mm_store_si128((__m128i *)b->lengths.lane[lane], lengths);
	put_blocks(b->aad, b->aad_steps, lane, m->aad);
	put_blocks(b->text, b->text_steps, lane, m->text);
	if (m->mac_key == NULL)
		return;
	b->mac_key[lane] = m->mac_key;
	b->has_empty |= text_blocks == 0;
	put_blocks(b->head, b->head_steps, lane, m->head);
}

INLINE uint32_t larger(uint32_t a, size_t b)
{
	return a > b ? a : (uint32_t)b;
}

INLINE void begin_batch(struct lanes_batch *b, uint32_t count)
{
	b->count = count;
	b->head_steps = 0;
	b->aad_steps = 0;
	b->text_steps = 0;
	b->has_empty = false;
}

/** Make a batch long enough for a message: for all of them, before the first fill_lane. */
INLINE void make_room(struct lanes_batch *b, const struct lanes_message *m)
{
	assert(m->head.size <= LANES_HEAD_MAX && m->head.size % 16 == 0);
	assert(m->aad.size <= LANES_HEAD_MAX && m->text.size <= LANES_TEXT_MAX);
	b->head_steps = larger(b->head_steps, m->head.size / 16);
	b->aad_steps = larger(b->aad_steps, blocks_of(m->aad.size));
	b->text_steps = larger(b->text_steps, text_blocks_of(m));
}

/** After the last fill_lane: the lanes that nobody uses need keys that can be read. */
INLINE void finish_batch(struct lanes_batch *b)
{
	b->rows_used = larger(b->rows_used, b->text_steps);
	for (uint32_t lane = b->count; lane < GROUPS * VEC_LANES; lane++) {
		b->key[lane] = b->key[0];
		b->mac_key[lane] = b->mac_key[0];
	}
}

static void fill(struct lanes_batch *b, const struct lanes_message m[], uint32_t count)
{
	begin_batch(b, count);
	for (uint32_t lane = 0; lane < count; lane++)
		make_room(b, &m[lane]);
	for (uint32_t lane = 0; lane < count; lane++)
		fill_lane(b, lane, &m[lane]);
	finish_batch(b);
}

/** Copy a lane's text out; up to 15 bytes beyond it are overwritten. */
INLINE void take_blocks(const struct lanes_batch *b, uint32_t lane, size_t size, uint8_t *ret_text)
{
	uint32_t step = b->text_steps - (uint32_t)blocks_of(size);

	for (; step < b->text_steps; step++, ret_text += 16)
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
