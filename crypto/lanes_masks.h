// Part of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c (see lanes_body.h): rows of a batch as vectors, and
// masks made from the sizes of each lane. Sizes are public.

static_assert(GROUPS * VEC_LANES <= LANES_WIDTH_MAX, "a batch fits its rows");
static_assert((int)TEXT_MAX <= (int)LANES_TEXT_MAX, "a text fits its rows");
static_assert(sizeof(vec) == (size_t)VEC_LANES * 16, "a lane is 16 bytes");

INLINE vec row_load(const struct lanes_row *row, unsigned group)
{
	return vec_load(row->lane[group * VEC_LANES]);
}

INLINE void row_store(struct lanes_row *row, unsigned group, vec v)
{
	vec_store(row->lane[group * VEC_LANES], v);
}

/** A word of a lane's shape, in each word of the lane. */
INLINE vec shape_word(const struct lanes_batch *b, unsigned group, enum lanes_shape word)
{
	return vec_shuffle(row_load(&b->shape, group), vec_words(0x03020100 + word * 0x04040404));
}

/** Bytes of the last block of text, in each byte of the lane. */
INLINE vec last_size(const struct lanes_batch *b, unsigned group)
{
	return vec_shuffle(row_load(&b->shape, group), vec_words(SHAPE_LAST_SIZE * 0x04040404));
}

INLINE vec byte_numbers(void)
{
	return vec_block(0x0f0e0d0c0b0a0908, 0x0706050403020100);
}

/** All ones in the lanes whose text (or head) has begun when `left` steps are left after this one. */
INLINE vec
has_begun(const struct lanes_batch *b, unsigned group, enum lanes_shape blocks, uint32_t left)
{
	return vec_greater(shape_word(b, group, blocks), vec_words(left));
}

/** All ones in the lanes that have no text. */
INLINE vec is_empty(const struct lanes_batch *b, unsigned group)
{
	return vec_greater(vec_words(1), shape_word(b, group, SHAPE_TEXT_BLOCKS));
}

/** All ones in the bytes of the last block that are text. */
INLINE vec tail_mask(const struct lanes_batch *b, unsigned group)
{
	return vec_bytes_greater(last_size(b, group), byte_numbers());
}

/** The bit that CMAC appends to a last block that is not whole. */
INLINE vec pad_bit(const struct lanes_batch *b, unsigned group)
{
	vec is_next = vec_bytes_equal(last_size(b, group), byte_numbers());

	return vec_and(is_next, vec_words(0x80808080));
}

/** All ones in the lanes whose last block is whole. */
INLINE vec is_whole(const struct lanes_batch *b, unsigned group)
{
	return vec_bytes_equal(last_size(b, group), vec_words(0x10101010));
}
