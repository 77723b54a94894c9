#include "dataplane/pipeline/json_shape.h"

enum {
	SKIP_MAX = 63 // events that go the long way untried when none has fitted for long
};

bool json_shape_is_due(struct json_shape *shape, size_t text_size)
{
	if (text_size > JSON_SHAPE_SIZE_MAX || text_size < 2)
		return false;
	if (likely(shape->skip == 0))
		return true;
	shape->skip--;
	return false;
}

void json_shape_note(struct json_shape *shape, bool has_fitted)
{
	if (likely(has_fitted)) {
		shape->skip_next = 0;
		return;
	}
	// Now and then one is different; when it is one after another, tries get rare.
	shape->skip = shape->skip_next;
	shape->skip_next =
		shape->skip_next * 2 + 1 < SKIP_MAX ? shape->skip_next * 2 + 1 : SKIP_MAX;
}

/** Work out what the contract wants with a member; false when that takes the long way. */
static bool bind_member(struct json_tree *tree, struct json_member *member, uint16_t child)
{
	struct json_shape *shape = &tree->shape;
	const struct json_node *node;

	member->field = POLICY_NONE;
	if (child == JSON_CHILD_META)
		return false;
	member->is_wanted = child != JSON_CHILD_PASS;
	if (child == JSON_CHILD_UNDECLARED) {
		member->undeclared = UINT32_MAX;
		member->flags = CELL_UNDECLARED | (shape->count == 0 ? CELL_FIRST : 0);
	} else if (child != JSON_CHILD_PASS) {
		node = &tree->node[child];
		member->field = node->field;
		for (uint32_t m = 0; m < shape->count; m++)
			if (shape->member[m].field == node->field)
				return false;
		for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
			if (node->roles >> role & 1)
				shape->role_cell[role] = shape->cell_count;
		if (node->field == POLICY_NONE)
			return false;
	}
	shape->cell_count += member->is_wanted;
	return true;
}

/** Bits of the bytes from size, 1..32, on. */
static uint32_t bits_behind(uint32_t size)
{
	return UINT32_MAX << (size - 1) << 1;
}

/**
 * Remember one more member: `{"name":` or `,"name":`, and its value if that is a literal. Not what else
 * stands there: that is somebody's data.
 */
static bool add_member(
	struct json_tree *tree,
	const uint8_t *text,
	uint32_t size,
	uint32_t value_size
)
{
	struct json_shape *shape = &tree->shape;
	struct json_member *member = &shape->member[shape->count];
	uint32_t whole = size + value_size;
	unsigned kind;

	if (size > JSON_SHAPE_NAME_SIZE || shape->count == JSON_SHAPE_MEMBERS_MAX)
		return false;
	*member = (struct json_member){
		.behind_name = bits_behind(size),
		.value_start = size - 1,
	};
	memcpy(member->text, text, size);
	kind = value_size == 0 ? JSON_NO_TOKEN : json_token_kind(text, size, whole);
	if ((kind == CELL_NULL || kind == CELL_TRUE || kind == CELL_FALSE)
	    && whole <= JSON_SHAPE_NAME_SIZE) {
		memcpy(member->text + size, text + size, value_size);
		member->behind_value = bits_behind(whole);
		member->kind = (uint8_t)kind;
		member->next_start = whole;
	}
	if (!bind_member(tree, member, json_tree_find(tree, 0, view_of(text + 2, size - 4))))
		return false;
	shape->count++;
	return true;
}

/** Take the members of a flat event; false when it is not flat. */
static bool add_members(struct json_tree *tree, const uint8_t *text, const struct json_index *index)
{
	for (uint32_t n = 0; n + 2 < index->count; n += 2) {
		const uint32_t *at = index->at + n;

		if (text[at[0]] != (n == 0 ? '{' : ',') || text[at[1]] != ':'
		    || !add_member(tree, text + at[0], at[1] + 1 - at[0], at[2] - at[1] - 1))
			return false;
	}
	return true;
}

void json_shape_learn(struct json_tree *tree, const uint8_t *text, const struct json_index *index)
{
	struct json_shape *shape = &tree->shape;

	// Whether the event is flat shows as its members are taken: a valid text without
	// brackets but the outermost has members only.
	if (index->has_backslash || !index->is_compact || index->count < 3 || index->count % 2 == 0)
		return;
	shape->count = 0;
	shape->cell_count = 0;
	for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
		shape->role_cell[role] = JSON_NO_CELL;
	if (!add_members(tree, text, index))
		shape->count = 0;
}

/** Mark the strings that have escapes. */
static void flag_escaped(struct json_parse *p, const uint8_t *text)
{
	for (struct cell *cell = p->cells; cell < p->cells + p->cell_count; cell++)
		if (cell->kind == CELL_STRING && json_has_backslash(text, cell->start, cell->end))
			cell->flags |= CELL_ESCAPED;
}

bool json_shape_finish(struct json_parse *p, struct view text, bool has_backslash)
{
	const struct json_shape *shape = &p->tree->shape;

	p->cell_count = shape->cell_count;
	for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
		p->role_cell[role] = shape->role_cell[role];
	if (likely(!has_backslash))
		return true;
	if (json_check_escapes(text) != DROP_NONE)
		return false;
	flag_escaped(p, text.bytes);
	return true;
}
