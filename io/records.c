#include "io/records.h"

#include "io/base/attr.h"

#include <immintrin.h>
#include <stdatomic.h>
#include <string.h>

// Implementation notes. CSV text is looked at in words of 64 bytes. Per word there are three masks,
// made by the CPU's best code: quote, delimiter, LF. The parity of the quotes up to each byte (a
// prefix xor) tells what is quoted, provided that every opening quote begins a field:
//
//      text     a,"b,""c",d        parity says: quoted from an odd quote to the next even one;
//      opening    ^   ^            before it must be a delimiter, LF or a closing quote
//      closing       ^   ^
//
// A word where that does not hold (a stray quote, as in `5" nail`) is gone over byte by byte by
// step().

enum {
	WORD = 64,
	BATCH_WORDS = 8 // masks made per call
};

struct masks {
	uint64_t quote;
	uint64_t delimiter;
	uint64_t lf;
};

/** Masks of words words of text. */
typedef void (*mask_fn)(const uint8_t *text, size_t words, uint8_t delimiter, struct masks masks[]);

typedef uint64_t (*count_fn)(const uint8_t *text, size_t size);

static void mask_scalar(const uint8_t *text, size_t words, uint8_t delimiter, struct masks masks[])
{
	for (size_t w = 0; w < words; w++, text += WORD) {
		struct masks m = {0};

		for (unsigned i = 0; i < WORD; i++) {
			m.quote |= (uint64_t)(text[i] == '"') << i;
			m.delimiter |= (uint64_t)(text[i] == delimiter) << i;
			m.lf |= (uint64_t)(text[i] == '\n') << i;
		}
		masks[w] = m;
	}
}

static uint64_t count_scalar(const uint8_t *text, size_t size)
{
	uint64_t count = 0;

	for (size_t i = 0; i < size; i++)
		count += text[i] == '\n';
	return count;
}

__attribute__((target("avx2"))) static uint64_t equal_avx2(__m256i low, __m256i high, uint8_t byte)
{
	__m256i wanted = _mm256_set1_epi8((char)byte);
	uint32_t a = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted));
	uint32_t b = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted));

	return a | (uint64_t)b << 32;
}

__attribute__((target("avx2"))) static void mask_avx2(
	const uint8_t *text,
	size_t words,
	uint8_t delimiter,
	struct masks masks[]
)
{
	for (size_t w = 0; w < words; w++, text += WORD) {
		__m256i low = _mm256_loadu_si256((const __m256i *)text);
		__m256i high = _mm256_loadu_si256((const __m256i *)(text + 32));

		masks[w].quote = equal_avx2(low, high, '"');
		masks[w].delimiter = equal_avx2(low, high, delimiter);
		masks[w].lf = equal_avx2(low, high, '\n');
	}
}

__attribute__((target("avx2,popcnt"))) static uint64_t count_avx2(const uint8_t *text, size_t size)
{
	uint64_t count = 0;
	size_t i = 0;

	for (; i + WORD <= size; i += WORD) {
		__m256i low = _mm256_loadu_si256((const __m256i *)(text + i));
		__m256i high = _mm256_loadu_si256((const __m256i *)(text + i + 32));

		count += (uint64_t)__builtin_popcountll(equal_avx2(low, high, '\n'));
	}
	return count + count_scalar(text + i, size - i);
}

__attribute__((target("avx512f,avx512bw"))) static void mask_avx512(
	const uint8_t *text,
	size_t words,
	uint8_t delimiter,
	struct masks masks[]
)
{
	for (size_t w = 0; w < words; w++, text += WORD) {
		__m512i word = _mm512_loadu_si512(text);

		masks[w].quote = _mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8('"'));
		masks[w].delimiter =
			_mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8((char)delimiter));
		masks[w].lf = _mm512_cmpeq_epi8_mask(word, _mm512_set1_epi8('\n'));
	}
}

__attribute__((target("avx512f,avx512bw,popcnt"))) static uint64_t count_avx512(
	const uint8_t *text,
	size_t size
)
{
	__m512i lf = _mm512_set1_epi8('\n');
	uint64_t count = 0;
	size_t i = 0;

	for (; i + WORD <= size; i += WORD)
		count += (uint64_t
		)__builtin_popcountll(_mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text + i), lf));
	return count + count_scalar(text + i, size - i);
}

static const struct level {
	mask_fn mask;
	count_fn count;
} levels[RECORDS_LEVEL_COUNT] = {
	[RECORDS_SCALAR] = {mask_scalar, count_scalar},
	[RECORDS_AVX2] = {mask_avx2, count_avx2},
	[RECORDS_AVX512] = {mask_avx512, count_avx512},
};

// The level in use; every thread that finds it unset comes to the same choice.
static _Atomic(const struct level *) chosen;

/** What the CPU has and the system saves (the compiler's run time looks at xgetbv too). */
static bool has_level(enum records_level level)
{
	switch (level) {
	case RECORDS_SCALAR:
		return true;
	case RECORDS_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
	case RECORDS_AVX512:
		return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("popcnt");
	case RECORDS_LEVEL_COUNT:
	default:
		return false;
	}
}

bool records_use_level(enum records_level level)
{
	if (!has_level(level))
		return false;
	atomic_store_explicit(&chosen, &levels[level], memory_order_relaxed);
	return true;
}

