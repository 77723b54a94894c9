#include "control/api/policy_check.h"

/** What a walk over the nodes table finds out. */
struct tree {
	uint16_t parent[CONTRACT_NODES_MAX];
	bool is_child[CONTRACT_NODES_MAX];   // has a parent
	bool is_placed[CONTRACT_FIELDS_MAX]; // the field has its leaf
};

static uint64_t head_of(struct view name)
{
	uint64_t head = 0;

	for (size_t i = 0; i < name.size && i < 8; i++)
		head |= (uint64_t)name.bytes[i] << (8 * i);
	return head;
}

static bool check_name(struct policy_check *c, uint32_t row)
{
	const struct policy_node *node = &policy_nodes(c->image)[row];
	bool is_named = row != 0 && node->kind == POLICY_NODE_MEMBER;
	struct view name;

	if (node->kind > POLICY_NODE_EACH || node->reserved != 0)
		return policy_fault(c, "node %u has an unknown kind", row);
	if (!policy_check_text(c, node->name, POLICY_PATH_MAX, "a node's name"))
		return false;
	name = policy_view_of(c->image, node->name);
	if (is_named != (name.size != 0))
		return policy_fault(c, "node %u has a name too much or too little", row);
	if (is_named && view_equal(name, view_of_text("*")))
		return policy_fault(c, "node %u is a member named *", row);
	if (node->head != head_of(name))
		return policy_fault(c, "node %u has another head than its name", row);
	return true;
}

static bool check_siblings(struct policy_check *c, const struct policy_node *node, uint32_t row)
{
	const struct policy_node *child = policy_nodes(c->image) + node->first_child;

	for (uint32_t i = 0; i < node->child_count; i++) {
		if (child[i].kind == POLICY_NODE_EACH && node->child_count != 1)
			return policy_fault(c, "node %u has * beside names", row);
		for (uint32_t j = 0; j < i; j++)
			if (child[i].head == child[j].head
			    && view_equal(
				    policy_view_of(c->image, child[i].name),
				    policy_view_of(c->image, child[j].name)
			    ))
				return policy_fault(c, "node %u has two children of one name", row);
	}
	return true;
}

/** Children lie behind their parent, so that nothing can go round. */
static bool check_children(struct policy_check *c, struct tree *tree, uint32_t row)
{
	const struct policy_node *node = &policy_nodes(c->image)[row];
	uint32_t end = (uint32_t)node->first_child + node->child_count;

	if (node->child_count == 0)
		return node->first_child == 0
			|| policy_fault(c, "node %u has a first child but no children", row);
	if (node->first_child <= row || end > c->image->nodes.count)
		return policy_fault(c, "node %u has children out of their place", row);
	for (uint32_t i = node->first_child; i < end; i++) {
		if (tree->is_child[i])
			return policy_fault(c, "node %u has two parents", i);
		tree->is_child[i] = true;
		tree->parent[i] = (uint16_t)row;
	}
	return true;
}

static bool check_field(struct policy_check *c, struct tree *tree, uint32_t row)
{
	const struct policy_node *node = &policy_nodes(c->image)[row];
	bool is_leaf = node->child_count == 0;

	if (is_leaf != (node->field != POLICY_NONE))
		return policy_fault(c, "node %u: leaves have a field, and nothing else has", row);
	if (!is_leaf)
		return true;
	if (node->field >= c->image->fields.count || tree->is_placed[node->field])
		return policy_fault(c, "node %u has a field that is not there or not its own", row);
	tree->is_placed[node->field] = true;
	return true;
}

/** Put a step in front of what is there, from the end of the buffer; false: no room. */
static bool put_before(uint8_t *bytes, size_t *at, const struct policy_node *node, struct view name)
{
	if (node->kind == POLICY_NODE_EACH)
		name = view_of_text("*");
	for (size_t i = name.size; i-- > 0;) {
		uint8_t c = name.bytes[i];

		if (*at < 2)
			return false;
		if (c == '~' || c == '/') {
			bytes[--*at] = c == '~' ? '0' : '1';
			c = '~';
		}
		bytes[--*at] = c;
	}
	return true;
}

/** A leaf's steps, joined, are its field's path. */
static bool check_path(struct policy_check *c, const struct tree *tree, uint32_t row)
{
	const struct policy_node *nodes = policy_nodes(c->image);
	const struct policy_field *field = &policy_fields(c->image)[nodes[row].field];
	uint8_t bytes[PATH_SIZE_MAX];
	bool is_repeated = false;
	size_t at = sizeof(bytes);
	uint32_t depth = 0;

	for (uint32_t i = row; i != 0; i = tree->parent[i]) {
		if (++depth > EVENT_DEPTH_MAX || (depth > 1 && at == 0))
			return policy_fault(c, "node %u lies too deep", row);
		if (depth > 1)
			bytes[--at] = '/';
		if (!put_before(bytes, &at, &nodes[i], policy_view_of(c->image, nodes[i].name)))
			return policy_fault(c, "node %u has too long a path", row);
		is_repeated = is_repeated || nodes[i].kind == POLICY_NODE_EACH;
	}
	if (!view_equal(
		    view_of(bytes + at, sizeof(bytes) - at), policy_view_of(c->image, field->path)
	    ))
		return policy_fault(c, "node %u stands elsewhere than its field's path", row);
	if (is_repeated != ((field->flags & POLICY_FIELD_REPEATED) != 0))
		return policy_fault(c, "field %u is not marked as it repeats", nodes[row].field);
	if (c->image->format == POLICY_CSV && (depth != 1 || is_repeated))
		return policy_fault(c, "node %u is no column", row);
	return true;
}

bool policy_check_tree(struct policy_check *c)
{
	const struct policy_node *nodes = policy_nodes(c->image);
	const uint32_t count = c->image->nodes.count;
	struct tree tree = {0};

	if (count == 0 || nodes[0].kind != POLICY_NODE_MEMBER || nodes[0].field != POLICY_NONE
	    || nodes[0].child_count == 0)
		return policy_fault(c, "the tree has no root");
	for (uint32_t row = 0; row < count; row++)
		if (!check_name(c, row) || !check_children(c, &tree, row)
		    || !check_field(c, &tree, row))
			return false;
	for (uint32_t row = 0; row < count; row++) {
		if (row != 0 && !tree.is_child[row])
			return policy_fault(c, "node %u has no parent", row);
		if (!check_siblings(c, &nodes[row], row))
			return false;
		if (nodes[row].field != POLICY_NONE && !check_path(c, &tree, row))
			return false;
	}
	for (uint32_t row = 0; row < c->image->fields.count; row++)
		if (!tree.is_placed[row])
			return policy_fault(c, "field %u has no node", row);
	return true;
}
