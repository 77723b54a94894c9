#include "dataplane/pipeline/json_parse.h"

#include "dataplane/pipeline/json_token.h"

// Stage 1 has seen to it that between two neighbouring ops lies white space around at most one token,
// that strings are closed, and that nothing but a token's own bytes belongs to it. So what is between
// two ops is known from its first byte, and ends where the white space before the second begins.
//
// One gap is left to this file: behind a closing bracket there may be no token at all.

/** A member or item at hand. */
struct json_item {
	uint32_t name;  // opening quote of the name; members only
	uint32_t start; // of the value
	uint32_t end;   // past the value; containers: set when they close
	uint32_t next;  // op that follows the value; containers: set when they close
	uint16_t child; // enum json_child or row of the nodes
	uint16_t node;  // that the name was looked for in
	bool is_first;  // of its object
	uint8_t kind;   // enum cell_kind
};

static bool stop(struct json_parse *p, enum drop_reason reason, uint16_t field)
{
	p->reason = reason;
	p->reason_field = field;
	return false;
}

static bool stop_syntax(struct json_parse *p)
{
	return stop(p, DROP_SYNTAX, POLICY_NONE);
}

static inline struct json_frame *top(struct json_parse *p)
{
	return &p->frame[p->depth - 1];
}

static inline uint8_t string_flags(const struct json_parse *p, const struct json_item *item)
{
	return unlikely(p->has_backslash) && item->kind == CELL_STRING
			&& json_has_backslash(p->text, item->start, item->end)
		? CELL_ESCAPED
		: 0;
}

static bool note_undeclared(struct json_parse *p, const struct json_item *item)
{
	if (p->cell_count == EVENT_CELLS_MAX)
		return stop(p, DROP_CELLS, POLICY_NONE);
	p->cells[p->cell_count++] = (struct cell){
		.start = item->start,
		.end = item->end,
		.member_start = item->name,
		.member_next = item->next,
		.field = POLICY_NONE,
		.node = item->node,
		.kind = item->kind,
		.flags =
			string_flags(p, item) | CELL_UNDECLARED | (item->is_first ? CELL_FIRST : 0),
	};
	return true;
}

static void note_roles(struct json_parse *p, uint8_t roles)
{
	for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
		if ((roles >> role & 1) && p->role_cell[role] == JSON_NO_CELL)
			p->role_cell[role] = p->cell_count;
}

/** Put down that a name of the contract stands in the open object; false when it may not do so again. */
static inline bool note_name(
	struct json_parse *p,
	const struct json_item *item,
	const struct json_node *node
)
{
	uint64_t *seen = &p->seen[p->depth - 1][node->bit / 64];
	uint64_t mask = (uint64_t)1 << node->bit % 64;

	if (unlikely((*seen & mask) != 0) && node->is_duplicate_refused
	    && !p->tree->node[item->node].is_each)
		return false;
	*seen |= mask;
	return true;
}

/** Put down what the contract wants to know of a value. */
static bool note_item(struct json_parse *p, const struct json_item *item)
{
	const struct json_node *node;

	if (item->child == JSON_CHILD_UNDECLARED)
		return note_undeclared(p, item);
	if (unlikely(item->child == JSON_CHILD_META))
		return stop(p, DROP_META_PRESENT, POLICY_NONE);
	node = &p->tree->node[item->child];
	if (unlikely(!note_name(p, item, node)))
		return stop(p, DROP_DUPLICATE, node->first_field);
	if (node->field == POLICY_NONE) {
		// A step on the way to personal data must not hide them in a form that nobody
		// looks into.
		if (item->kind == CELL_NULL || item->kind == CELL_OBJECT
		    || (item->kind == CELL_ARRAY && node->is_each))
			return true;
		return stop(p, DROP_TYPE, node->first_field);
	}
	if (unlikely(p->cell_count == EVENT_CELLS_MAX))
		return stop(p, DROP_CELLS, node->field);
	if (unlikely(node->roles != 0))
		note_roles(p, node->roles);
	p->cells[p->cell_count++] = (struct cell){
		.start = item->start,
		.end = item->end,
		.field = node->field,
		.kind = item->kind,
		.flags = string_flags(p, item),
	};
	return true;
}

static void push(struct json_parse *p, uint8_t opener, uint16_t node, uint32_t cell)
{
	uint32_t words = node == JSON_NODE_NONE ? 0 : (p->tree->node[node].child_count + 63u) / 64;

	for (uint32_t i = 0; i < words; i++)
		p->seen[p->depth][i] = 0;
	p->frame[p->depth++] = (struct json_frame){
		.cell = cell,
		.node = node,
		.closer = opener + 2, // { } and [ ] lie two apart
	};
}

