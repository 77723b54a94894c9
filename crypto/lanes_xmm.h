// Part of the vocabulary of lanes_avx2.c and lanes_sse.c: what goes 16 bytes at a time with SSSE3.

/** Up to sixteen bytes and zeros. Loads overlap, so that nothing beyond the bytes is read. */
INLINE __m128i load_part(const uint8_t *bytes, size_t size)
{
	uint64_t low = 0;
	uint64_t high = 0;
	uint32_t word[2];

	if (size == 16)
		return _mm_loadu_si128((const __m128i *)bytes);
	if (size >= 8) {
		memcpy(&low, bytes, 8);
		memcpy(&high, bytes + size - 8, 8);
		high = high >> 8 >> (8 * (15 - size));
	} else if (size >= 4) {
		memcpy(&word[0], bytes, 4);
		memcpy(&word[1], bytes + size - 4, 4);
		low = word[0] | (uint64_t)word[1] << (8 * (size - 4));
	} else if (size != 0) {
		low = bytes[0] | (uint64_t)bytes[size / 2] << (8 * (size / 2))
			| (uint64_t)bytes[size - 1] << (8 * (size - 1));
	}
	return _mm_set_epi64x((long long)high, (long long)low);
}

/** One to fifteen bytes. Stores overlap, so that nothing beyond the bytes is written. */
INLINE void copy_part(uint8_t *to, const uint8_t *from, size_t size)
{
	if (size >= 8) {
		memcpy(to, from, 8);
		memcpy(to + size - 8, from + size - 8, 8);
	} else if (size >= 4) {
		memcpy(to, from, 4);
		memcpy(to + size - 4, from + size - 4, 4);
	} else {
		to[0] = from[0];
		to[size / 2] = from[size / 2];
		to[size - 1] = from[size - 1];
	}
}

INLINE void encode_field(const uint8_t *raw, size_t size, uint8_t *ret_text)
{
	base64_encode(view_of(raw, size), ret_text);
}