static const struct level *level_in_use(void)
{
	const struct level *level = atomic_load_explicit(&chosen, memory_order_relaxed);

	if (likely(level != NULL))
		return level;
	for (int i = RECORDS_LEVEL_COUNT - 1; !records_use_level((enum records_level)i); i--)
		;
	return atomic_load_explicit(&chosen, memory_order_relaxed);
}

/** One byte of CSV; true when it ends a record. */
static bool step(struct records *r, uint8_t byte)
{
	if (r->state == RECORDS_QUOTED) {
		if (byte == '"')
			r->state = RECORDS_AFTER_QUOTE;
		return false;
	}
	if (byte == '"' && r->state != RECORDS_IN_FIELD) {
		r->state = RECORDS_QUOTED;
		return false;
	}
	r->state = byte == r->delimiter || byte == '\n' ? RECORDS_FIELD_START : RECORDS_IN_FIELD;
	return byte == '\n';
}

static uint64_t step_word(struct records *r, const uint8_t *text, size_t size)
{
	uint64_t ends = 0;

	for (size_t i = 0; i < size; i++)
		ends |= (uint64_t)step(r, text[i]) << i;
	return ends;
}

static uint64_t prefix_xor(uint64_t x)
{
	for (unsigned n = 1; n < WORD; n *= 2)
		x ^= x << n;
	return x;
}

/** Mask of the record ends of a word of size bytes, 1..64. */
static uint64_t scan_word(
	struct records *r,
	const struct masks *m,
	const uint8_t *text,
	size_t size
)
{
	uint64_t valid = UINT64_MAX >> (WORD - size);
	uint64_t top = 1ull << (size - 1);
	uint64_t quote = m->quote & valid;
	uint64_t was_quoted = r->state == RECORDS_QUOTED;
	uint64_t was_closed = r->state == RECORDS_AFTER_QUOTE;
	uint64_t was_start = r->state == RECORDS_FIELD_START;
	uint64_t quoted = prefix_xor(quote) ^ -was_quoted;
	uint64_t closing = quote & ~quoted;
	uint64_t starts = (m->delimiter | m->lf) & ~quoted & valid;
	uint64_t may_open = (starts | closing) << 1 | was_start | was_closed;

	if (unlikely((quote & quoted & ~may_open) != 0))
		return step_word(r, text, size);
	if (quoted & top)
		r->state = RECORDS_QUOTED;
	else if (closing & top)
		r->state = RECORDS_AFTER_QUOTE;
	else
		r->state = starts & top ? RECORDS_FIELD_START : RECORDS_IN_FIELD;
	return m->lf & ~quoted & valid;
}

static void add_ends(struct record_ends *ret, uint64_t ends, size_t at)
{
	if (ends == 0)
		return;
	if (ret->count == 0)
		ret->first = at + (size_t)__builtin_ctzll(ends);
	ret->last = at + WORD - 1 - (size_t)__builtin_clzll(ends);
	for (; ends != 0; ends &= ends - 1)
		ret->count++;
}

static struct record_ends scan_lines(const uint8_t *text, size_t size)
{
	const uint8_t *last = size == 0 ? NULL : memrchr(text, '\n', size);

	if (last == NULL)
		return (struct record_ends){0};
	return (struct record_ends){
		.count = level_in_use()->count(text, size),
		.first = (size_t)((const uint8_t *)memchr(text, '\n', size) - text),
		.last = (size_t)(last - text),
	};
}

struct record_ends records_scan(struct records *r, const uint8_t *text, size_t size)
{
	struct record_ends ret = {0};
	mask_fn mask = level_in_use()->mask;
	struct masks masks[BATCH_WORDS];

	if (!r->is_csv)
		return scan_lines(text, size);
	for (size_t at = 0; at < size;) {
		size_t words = (size - at + WORD - 1) / WORD;

		words = words < BATCH_WORDS ? words : BATCH_WORDS;
		mask(text + at, words, r->delimiter, masks);
		for (size_t w = 0; w < words; w++, at += WORD) {
			size_t left = size - at < WORD ? size - at : WORD;

			add_ends(&ret, scan_word(r, &masks[w], text + at, left), at);
		}
	}
	return ret;
}

size_t records_find_end(const struct records *records, const uint8_t *text, size_t size)
{
	struct records r = {.is_csv = true, .delimiter = records->delimiter};
	mask_fn mask = level_in_use()->mask;
	struct masks masks[BATCH_WORDS / 4];

	if (!records->is_csv) {
		const uint8_t *end = size == 0 ? NULL : memchr(text, '\n', size);

		return end == NULL ? size : (size_t)(end - text);
	}
	for (size_t at = 0; at < size;) {
		size_t words = (size - at + WORD - 1) / WORD;

		words = words < BATCH_WORDS / 4 ? words : BATCH_WORDS / 4;
		mask(text + at, words, r.delimiter, masks);
		for (size_t w = 0; w < words; w++, at += WORD) {
			size_t left = size - at < WORD ? size - at : WORD;
			uint64_t ends = scan_word(&r, &masks[w], text + at, left);

			if (ends != 0)
				return at + (size_t)__builtin_ctzll(ends);
		}
	}
	return size;
}
