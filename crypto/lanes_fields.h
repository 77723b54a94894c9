// Part of the body of lanes_avx512.c, lanes_avx2.c and lanes_sse.c (see lanes_body.h): fields of a burst
// through a batch, and their form outside (field.h): Tink's prefix, IV, ciphertext, tag, in base64. All that
// is public: branches are fine there.

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
}

INLINE struct lanes_message seal_message(const struct seal_burst *burst, uint32_t row)
{
	const struct field_path *path = burst->path[row];

	return (struct lanes_message){
		.key = burst->field_key[row],
		.mac_key = burst->iv_key[row],
		.head = view_of(path->block, (size_t)path->block_count * 16),
		.aad = view_of(field_path_bytes(path), path->size),
		.text = burst->text[row],
	};
}

static void seal_fields(
	struct lanes_scratch *s,
	struct seal_burst *burst,
	const uint16_t rows[],
	uint32_t count,
	bool is_random
)
{
	struct lanes_batch *b = &s->batch;

	begin_batch(b, count);
	for (uint32_t lane = 0; lane < count; lane++) {
		struct lanes_message m = seal_message(burst, rows[lane]);

		make_room(b, &m);
	}
	for (uint32_t lane = 0; lane < count; lane++) {
		struct lanes_message m = seal_message(burst, rows[lane]);

		fill_lane(b, lane, &m);
		if (is_random)
			memcpy(b->iv.lane[lane], s->iv[rows[lane]], FIELD_IV_SIZE);
	}
	finish_batch(b);
	if (!is_random)
		mac(b);
	seal(b);
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];

		frame_field(s, lane, burst->key_id[i], burst->text[i].size);
	}
	// A loop of its own: wide loads of what has just been stored in pieces would wait for the stores.
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];

		base64_encode(
			view_of(s->raw[lane], FIELD_OVERHEAD + burst->text[i].size),
			burst->sealed[i]
		);
	}
}

/** What an open burst asks of a lane; the ciphertext is in raw, where decode has put it. */
INLINE struct lanes_message open_message(
	const struct open_burst *burst,
	uint32_t row,
	const uint8_t *raw
)
{
	const struct field_path *path = burst->path[row];
	size_t size = 0;

	(void)lanes_text_size(burst->sealed[row], &size);
	return (struct lanes_message){
		.key = burst->field_key[row],
		.aad = view_of(field_path_bytes(path), path->size),
		.text = view_of(raw + TEXT_AT, size),
	};
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

	begin_batch(b, count);
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];
		uint8_t *raw = s->raw[lane];
		struct lanes_message m = open_message(burst, i, raw);

		// What is framed wrongly goes through the lane all the same, and then fails.
		is_framed[lane] =
			base64_decode(burst->sealed[i], raw) == FIELD_OVERHEAD + m.text.size;
		is_framed[lane] &= has_prefix(raw, burst->key_id[i]);
		make_room(b, &m);
	}
	for (uint32_t lane = 0; lane < count; lane++) {
		struct lanes_message m = open_message(burst, rows[lane], s->raw[lane]);

		fill_lane(b, lane, &m);
		memcpy(b->iv.lane[lane], s->raw[lane] + IV_AT, FIELD_IV_SIZE);
	}
	finish_batch(b);
	open(b);
	for (uint32_t lane = 0; lane < count; lane++) {
		uint32_t i = rows[lane];
		struct lanes_message m = open_message(burst, i, s->raw[lane]);
		bool is_right = is_tag(m.text.bytes + m.text.size, b->tag.lane[lane]);

		burst->is_opened[i] = is_framed[lane] && is_right;
		burst->text_size[i] = burst->is_opened[i] ? (uint32_t)m.text.size : 0;
		if (burst->is_opened[i])
			text(b, lane, m.text.size, burst->text[i]);
		else
			memset(burst->text[i], 0, field_text_size_max(burst->sealed[i].size));
	}
}
