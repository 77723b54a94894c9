#pragma once

#include "dataplane/pipeline/json_index.h"

#include <stdbool.h>
#include <stdint.h>

// The arithmetic of stage 1 on the 64 bits of one block (bit n = byte n), shared by all levels.

/** What the bytes of a block are. Every class is exact: no level may take one byte for another. */
struct json_bits {
	uint64_t quote;     // "
	uint64_t backslash; // \ .
	uint64_t op;        // { } [ ] : ,
	uint64_t space;     // space, tab, line feed, carriage return
	uint64_t control;   // below 0x20, white space included
};

/** What a block hands on to the next. */
struct json_carry {
	uint64_t in_string;    // all ones: the next block begins inside a string
	uint64_t escape;       // 1: its first byte is escaped
	uint64_t after_op;     // 1: nothing but white space lies between it and the last op
	uint64_t after_scalar; // 1: the byte before it belongs to a number or literal
	uint64_t backslash;    // any so far
	uint64_t faults;       // non-zero: not JSON
	uint64_t space;        // any outside strings, the last block left out
	uint64_t last_space;   // of the last block, which may be filled up with spaces
};

/** The beginning of a text behaves as if an op went before. */
static inline struct json_carry json_carry_start(void)
{
	return (struct json_carry){.after_op = 1};
}

/** Bytes that a backslash makes ordinary: those after an odd run of backslashes. */
static inline uint64_t json_escaped(uint64_t backslash, struct json_carry *c)
{
	const uint64_t odd_bits = 0xaaaaaaaaaaaaaaaa;
	uint64_t starts = backslash & ~c->escape;
	// The subtraction's borrow runs through each series of backslashes; it ends on an odd bit
	// exactly when the series is odd, counted from where it starts.
	uint64_t codes = (((starts << 1) | odd_bits) - starts) ^ odd_bits;
	uint64_t escaped = codes ^ (backslash | c->escape);

	c->escape = (codes & backslash) >> 63;
	c->backslash |= backslash;
	return escaped;
}

/** Quotes that open or close a string. */
static inline uint64_t json_quotes(const struct json_bits *b, struct json_carry *c)
{
	if (__builtin_expect((b->backslash | c->escape) == 0, 1))
		return b->quote;
	return b->quote & ~json_escaped(b->backslash, c);
}

/**
 * Check a block and give its structural characters outside strings.
 *
 * @param quotes of json_quotes
 * @param prefix bit n = parity of quotes[0..n]
 */
static inline uint64_t json_ops(
	const struct json_bits *b,
	uint64_t quotes,
	uint64_t prefix,
	struct json_carry *c
)
{
	// Opening quotes count as inside, closing ones as outside.
	uint64_t inside = prefix ^ c->in_string;
	uint64_t op = b->op & ~inside;
	uint64_t space = b->space & ~inside;
	uint64_t scalar = ~(op | space | inside | quotes);
	uint64_t starts = (scalar & ~((scalar << 1) | c->after_scalar)) | (quotes & inside);
	// First byte after each op that is no white space: an addition carries through the run.
	uint64_t after_op = (op << 1) | c->after_op;
	uint64_t sum;
	bool run_goes_on = __builtin_add_overflow(after_op & space, space, &sum);
	uint64_t may_start = (after_op | sum) & ~space;

	c->faults |= (starts & ~may_start) | (b->control & inside) | (b->backslash & ~inside);
	c->space |= c->last_space;
	c->last_space = space;
	c->in_string = (uint64_t)((int64_t)inside >> 63);
	c->after_op = (op >> 63) | run_goes_on;
	c->after_scalar = scalar >> 63;
	return op;
}

static inline void json_carry_end(
	const struct json_carry *c,
	uint32_t size,
	struct json_index *ret_index
)
{
	uint32_t tail = size % JSON_BLOCK; // bytes of the last block; 0 = all
	uint64_t text = tail == 0 ? UINT64_MAX : ((uint64_t)1 << tail) - 1;

	ret_index->has_backslash = c->backslash != 0;
	ret_index->is_regular = (c->faults | c->in_string) == 0;
	ret_index->is_compact = (c->space | (c->last_space & text)) == 0;
}
