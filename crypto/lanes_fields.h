// Part of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c (see lanes_body.h): fields of a burst
// through a batch, and their form outside (field.h): Tink's prefix, IV, ciphertext, tag, in base64. All that
// is public: branches are fine there.
//
// Over the level's encode_field: base64 of a field, behind which are ENCODE_PADDING zeros.

enum {
	IV_AT = FIELD_PREFIX_SIZE,
	TEXT_AT = FIELD_PREFIX_SIZE + FIELD_IV_SIZE
};

INLINE void put_prefix(uint8_t *raw, uint32_t key_id)
{
	uint64_t prefix = (uint64_t)__builtin_bswap32(key_id) << 8 | 0x01;

	memcpy(raw, &prefix, sizeof(prefix));
}

INLINE bool has_prefix(const uint8_t *raw, uint32_t key_id)
{
	uint64_t prefix;

	memcpy(&prefix, raw, sizeof(prefix));
	return (prefix & 0xffffffffff) == ((uint64_t)__builtin_bswap32(key_id) << 8 | 0x01);
}

/** A lane in Tink's form. Each part overwrites what the whole blocks of the one before put too far. */
INLINE void frame_field(struct lanes_scratch *s, uint32_t lane, uint32_t key_id, size_t size)
{
	uint8_t *raw = s->raw[lane];

	put_prefix(raw, key_id);
	copy_block(raw + IV_AT, s->batch.iv.lane[lane]);
	take_blocks(&s->batch, lane, size, raw + TEXT_AT);
	copy_block(raw + TEXT_AT + size, s->batch.tag.lane[lane]);
	memset(raw + FIELD_OVERHEAD + size, 0, ENCODE_PADDING);
}

/** Put the fields of a burst into lanes. */
INLINE void fill_fields(
	struct lanes_scratch *s,
	const struct seal_burst *burst,
	const uint16_t rows[],
	uint32_t count,
	bool is_random
)
{
	struct lanes_batch *b = &s->batch;
	UNINITIALIZED struct lanes_input in;

	for (uint32_t lane = 0; lane < GROUPS * VEC_LANES; lane++) {
		uint32_t i = rows[lane < count ? lane : 0];
		const struct field_path *path = burst->path[i];

		b->key[lane] = burst->field_key[i];
		b->mac_key[lane] = burst->iv_key[i];
		in.head[lane] = view_of(path->block, (size_t)path->block_count * 16);
		in.aad[lane] = view_of(field_path_bytes(path), path->size);
		in.text[lane] = burst->text[i];
		if (is_random)
			memcpy(b->iv.lane[lane], s->iv[i], FIELD_IV_SIZE);
	}
	fill_batch(b, &in, count, !is_random, true);
}

static void seal_fields(
	struct lanes_scratch *s,
	struct seal_burst *burst,
	const uint16_t rows[],
	uint32_t count,
	bool is_random
)
{
	fill_fields(s, burst, rows, count, is_random);
	if (!is_random)
		mac(&s->batch);
	seal(&s->batch);
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];

		frame_field(s, lane, burst->key_id[i], burst->text[i].size);
	}
	// A loop of its own: wide loads of what has just been stored in pieces would wait for the stores.
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];

		encode_field(s->raw[lane], FIELD_OVERHEAD + burst->text[i].size, burst->sealed[i]);
	}
}

/** Put the fields of a burst into lanes; the ciphertext is in raw, where decode has put it. */
INLINE void fill_sealed(
	struct lanes_scratch *s,
	const struct open_burst *burst,
	const uint16_t rows[],
	uint32_t count,
	const size_t text_size[]
)
{
	struct lanes_batch *b = &s->batch;
	UNINITIALIZED struct lanes_input in;

	for (uint32_t lane = 0; lane < GROUPS * VEC_LANES; lane++) {
		uint32_t from = lane < count ? lane : 0;
		const struct field_path *path = burst->path[rows[from]];

		b->key[lane] = burst->field_key[rows[from]];
		b->mac_key[lane] = NULL;
		in.head[lane] = view_of(NULL, 0);
		in.aad[lane] = view_of(field_path_bytes(path), path->size);
		in.text[lane] = view_of(s->raw[from] + TEXT_AT, text_size[from]);
		memcpy(b->iv.lane[lane], s->raw[from] + IV_AT, FIELD_IV_SIZE);
	}
	fill_batch(b, &in, count, false, true);
}

/** Whether a tag is the right one, in a time that does not depend on where they differ. */
INLINE bool is_tag(const uint8_t *tag, const uint8_t *right)
{
	__m128i equal = _mm_cmpeq_epi8(
		_mm_loadu_si128((const __m128i *)tag), _mm_loadu_si128((const __m128i *)right)
	);

	return _mm_movemask_epi8(equal) == 0xffff;
}

static void open_fields(
	struct lanes_scratch *s,
	struct open_burst *burst,
	const uint16_t rows[],
	uint32_t count
)
{
	struct lanes_batch *b = &s->batch;
	bool is_framed[LANES_WIDTH_MAX];
	size_t size[LANES_WIDTH_MAX];

	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];
		uint8_t *raw = s->raw[lane];

		(void)lanes_text_size(burst->sealed[i], &size[lane]);
		// What is framed wrongly goes through the lane all the same, and then fails.
		is_framed[lane] =
			base64_decode(burst->sealed[i], raw) == FIELD_OVERHEAD + size[lane];
		is_framed[lane] &= has_prefix(raw, burst->key_id[i]);
	}
	fill_sealed(s, burst, rows, count, size);
	open(b);
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];
		bool is_right = is_tag(s->raw[lane] + TEXT_AT + size[lane], b->tag.lane[lane]);

		burst->is_opened[i] = is_framed[lane] && is_right;
		burst->text_size[i] = burst->is_opened[i] ? (uint32_t)size[lane] : 0;
		if (burst->is_opened[i])
			text(b, lane, size[lane], burst->text[i]);
		else
			memset(burst->text[i], 0, field_text_size_max(burst->sealed[i].size));
	}
}
