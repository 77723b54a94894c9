#pragma once

#include "dataplane/pipeline/json_index.h"
#include "dataplane/pipeline/json_tree.h"

#include <stdbool.h>
#include <stdint.h>

// Stage 2 of the JSON parser: from one structural character to the next, with a stack of its own.

enum {
	JSON_NO_CELL = UINT32_MAX
};

/** An array or object that is open. */
struct json_frame {
	uint32_t cell;  // of the row: ends where this ends; JSON_NO_CELL = none
	uint16_t node;  // whose children are looked for in it; JSON_NODE_NONE = it is passed over
	uint8_t closer; // } or ]
};

struct json_parse {
	const uint8_t *text;
	const uint32_t *at;     // index entry: the op before the next member or item
	const uint32_t *last;   // index entry: the last op of the text
	struct json_tree *tree; // NULL = only check the text
	struct cell *cells;     // [EVENT_CELLS_MAX] of the row
	uint32_t cell_count;
	uint32_t role_cell[JSON_ROLE_COUNT]; // of the row, or JSON_NO_CELL
	bool has_backslash;
	bool is_compact;                // no white space outside strings
	struct json_guess *guess;       // for the next member that the tree is asked for
	struct json_guess *guess_limit; // never fits

	enum drop_reason reason; // why the walk ended early
	uint16_t reason_field;

	uint32_t depth; // frames in use
	struct json_frame frame[EVENT_DEPTH_MAX];
	uint64_t seen[EVENT_DEPTH_MAX]
		     [CONTRACT_NODES_MAX / 64]; // bit n: child n of the frame's node stood here
};

/**
 * Walk an indexed text whose escapes are valid. Fills cells, cell_count and role_cell.
 *
 * @param tree NULL: check the grammar only, any value at the top; else the top has to be an object
 * @return DROP_NONE or why not; reason_field beside it
 */
enum drop_reason json_parse_text(
	struct json_parse *p,
	struct view text,
	const struct json_index *index,
	struct json_tree *tree,
	struct cell *cells
);
