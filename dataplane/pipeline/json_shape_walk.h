#pragma once

#include "dataplane/pipeline/json_shape.h"

#include <immintrin.h>

// The walk along a shape, which the levels inline: it gains from their instructions. Needs AVX2.

/** Bits of the bytes at text that are the member's. */
static inline uint32_t json_shape_match(const struct json_member *member, const uint8_t *text)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(
		_mm256_loadu_si256((const __m256i *)member->text),
		_mm256_loadu_si256((const __m256i *)text)
	));
}

/** End of the outline: as if a member followed behind the text, and then nothing that any check lets pass. */
static inline void json_outline_end(struct json_outline *outline, uint32_t text_size)
{
	outline->quote[outline->count] = text_size;
	for (unsigned i = 1; i < JSON_OUTLINE_REST; i++)
		outline->quote[outline->count + i] = 1;
}

/** A value on the way. */
struct json_value {
	uint32_t start;
	uint32_t end;
	uint32_t kind; // enum cell_kind or JSON_NO_TOKEN
};

/** The value behind a name whose quotes are the first two; gives the next name's first quote. */
static inline __attribute__((always_inline)) const uint32_t *json_shape_value(
	const uint8_t *text,
	const uint32_t *quote,
	struct json_value *value
)
{
	if (quote[2] == value->start) {
		value->end = quote[3] + 1;
		value->kind = quote[4] == value->end + 1 ? CELL_STRING : JSON_NO_TOKEN;
		return quote + 4;
	}
	value->end = quote[2] - 1;
	value->kind = JSON_NO_TOKEN;
	if (likely(value->end > value->start))
		value->kind = json_token_kind(text, value->start, value->end);
	return quote + 2;
}

/** Walk an outline along the shape; false when the text is of another. */
static inline __attribute__((always_inline)) bool json_shape_walk(
	struct json_parse *p,
	const uint8_t *text,
	uint32_t text_size,
	const struct json_outline *outline
)
{
	const struct json_shape *shape = &p->tree->shape;
	const struct json_member *member = shape->member;
	const struct json_member *end_member = member + shape->count;
	const uint32_t *quote = outline->quote;
	struct cell *cell = p->cells;

	// From here on no third quote is where a name begins: without a literal, none is taken.
	if (quote[0] != 1 || outline->count < 2 || text[text_size - 1] != '}')
		return false;
	for (; member < end_member; member++) {
		uint32_t name = quote[0];
		uint32_t match = json_shape_match(member, text + name - 1);
		struct json_value value = {.start = name + member->value_start};

		if ((match | member->behind_value) == UINT32_MAX
		    && quote[2] == name + member->next_start) {
			value.end = quote[2] - 1;
			value.kind = member->kind;
			quote += 2;
		} else {
			if (unlikely((match | member->behind_name) != UINT32_MAX))
				return false;
			quote = json_shape_value(text, quote, &value);
			if (unlikely(value.kind == JSON_NO_TOKEN))
				return false;
		}
		if (member->is_wanted)
			*cell++ = (struct cell){
				.start = value.start,
				.end = value.end,
				.member_start = name & member->undeclared,
				.member_next = value.end & member->undeclared,
				.field = member->field,
				.kind = (uint8_t)value.kind,
				.flags = member->flags,
			};
	}
	return quote == outline->quote + outline->count;
}
