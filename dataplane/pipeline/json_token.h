#pragma once

#include "dataplane/pipeline/batch.h"
#include "io/base/attr.h"

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// The tokens of JSON between two structural characters. Offsets are from the text's first byte.

enum {
	JSON_NO_TOKEN = CELL_OBJECT + 1 // beside enum cell_kind
};

static inline bool json_is_space(uint8_t c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/** First byte from at on that is no white space; the caller knows that there is one. */
static inline uint32_t json_skip_space(const uint8_t *text, uint32_t at)
{
	while (unlikely(text[at] <= ' ') && json_is_space(text[at]))
		at++;
	return at;
}

/** The same backwards: past the last byte before end that is no white space. */
static inline uint32_t json_trim_space(const uint8_t *text, uint32_t end)
{
	while (unlikely(text[end - 1] <= ' ') && json_is_space(text[end - 1]))
		end--;
	return end;
}

/** Is text[start, end) a number by RFC 8259? */
bool json_is_number(const uint8_t *text, uint32_t start, uint32_t end);

/**
 * First fault in the escapes of a text whose backslashes all lie inside closed strings.
 *
 * @return DROP_NONE, DROP_SYNTAX or DROP_SURROGATE
 */
enum drop_reason json_check_escapes(struct view text);

static inline bool json_has_backslash(const uint8_t *text, uint32_t start, uint32_t end)
{
	return memchr(text + start, '\\', end - start) != NULL;
}

/** Is text[start, end) a number? Nearly all are short whole numbers: one comparison for all digits. */
static inline bool json_is_number_fast(const uint8_t *text, uint32_t start, uint32_t end)
{
	uint32_t size = end - start;
	uint32_t sign = text[start] == '-';
	__m128i values;
	uint32_t digits;
	uint32_t wanted;

	if (unlikely(size > 16))
		return json_is_number(text, start, end);
	// The load may reach into the padding.
	values = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(text + start)), _mm_set1_epi8('0'));
	digits = (uint32_t
	)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values));
	wanted = ((1u << size) - 1) & ~sign;
	if (likely((digits & wanted) == wanted && size > sign
		   && (text[start + sign] != '0' || size == 1 + sign)))
		return true;
	return json_is_number(text, start, end);
}

/** What a token has to be, by the kind that its first byte tells; numbers are looked at otherwise. */
struct json_form {
	uint64_t tail; // last four bytes, and above them the token's size
	uint64_t mask; // 0: anything goes (a string: stage 1 has checked it)
};

extern const struct json_form
	json_forms[CELL_OBJECT + 2];        // row 0: no token; others: 1 + enum cell_kind
extern const uint8_t json_first_bytes[256]; // row of json_forms

/**
 * Kind of the token text[start, end), which is not empty and no container. Without a branch on the kind, numbers left out: which of two literals comes is anyone's guess, the
 * branch predictor's too.
 */
static inline unsigned json_token_kind(const uint8_t *text, uint32_t start, uint32_t end)
{
	unsigned row = json_first_bytes[text[start]];
	const struct json_form *form = &json_forms[row];
	uint32_t word;

	if (row == 1 + CELL_NUMBER)
		return json_is_number_fast(text, start, end) ? CELL_NUMBER : JSON_NO_TOKEN;
	memcpy(&word, text + start + (text[start] == 'f'), sizeof(word)); // the one of five letters
	if (unlikely((((word | (uint64_t)(end - start) << 32) ^ form->tail) & form->mask) != 0))
		return JSON_NO_TOKEN;
	return row - 1;
}
