#include "dataplane/pipeline/json_block.h"
#include "dataplane/pipeline/json_shape_walk.h"
#include "dataplane/pipeline/json_utf8.h"

#include <immintrin.h>

// Stage 1 in AVX2 and PCLMULQDQ: a block is two registers.

/** Byte i of keep[32 - n ..] is all ones for i < n: masks the tail of a text. */
static const uint8_t keep[64] = {[0 ... 31] = 0xff};

struct utf8_state {
	__m256i last;       // the register before
	__m256i incomplete; // non-zero: it ended inside a character
	__m256i faults;
};

static inline uint64_t mask_pair(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low)
		| (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

/** Two registers of a text of which left bytes, from 0, are left. */
struct pair {
	__m256i low;
	__m256i high;
};

static inline __m256i load_tail(const uint8_t *text, uint32_t left)
{
	__m256i mask;

	if (left == 0)
		return _mm256_set1_epi8(' ');
	mask = _mm256_loadu_si256((const __m256i *)(keep + 32 - (left < 32 ? left : 32)));
	return _mm256_blendv_epi8(
		_mm256_set1_epi8(' '), _mm256_loadu_si256((const __m256i *)text), mask
	);
}

static inline struct pair load_pair(const uint8_t *text, uint32_t left)
{
	if (likely(left >= JSON_BLOCK))
		return (struct pair){
			_mm256_loadu_si256((const __m256i *)text),
			_mm256_loadu_si256((const __m256i *)(text + 32)),
		};
	return (struct pair){
		load_tail(text, left),
		load_tail(text + 32, left < 32 ? 0 : left - 32),
	};
}

static inline __m256i equal(__m256i bytes, char byte)
{
	return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte));
}

static inline __m256i find_spaces(__m256i bytes)
{
	const __m256i table = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(' ', -1, -1, -1, -1, -1, -1, -1, -1, '\t', '\n', -1, -1, '\r', -1, -1)
	);

	return _mm256_cmpeq_epi8(_mm256_shuffle_epi8(table, bytes), bytes);
}

/** `{ } [ ] : ,`, and two control characters that the caller takes out. */
static inline __m256i find_ops(__m256i bytes)
{
	const __m256i table = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, ':', '{', ',', '}', -1, -1)
	);

	return _mm256_cmpeq_epi8(
		_mm256_shuffle_epi8(table, bytes), _mm256_or_si256(bytes, _mm256_set1_epi8(0x20))
	);
}

static inline __m256i find_controls(__m256i bytes)
{
	return _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
}

static inline struct json_bits classify(__m256i low, __m256i high)
{
	uint64_t control = mask_pair(find_controls(low), find_controls(high));

	return (struct json_bits){
		.quote = mask_pair(equal(low, '"'), equal(high, '"')),
		.backslash = mask_pair(equal(low, '\\'), equal(high, '\\')),
		.op = mask_pair(find_ops(low), find_ops(high)) & ~control,
		.space = mask_pair(find_spaces(low), find_spaces(high)),
		.control = control,
	};
}

static inline uint64_t prefix_xor(uint64_t bits)
{
	__m128i product =
		_mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)bits), _mm_set1_epi8(-1), 0);

	return (uint64_t)_mm_cvtsi128_si64(product);
}

static inline __m256i high_nibble(__m256i bytes)
{
	return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
}

static inline __m256i look_up(__m128i table, __m256i nibbles)
{
	return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles);
}

static inline void check_utf8(struct utf8_state *s, __m256i bytes)
{
	const __m128i first_high = _mm_setr_epi8(UTF8_FIRST_HIGH);
	const __m128i first_low = _mm_setr_epi8(UTF8_FIRST_LOW);
	const __m128i second_high = _mm_setr_epi8(UTF8_SECOND_HIGH);
	__m256i seam = _mm256_permute2x128_si256(s->last, bytes, 0x21);
	__m256i back1 = _mm256_alignr_epi8(bytes, seam, 15);
	__m256i back2 = _mm256_alignr_epi8(bytes, seam, 14);
	__m256i back3 = _mm256_alignr_epi8(bytes, seam, 13);
	__m256i pairs = _mm256_and_si256(
		_mm256_and_si256(
			look_up(first_high, high_nibble(back1)),
			look_up(first_low, _mm256_and_si256(back1, _mm256_set1_epi8(0x0f)))
		),
		look_up(second_high, high_nibble(bytes))
	);
	// Third and fourth bytes have to be continuations: bit 7 is set where a lead asks for one.
	__m256i asked = _mm256_or_si256(
		_mm256_subs_epu8(back2, _mm256_set1_epi8((char)(0xe0 - 0x80))),
		_mm256_subs_epu8(back3, _mm256_set1_epi8((char)(0xf0 - 0x80)))
	);

	asked = _mm256_and_si256(asked, _mm256_set1_epi8((char)0x80));
	s->faults = _mm256_or_si256(s->faults, _mm256_xor_si256(asked, pairs));
}