/** Go into the array or object that begins at item->start, if one does. */
static bool open_container(struct json_parse *p, struct json_item *item)
{
	uint8_t opener = p->text[item->start];
	uint32_t cell = p->cell_count;
	uint16_t node = JSON_NODE_NONE;

	if (opener != '{' && opener != '[')
		return stop_syntax(p);
	if (p->depth == EVENT_DEPTH_MAX)
		return stop(p, DROP_DEPTH, POLICY_NONE);
	item->kind = opener == '{' ? CELL_OBJECT : CELL_ARRAY;
	item->end = item->start;
	if (item->child != JSON_CHILD_PASS && !note_item(p, item))
		return false;
	if (item->child < JSON_CHILD_META && p->tree->node[item->child].field == POLICY_NONE)
		node = item->child;
	push(p, opener, node, cell == p->cell_count ? JSON_NO_CELL : cell);
	return true;
}

/** After a value, with at at the op that follows: close whatever ends there. */
static bool close_containers(struct json_parse *p, const uint32_t *at)
{
	for (;;) {
		const struct json_frame *frame = top(p);

		p->at = at;
		if (p->text[*at] == ',')
			return true;
		if (p->text[*at] != frame->closer)
			return stop_syntax(p);
		p->depth--;
		if (p->depth == 0)
			return true;
		if (at == p->last || json_skip_space(p->text, at[0] + 1) != at[1])
			return stop_syntax(p);
		if (frame->cell != JSON_NO_CELL) {
			struct cell *cell = &p->cells[frame->cell];

			cell->end = at[0] + 1;
			if (cell->flags & CELL_UNDECLARED)
				cell->member_next = at[1];
		}
		at++;
	}
}

/** Where a member should be: the end of an empty container, or a fault. */
static bool close_empty(struct json_parse *p, const uint32_t *at, uint8_t opener)
{
	if (at == p->last || p->text[at[0]] != opener || p->text[at[1]] != opener + 2
	    || json_skip_space(p->text, at[0] + 1) != at[1])
		return stop_syntax(p);
	return close_containers(p, at + 1);
}

/** Find the child for the member between two ops by its name, and guess it next time. */
static __attribute__((noinline)) uint16_t find_child(
	struct json_parse *p,
	uint16_t node,
	uint32_t name,
	uint32_t colon
)
{
	const uint8_t *inside = p->text + name + 1;
	uint32_t name_end = json_trim_space(p->text, colon);
	uint32_t size = name_end - name - 2;
	uint16_t child;

	if (unlikely(p->has_backslash) && json_has_backslash(p->text, name + 1, name_end))
		return json_tree_find_escaped(p->tree, node, view_of(inside, size));
	child = json_tree_child(p->tree, node, inside, size);
	if (name_end == colon && size + 3 <= JSON_GUESS_SIZE && p->guess != p->guess_limit)
		json_guess_set(p->guess, node, child, p->text + name, size + 3);
	if (p->guess != p->guess_limit)
		p->guess++;
	return child;
}

/** Go into the container that is a member's value; at is at its bracket. */
static bool open_member(struct json_parse *p, const uint32_t *at, uint16_t child, uint32_t name)
{
	struct json_item item = {
		.name = name,
		.start = *at,
		.child = child,
		.node = top(p)->node,
		.is_first = p->text[at[-2]] == '{',
	};

	p->at = at;
	return open_container(p, &item);
}

/** The common case of note_item: a field that the open object has for the first time. */
static inline bool note_field(
	struct json_parse *p,
	uint16_t child,
	uint32_t start,
	uint32_t end,
	unsigned kind
)
{
	const struct json_node *node = &p->tree->node[child];
	uint64_t *seen = &p->seen[p->depth - 1][node->bit / 64];
	uint64_t mask = (uint64_t)1 << node->bit % 64;

	if (unlikely(
		    node->field == POLICY_NONE || (*seen & mask) != 0 || p->has_backslash
		    || p->cell_count == EVENT_CELLS_MAX
	    ))
		return false;
	*seen |= mask;
	if (unlikely(node->roles != 0))
		note_roles(p, node->roles);
	p->cells[p->cell_count++] = (struct cell){
		.start = start,
		.end = end,
		.field = node->field,
		.kind = (uint8_t)kind,
	};
	return true;
}

/**
 * Walk members of the open object until it closes or another container opens. Compiled twice: machines
 * write compact events, and those have no white space to look for.
 */
