#pragma once

#include "dataplane/pipeline/json_parse.h"
#include "dataplane/pipeline/json_token.h"
#include "dataplane/pipeline/json_tree.h"

#include <stdbool.h>
#include <stdint.h>

// The short way of the JSON parser, for what machines write: one event after another with the same members
// in the same order, no nesting, no white space. The last such event's names are remembered as a shape. Of
// the next event only the quotes are located (the outline), and then everything is verified against the
// shape: the bytes of every name with the comma before it and the colon behind, that every value is one
// whole token, that nothing is between these, escapes, UTF-8, control characters. The shape is a guess that
// is never believed: what does not fit it, be it another kind of event or no JSON at all, takes the long way
// (json.c), which also finds the reasons.
//
// Why quotes suffice: a remembered name has neither quotes nor backslashes, so where its bytes stand the
// outline's next two quotes are its own. A value begins behind the colon. Either a quote is there, then it
// is a string and ends at the quote after that; or there is none up to the next member, and then all of it
// has to be a literal or number. A literal that stood there in the remembered event is compared along with the
// name, which spares a closer look at it. White space or brackets between tokens would make one of these wrong.

enum {
	JSON_SHAPE_SIZE_MAX = 64 * JSON_BLOCK, // bytes of an event: a bit a block
	JSON_OUTLINE_REST = 5                  // entries behind the last quote that are looked at
};

/** Where the quotes of an event are. */
struct json_outline {
	uint32_t *quote; // [count + JSON_OUTLINE_REST] unescaped quotes, ascending
	uint32_t count;
	bool has_backslash;
};

/**
 * Verify an event by the shape and put down its cells. Fills cells, cell_count and role_cell.
 *
 * @param p      whose tree has a shape, and cells are set
 * @param quotes [JSON_INDEX_CAPACITY] room for the outline
 * @param text   up to JSON_SHAPE_SIZE_MAX bytes, BATCH_FRAME_PADDING readable bytes behind
 * @return false: it does not fit; nothing is known of it then
 */
typedef bool (*json_shape_fn)(struct json_parse *p, struct view text, uint32_t *quotes);

bool json_shape_avx2(struct json_parse *p, struct view text, uint32_t *quotes);
bool json_shape_avx512(struct json_parse *p, struct view text, uint32_t *quotes);

/** Is the short way worth a try for the next event? Asked once an event. */
bool json_shape_is_due(struct json_shape *shape, size_t text_size);

/** Put down how a try ended. */
void json_shape_note(struct json_shape *shape, bool has_fitted);

/** Take the shape of an event that went the long way and is valid; one without a shape is passed over. */
void json_shape_learn(struct json_tree *tree, const uint8_t *text, const struct json_index *index);

/** What is left to do for a text that fits: escapes, and what is the same for all events of the shape. */
bool json_shape_finish(struct json_parse *p, struct view text, bool has_backslash);
