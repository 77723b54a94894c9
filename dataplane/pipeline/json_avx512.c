#include "dataplane/pipeline/json_block.h"
#include "dataplane/pipeline/json_shape_walk.h"
#include "dataplane/pipeline/json_utf8.h"

#include <immintrin.h>

// Stage 1 in AVX-512 (BW, VBMI2) and PCLMULQDQ: a block is one register.

static const uint8_t offsets_all[JSON_BLOCK] = {
	0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
	22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

struct utf8_state {
	__m512i last;       // the block before
	__m512i incomplete; // non-zero: it ended inside a character
	__m512i faults;
};

static inline struct json_bits classify(__m512i bytes)
{
	const __m512i spaces = _mm512_broadcast_i32x4(
		_mm_setr_epi8(' ', -1, -1, -1, -1, -1, -1, -1, -1, '\t', '\n', -1, -1, '\r', -1, -1)
	);
	const __m512i ops = _mm512_broadcast_i32x4(
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, ':', '{', ',', '}', -1, -1)
	);
	uint64_t control = _mm512_cmple_epu8_mask(bytes, _mm512_set1_epi8(0x1f));
	// Two control characters look like ops here.
	uint64_t op = _mm512_cmpeq_epi8_mask(
		_mm512_shuffle_epi8(ops, bytes), _mm512_or_si512(bytes, _mm512_set1_epi8(0x20))
	);

	return (struct json_bits){
		.quote = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
		.backslash = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')),
		.op = op & ~control,
		.space = _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(spaces, bytes), bytes),
		.control = control,
	};
}

static inline uint64_t prefix_xor(uint64_t bits)
{
	__m128i product =
		_mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8(-1), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

static inline __m512i high_nibble(__m512i bytes)
{
	return _mm512_and_si512(_mm512_srli_epi16(bytes, 4), _mm512_set1_epi8(0x0f));
}

static inline __m512i look_up(__m128i table, __m512i nibbles)
{
	return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), nibbles);
}

static inline void check_utf8(struct utf8_state *s, __m512i bytes)
{
	const __m128i first_high = _mm_setr_epi8(UTF8_FIRST_HIGH);
	const __m128i first_low = _mm_setr_epi8(UTF8_FIRST_LOW);
	const __m128i second_high = _mm_setr_epi8(UTF8_SECOND_HIGH);
	const __m512i shift_lanes = _mm512_setr_epi64(6, 7, 8, 9, 10, 11, 12, 13);
	__m512i seam = _mm512_permutex2var_epi64(s->last, shift_lanes, bytes);
	__m512i back1 = _mm512_alignr_epi8(bytes, seam, 15);
	__m512i back2 = _mm512_alignr_epi8(bytes, seam, 14);
	__m512i back3 = _mm512_alignr_epi8(bytes, seam, 13);
	__m512i pairs = _mm512_and_si512(
		_mm512_and_si512(
			look_up(first_high, high_nibble(back1)),
			look_up(first_low, _mm512_and_si512(back1, _mm512_set1_epi8(0x0f)))
		),
		look_up(second_high, high_nibble(bytes))
	);
	// Third and fourth bytes have to be continuations: bit 7 is set where a lead asks for one.
	__m512i asked = _mm512_or_si512(
		_mm512_subs_epu8(back2, _mm512_set1_epi8((char)(0xe0 - 0x80))),
		_mm512_subs_epu8(back3, _mm512_set1_epi8((char)(0xf0 - 0x80)))
	);

	asked = _mm512_and_si512(asked, _mm512_set1_epi8((char)0x80));
	s->faults = _mm512_or_si512(s->faults, _mm512_xor_si512(asked, pairs));
}

/** A block that ends in a lead byte, or one or two bytes after a long one. */
static inline __m512i find_incomplete(__m512i bytes)
{
	const __m512i limit =
		_mm512_set_epi64((int64_t)0xbfdfefffffffffff, -1, -1, -1, -1, -1, -1, -1);

	return _mm512_subs_epu8(bytes, limit);
}

/** No short cut for ASCII: a branch that fails for one block in ten costs more than the check. */
static inline void utf8_block(struct utf8_state *s, __m512i bytes)
{
	check_utf8(s, bytes);
	s->incomplete = find_incomplete(bytes);
	s->last = bytes;
}

static inline void put_16(uint32_t *next, __m128i offsets, uint32_t base)
{
	_mm512_storeu_si512(
		next, _mm512_add_epi32(_mm512_cvtepu8_epi32(offsets), _mm512_set1_epi32((int)base))
	);
}