static inline __attribute__((always_inline)) bool walk_members_of(
	struct json_parse *p,
	bool is_compact
)
{
	const uint8_t *text = p->text;
	const uint32_t *at = p->at;
	const uint32_t *last = p->last;
	uint16_t node = top(p)->node;
	uint32_t op = at[0];
	uint32_t next;

	do {
		uint16_t child = JSON_CHILD_PASS;
		uint32_t name;
		uint32_t start;
		uint32_t end;
		unsigned kind;

		// A member has an op before it, its colon, and an op behind.
		if (unlikely(at + 1 >= last))
			return close_empty(p, at, '{');
		name = is_compact ? op + 1 : json_skip_space(text, op + 1);
		if (node != JSON_NODE_NONE && likely(json_guess_fits(p->guess, node, text + name)))
			child = p->guess++->child;
		else if (unlikely(text[name] != '"' || text[at[1]] != ':'))
			return close_empty(p, at, '{');
		else if (node != JSON_NODE_NONE)
			child = find_child(p, node, name, at[1]);
		start = is_compact ? at[1] + 1 : json_skip_space(text, at[1] + 1);
		next = at[2];
		at += 2;
		if (unlikely(start == next))
			return open_member(p, at, child, name);
		end = is_compact ? next : json_trim_space(text, next);
		kind = json_token_kind(text, start, end);
		if (unlikely(kind == JSON_NO_TOKEN))
			return stop_syntax(p);
		if (child < JSON_CHILD_META && likely(note_field(p, child, start, end, kind)))
			child = JSON_CHILD_PASS;
		if (unlikely(child != JSON_CHILD_PASS)
		    && !note_item(
			    p,
			    &(struct json_item){
				    .name = name,
				    .start = start,
				    .end = end,
				    .next = next,
				    .child = child,
				    .node = node,
				    .is_first = text[op] == '{',
				    .kind = (uint8_t)kind,
			    }
		    ))
			return false;
		op = next;
	} while (text[op] == ',');
	return close_containers(p, at);
}

static bool walk_members(struct json_parse *p)
{
	return p->is_compact ? walk_members_of(p, true) : walk_members_of(p, false);
}

/** Walk items of the open array until it closes or another container opens. */
static bool walk_items(struct json_parse *p)
{
	const uint8_t *text = p->text;
	const uint32_t *at = p->at;
	uint16_t node = top(p)->node;

	do {
		struct json_item item = {.node = node};

		if (unlikely(at == p->last))
			return stop_syntax(p);
		item.start = json_skip_space(text, at[0] + 1);
		item.next = at[1];
		item.child =
			node == JSON_NODE_NONE ? JSON_CHILD_PASS : p->tree->node[node].first_child;
		if (item.start == item.next && text[item.next] == ']')
			return close_empty(p, at, '[');
		at++;
		if (item.start == item.next) {
			p->at = at;
			return open_container(p, &item);
		}
		item.end = json_trim_space(text, item.next);
		item.kind = (uint8_t)json_token_kind(text, item.start, item.end);
		if (unlikely(item.kind == JSON_NO_TOKEN))
			return stop_syntax(p);
		if (item.child != JSON_CHILD_PASS && !note_item(p, &item))
			return false;
	} while (text[*at] == ',');
	return close_containers(p, at);
}

static bool is_blank(struct view text, uint32_t from)
{
	for (size_t i = from; i < text.size; i++)
		if (!json_is_space(text.bytes[i]))
			return false;
	return true;
}

/** A text without any structural character: one token. */
static bool is_one_token(struct view text)
{
	uint32_t end = (uint32_t)text.size;
	uint32_t start = 0;

	while (start < end && json_is_space(text.bytes[start]))
		start++;
	return start < end
		&& json_token_kind(text.bytes, start, json_trim_space(text.bytes, end))
		!= JSON_NO_TOKEN;
}

/** Walk the value at the top, an array or object. */
static bool walk(struct json_parse *p, struct view text, bool is_tree)
{
	uint8_t opener = p->text[*p->at];

	if (json_skip_space(p->text, 0) != *p->at || (opener != '{' && opener != '['))
		return stop_syntax(p);
	if (is_tree && opener != '{')
		return stop(p, DROP_NOT_OBJECT, POLICY_NONE);
	p->depth = 0;
	push(p, opener, is_tree ? 0 : JSON_NODE_NONE, JSON_NO_CELL);
	while (p->depth != 0)
		if (!(top(p)->closer == '}' ? walk_members(p) : walk_items(p)))
			return false;
	if (p->at != p->last || !is_blank(text, *p->at + 1))
		return stop_syntax(p);
	return true;
}

enum drop_reason json_parse_text(
	struct json_parse *p,
	struct view text,
	const struct json_index *index,
	struct json_tree *tree,
	struct cell *cells
)
{
	p->text = text.bytes;
	p->at = index->at;
	p->last = index->at + index->count - 1;
	p->tree = tree;
	p->cells = cells;
	p->cell_count = 0;
	for (unsigned role = 0; role < JSON_ROLE_COUNT; role++)
		p->role_cell[role] = JSON_NO_CELL;
	p->has_backslash = index->has_backslash;
	p->is_compact = index->is_compact;
	p->guess = tree == NULL ? NULL : tree->guess;
	p->guess_limit = tree == NULL ? NULL : tree->guess + JSON_GUESS_COUNT;
	p->reason = DROP_NONE;
	p->reason_field = POLICY_NONE;
	if (index->count != 0)
		(void)walk(p, text, tree != NULL);
	else if (!is_one_token(text))
		p->reason = DROP_SYNTAX;
	else if (tree != NULL)
		p->reason = DROP_NOT_OBJECT;
	return p->reason;
}
