#pragma once

#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/policy.h"

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// The policy's node tree as the parser walks it: which child a member's name stands for.

/** What a member or item is to the contract: a row of the nodes, or one of these. */
enum json_child {
	JSON_CHILD_META = 0xfffd,       // the name strmMeta at the top
	JSON_CHILD_UNDECLARED = 0xfffe, // not in the contract, and its rule wants to know
	JSON_CHILD_PASS = 0xffff        // nothing to say about it
};

enum json_role {
	JSON_ROLE_KEY,
	JSON_ROLE_SUBJECT,
	JSON_ROLE_TIME,
	JSON_ROLE_CONSENT,
	JSON_ROLE_COUNT
};

struct json_node {
	uint16_t field;       // POLICY_NONE = an intermediate step
	uint16_t first_field; // of the node and those below it
	uint16_t first_child;
	uint16_t child_count;
	uint16_t bit;              // row, counted from its parent's first child
	uint8_t roles;             // bit r = the field is that of enum json_role r
	bool is_each;              // its child stands for every item or member
	bool is_duplicate_refused; // twice in one object drops the event
};

enum {
	JSON_GUESS_COUNT = 64,   // members of an event that are guessed
	JSON_GUESS_SIZE = 32,    // bytes of `"name":`
	JSON_MEMO_COUNT = 128,   // a power of two
	JSON_MEMO_NAME_MAX = 16, // bytes: two words tell such a name wholly
	JSON_NAME_MAX = PATH_SIZE_MAX,
	JSON_NODE_NONE = 0xffff
};

/** The answer of an earlier look-up. A name is compared in full with the one that it was for. */
struct json_memo {
	uint64_t head; // first 8 bytes, zeros after its end
	uint64_t tail; // last 8 bytes; head again when there are fewer
	uint32_t size;
	uint16_t node;
	uint16_t child;
};

/** The n-th member of the last event: the next event's n-th is most often of that name. */
struct json_guess {
	uint8_t text[JSON_GUESS_SIZE]; // `"name":`, no escapes
	uint32_t rest;                 // bit n: byte n is behind it
	uint16_t node;
	uint16_t child;
};

enum {
	JSON_SHAPE_MEMBERS_MAX = 64,
	JSON_SHAPE_NAME_SIZE = 32 // bytes of `,"name":`, a literal behind it included
};

/** A member of a shape. */
struct json_member {
	// `,"name":`, the first one `{"name":`, no escapes; then its literal, if there is room
	uint8_t text[JSON_SHAPE_NAME_SIZE];
	uint32_t behind_name;  // bit n: byte n is behind the name
	uint32_t behind_value; // likewise behind the literal
	uint32_t value_start;  // from the name's opening quote to where its value begins
	uint32_t next_start;   // from there to the next name's, behind the literal; 0: it has none
	uint32_t undeclared;   // all ones: it is, and its cell has the member's offsets
	uint16_t field;        // of the cell, or POLICY_NONE
	uint8_t kind;          // enum cell_kind of the literal
	uint8_t flags;         // of the cell
	bool is_wanted;        // it has a cell
};

/** The members of the last flat event, all in their order: json_shape.h. */
struct json_shape {
	uint32_t count;                      // of members; 0 = nothing remembered
	uint32_t cell_count;                 // of an event of this shape
	uint32_t role_cell[JSON_ROLE_COUNT]; // likewise
	uint32_t skip;                       // events until the next try
	uint32_t skip_next;                  // events to skip when that fails
	struct json_member member[JSON_SHAPE_MEMBERS_MAX];
};

struct json_tree {
	const struct policy_image *image; // the policy that the rest was made for
	uint64_t checksum;                // of that image: an address may be used again
	uint32_t size;
	uint16_t unknown; // JSON_CHILD_UNDECLARED or JSON_CHILD_PASS
	struct json_node node[CONTRACT_NODES_MAX];
	struct json_memo memo[JSON_MEMO_COUNT];
	struct json_guess guess[JSON_GUESS_COUNT + 1]; // the last one never fits
	struct json_shape shape;
};

/** Make the tree that of a policy; does nothing when it is already. */
void json_tree_use(struct json_tree *tree, const struct policy *policy);

/** The child of a node that a name stands for, by comparing with all. The name is decoded. */
uint16_t json_tree_find(const struct json_tree *tree, uint16_t node, struct view name);

/** The same for a name with escapes, the bytes between its quotes. */
uint16_t json_tree_find_escaped(const struct json_tree *tree, uint16_t node, struct view inside);

/** Is text, of which JSON_GUESS_SIZE bytes are readable, a member of that node and name? */
static inline bool json_guess_fits(
	const struct json_guess *guess,
	uint16_t node,
	const uint8_t *text
)
{
	const __m128i *expected = (const __m128i *)guess->text;
	const __m128i *actual = (const __m128i *)text;
	__m128i low = _mm_cmpeq_epi8(_mm_loadu_si128(expected), _mm_loadu_si128(actual));
	__m128i high = _mm_cmpeq_epi8(_mm_loadu_si128(expected + 1), _mm_loadu_si128(actual + 1));
	uint32_t equal = (uint32_t)_mm_movemask_epi8(low) | (uint32_t)_mm_movemask_epi8(high) << 16;

	return (equal | guess->rest) == UINT32_MAX && guess->node == node;
}

/** Remember a member without escapes, `"name":`. */
static inline void json_guess_set(
	struct json_guess *guess,
	uint16_t node,
	uint16_t child,
	const uint8_t *text,
	uint32_t size
)
{
	// Not what follows the name: that is somebody's data.
	memset(guess->text, 0, JSON_GUESS_SIZE);
	memcpy(guess->text, text, size);
	guess->rest = UINT32_MAX << (size - 1) << 1;
	guess->node = node;
	guess->child = child;
}

/** json_tree_find for a name without escapes; 8 bytes behind it are readable. */
static inline uint16_t json_tree_child(
	struct json_tree *tree,
	uint16_t node,
	const uint8_t *name,
	uint32_t size
)
{
	uint64_t head;
	uint64_t tail;
	struct json_memo *memo;

	if (size > JSON_MEMO_NAME_MAX || size == 0)
		return json_tree_find(tree, node, view_of(name, size));
	memcpy(&head, name, sizeof(head));
	if (size < 8) {
		head &= ((uint64_t)1 << 8 * size) - 1;
		tail = head;
	} else {
		memcpy(&tail, name + size - sizeof(tail), sizeof(tail));
	}
	memo = &tree
			->memo[(head ^ tail << 1 ^ size ^ (uint64_t)node << 8) * 0x9e3779b97f4a7c15
			       >> (64 - 7)];
	if (memo->head != head || memo->tail != tail || memo->size != size || memo->node != node)
		*memo = (struct json_memo){
			.head = head,
			.tail = tail,
			.size = size,
			.node = node,
			.child = json_tree_find(tree, node, view_of(name, size)),
		};
	return memo->child;
}
