#pragma once

#include "dataplane/pipeline/json.h"

#include <stdbool.h>
#include <stdint.h>

// Stage 1 of the JSON parser: one pass over the text, 64 bytes at a time, that finds the structural
// characters outside strings (`{ } [ ] : ,`) and checks whatever can be checked without knowing the
// nesting: UTF-8, control characters, closed strings, and that between two neighbouring structural
// characters there is one token at the most. Stage 2 then only looks at what lies between two entries.
//
// Each level is one file that turns bytes into bits; json_block.h, which all share, turns bits into
// the answer, so that all levels give the same.

struct json_index {
	uint32_t *at; // [capacity] offsets of structural characters, ascending; owned by the parser
	uint32_t count;     // 0..EVENT_SIZE_MAX
	bool has_backslash; // any, anywhere
	bool is_compact;    // no white space outside strings
	bool is_utf8;       // the whole text is valid UTF-8
	bool is_regular;    // the checks above hold, UTF-8 left out
};

enum {
	JSON_BLOCK = 64, // bytes looked at in one step
	JSON_INDEX_CAPACITY =
		EVENT_SIZE_MAX + JSON_BLOCK // entries: a level may write a block's worth too far
};

/** Index a text of up to EVENT_SIZE_MAX bytes with BATCH_FRAME_PADDING readable bytes behind it. */
typedef void (*json_index_fn)(const uint8_t *text, uint32_t size, struct json_index *ret_index);

void json_index_scalar(const uint8_t *text, uint32_t size, struct json_index *ret_index);
void json_index_avx2(const uint8_t *text, uint32_t size, struct json_index *ret_index);
void json_index_avx512(const uint8_t *text, uint32_t size, struct json_index *ret_index);