static inline uint32_t *put_ops(uint32_t *next, uint64_t ops, uint32_t base)
{
	const __m512i iota = _mm512_loadu_si512(offsets_all);
	__m512i offsets = _mm512_maskz_compress_epi8(ops, iota);
	uint32_t count = (uint32_t)__builtin_popcountll(ops);

	put_16(next, _mm512_castsi512_si128(offsets), base);
	if (__builtin_expect(count > 16, 0)) {
		put_16(next + 16, _mm512_extracti32x4_epi32(offsets, 1), base);
		put_16(next + 32, _mm512_extracti32x4_epi32(offsets, 2), base);
		put_16(next + 48, _mm512_extracti32x4_epi32(offsets, 3), base);
	}
	return next + count;
}

/** A block of a text, filled up with spaces behind its end. */
static inline __m512i load_block(const uint8_t *text, uint32_t left)
{
	__mmask64 wanted = left >= JSON_BLOCK ? ~0ull : _bzhi_u64(~0ull, left);

	return _mm512_mask_loadu_epi8(_mm512_set1_epi8(' '), wanted, text);
}

void json_index_avx512(const uint8_t *text, uint32_t size, struct json_index *ret_index)
{
	struct json_carry carry = json_carry_start();
	struct utf8_state utf8 = {0};
	uint32_t *next = ret_index->at;

	for (uint32_t at = 0; at < size; at += JSON_BLOCK) {
		__m512i bytes = load_block(text + at, size - at);
		struct json_bits bits = classify(bytes);
		uint64_t quotes = json_quotes(&bits, &carry);

		next = put_ops(next, json_ops(&bits, quotes, prefix_xor(quotes), &carry), at);
		utf8_block(&utf8, bytes);
	}
	utf8.faults = _mm512_or_si512(utf8.faults, utf8.incomplete);
	ret_index->count = (uint32_t)(next - ret_index->at);
	ret_index->is_utf8 = _mm512_test_epi8_mask(utf8.faults, utf8.faults) == 0;
	json_carry_end(&carry, size, ret_index);
}

/**
 * Check the blocks of a text, one a bit, that have anything but ASCII or follow such bytes. The text ends with a brace:
 * no character goes on behind it.
 */
static bool is_utf8_in(const uint8_t *text, uint32_t size, uint64_t blocks)
{
	struct utf8_state utf8 = {0};

	for (; blocks != 0; blocks = _blsr_u64(blocks)) {
		uint32_t at = (uint32_t)_tzcnt_u64(blocks) * JSON_BLOCK;

		utf8.last = at == 0 ? _mm512_setzero_si512()
				    : _mm512_loadu_si512(text + at - JSON_BLOCK);
		check_utf8(&utf8, load_block(text + at, size - at));
	}
	return _mm512_test_epi8_mask(utf8.faults, utf8.faults) == 0;
}

bool json_shape_avx512(struct json_parse *p, struct view text, uint32_t *quotes)
{
	uint32_t size = (uint32_t)text.size;
	struct json_outline outline = {.quote = quotes};
	struct json_carry carry = json_carry_start();
	__m512i least = _mm512_set1_epi8(-1);
	uint32_t *next = quotes;
	uint64_t foreign = 0; // bit n: block n may hold bytes of a character that is not ASCII
	uint64_t foreign_tail = 0;
	uint32_t at = 0;

	for (uint64_t block = 1; at < size; at += JSON_BLOCK, block <<= 1) {
		__m512i bytes = load_block(text.bytes + at, size - at);
		uint64_t high = _mm512_movepi8_mask(bytes);
		struct json_bits bits = {
			.quote = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"')),
			.backslash = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\\')),
		};

		least = _mm512_min_epu8(least, bytes);
		next = put_ops(next, json_quotes(&bits, &carry), at);
		foreign |= (high | foreign_tail) != 0 ? block : 0;
		foreign_tail = high >> (JSON_BLOCK - 3);
	}
	outline.count = (uint32_t)(next - quotes);
	json_outline_end(&outline, size);
	return json_shape_walk(p, text.bytes, size, &outline)
		&& _mm512_cmplt_epu8_mask(least, _mm512_set1_epi8(' ')) == 0
		&& (foreign == 0 || is_utf8_in(text.bytes, size, foreign))
		&& json_shape_finish(p, text, carry.backslash != 0);
}