/** A register that ends in a lead byte, or one or two bytes after a long one. */
static inline __m256i find_incomplete(__m256i bytes)
{
	const __m256i limit = _mm256_set_epi64x((long long)0xbfdfefffffffffff, -1, -1, -1);

	return _mm256_subs_epu8(bytes, limit);
}

static inline void utf8_block(struct utf8_state *s, __m256i low, __m256i high)
{
	if (_mm256_movemask_epi8(_mm256_or_si256(low, high)) == 0) {
		s->faults = _mm256_or_si256(s->faults, s->incomplete);
		s->incomplete = _mm256_setzero_si256();
		s->last = high;
		return;
	}
	check_utf8(s, low);
	s->last = low;
	check_utf8(s, high);
	s->last = high;
	s->incomplete = find_incomplete(high);
}

static inline uint32_t *put_ops(uint32_t *next, uint64_t ops, uint32_t base)
{
	uint32_t count = (uint32_t)__builtin_popcountll(ops);
	uint32_t *end = next + count;

	// Eight at a time, wanted or not: the count's branch is then nearly always the same.
	do {
		for (unsigned i = 0; i < 8; i++) {
			next[i] = base + (uint32_t)_tzcnt_u64(ops);
			ops = _blsr_u64(ops);
		}
		next += 8;
	} while (__builtin_expect(next < end, 0));
	return end;
}

void json_index_avx2(const uint8_t *text, uint32_t size, struct json_index *ret_index)
{
	struct json_carry carry = json_carry_start();
	struct utf8_state utf8 = {0};
	uint32_t *next = ret_index->at;

	for (uint32_t at = 0; at < size; at += JSON_BLOCK) {
		struct pair bytes = load_pair(text + at, size - at);
		struct json_bits bits = classify(bytes.low, bytes.high);
		uint64_t quotes = json_quotes(&bits, &carry);

		next = put_ops(next, json_ops(&bits, quotes, prefix_xor(quotes), &carry), at);
		utf8_block(&utf8, bytes.low, bytes.high);
	}
	utf8.faults = _mm256_or_si256(utf8.faults, utf8.incomplete);
	ret_index->count = (uint32_t)(next - ret_index->at);
	ret_index->is_utf8 = _mm256_testz_si256(utf8.faults, utf8.faults) != 0;
	json_carry_end(&carry, size, ret_index);
}

/**
 * Check the blocks of a text, one a bit, that have anything but ASCII or follow such bytes. The text ends with a brace:
 * no character goes on behind it.
 */
static bool is_utf8_in(const uint8_t *text, uint32_t size, uint64_t blocks)
{
	struct utf8_state utf8 = {.faults = _mm256_setzero_si256()};

	for (; blocks != 0; blocks = _blsr_u64(blocks)) {
		uint32_t at = (uint32_t)_tzcnt_u64(blocks) * JSON_BLOCK;
		struct pair bytes = load_pair(text + at, size - at);

		utf8.last = at == 0 ? _mm256_setzero_si256()
				    : _mm256_loadu_si256((const __m256i *)(text + at - 32));
		check_utf8(&utf8, bytes.low);
		utf8.last = bytes.low;
		check_utf8(&utf8, bytes.high);
	}
	return _mm256_testz_si256(utf8.faults, utf8.faults) != 0;
}

bool json_shape_avx2(struct json_parse *p, struct view text, uint32_t *quotes)
{
	uint32_t size = (uint32_t)text.size;
	struct json_outline outline = {.quote = quotes};
	struct json_carry carry = json_carry_start();
	__m256i least = _mm256_set1_epi8(-1);
	uint32_t *next = quotes;
	uint64_t foreign = 0; // bit n: block n may hold bytes of a character that is not ASCII
	uint64_t foreign_tail = 0;
	uint32_t at = 0;

	for (uint64_t block = 1; at < size; at += JSON_BLOCK, block <<= 1) {
		struct pair bytes = load_pair(text.bytes + at, size - at);
		uint64_t high = mask_pair(bytes.low, bytes.high);
		struct json_bits bits = {
			.quote = mask_pair(equal(bytes.low, '"'), equal(bytes.high, '"')),
			.backslash = mask_pair(equal(bytes.low, '\\'), equal(bytes.high, '\\')),
		};

		least = _mm256_min_epu8(least, _mm256_min_epu8(bytes.low, bytes.high));
		next = put_ops(next, json_quotes(&bits, &carry), at);
		foreign |= (high | foreign_tail) != 0 ? block : 0;
		foreign_tail = high >> (JSON_BLOCK - 3);
	}
	outline.count = (uint32_t)(next - quotes);
	json_outline_end(&outline, size);
	return json_shape_walk(p, text.bytes, size, &outline)
		&& _mm256_movemask_epi8(find_controls(least)) == 0
		&& (foreign == 0 || is_utf8_in(text.bytes, size, foreign))
		&& json_shape_finish(p, text, carry.backslash != 0);
}
