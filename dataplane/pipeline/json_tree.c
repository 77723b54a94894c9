#include "dataplane/pipeline/json_tree.h"

#include "dataplane/pipeline/json.h"

#include <assert.h>

static_assert(JSON_MEMO_COUNT == 1 << 7, "json_tree_child takes 7 bits of the hash");
static_assert(CONTRACT_NODES_MAX < (int)JSON_CHILD_META, "rows and marks share 16 bits");

static const char meta_name[] = "strmMeta";

static uint8_t roles_of(const struct policy_image *image, uint16_t field)
{
	if (field == POLICY_NONE)
		return 0;
	return (uint8_t
	)((field == image->key_field) << JSON_ROLE_KEY
	  | (field == image->subject_field) << JSON_ROLE_SUBJECT
	  | (field == image->time_field) << JSON_ROLE_TIME
	  | (field == image->consent_field) << JSON_ROLE_CONSENT);
}

/** Fill a node whose children, further down the table, are filled. */
static void fill_node(struct json_tree *tree, const struct policy_image *image, uint32_t row)
{
	const struct policy_node *rows = policy_nodes(image);
	const struct policy_node *from = &rows[row];
	struct json_node *node = &tree->node[row];

	*node = (struct json_node){
		.field = from->field,
		.first_field = from->field,
		.first_child = from->first_child,
		.child_count = from->child_count,
		.roles = roles_of(image, from->field),
		.is_each =
			from->child_count != 0 && rows[from->first_child].kind == POLICY_NODE_EACH,
		.is_duplicate_refused = image->duplicates == POLICY_DUPLICATES_REFUSE
			|| roles_of(image, from->field) != 0,
	};
	for (uint32_t i = 0; i < from->child_count; i++) {
		struct json_node *child = &tree->node[from->first_child + i];

		child->bit = (uint16_t)i;
		if (node->first_field == POLICY_NONE)
			node->first_field = child->first_field;
		node->is_duplicate_refused |= child->is_duplicate_refused;
	}
}

void json_tree_use(struct json_tree *tree, const struct policy *policy)
{
	const struct policy_image *image = policy->image;

	if (tree->image == image && tree->checksum == image->checksum && tree->size == image->size)
		return;
	tree->image = image;
	tree->checksum = image->checksum;
	tree->size = image->size;
	tree->unknown = image->undeclared == POLICY_UNDECLARED_PASS ? JSON_CHILD_PASS
								    : JSON_CHILD_UNDECLARED;
	for (uint32_t row = image->nodes.count; row-- > 0;)
		fill_node(tree, image, row);
	for (uint32_t i = 0; i < JSON_MEMO_COUNT; i++)
		tree->memo[i] = (struct json_memo){.node = JSON_NODE_NONE};
	for (uint32_t i = 0; i <= JSON_GUESS_COUNT; i++)
		tree->guess[i] = (struct json_guess){.node = JSON_NODE_NONE};
	tree->shape.count = 0;
	tree->shape.skip = 0;
	tree->shape.skip_next = 0;
}

uint16_t json_tree_find(const struct json_tree *tree, uint16_t node, struct view name)
{
	const struct policy_node *rows = policy_nodes(tree->image);
	const struct json_node *parent = &tree->node[node];
	uint64_t head = 0;

	if (node == 0 && view_equal(name, view_of(meta_name, sizeof(meta_name) - 1)))
		return JSON_CHILD_META;
	if (parent->is_each)
		return parent->first_child;
	if (name.size != 0)
		memcpy(&head, name.bytes, name.size < 8 ? name.size : 8);
	for (uint32_t i = 0; i < parent->child_count; i++) {
		const struct policy_node *child = &rows[parent->first_child + i];

		if (child->head == head && child->name.size == name.size
		    && view_equal(policy_view_of(tree->image, child->name), name))
			return (uint16_t)(parent->first_child + i);
	}
	return tree->unknown;
}

uint16_t json_tree_find_escaped(const struct json_tree *tree, uint16_t node, struct view inside)
{
	// An escape is six bytes at the most for one byte of text: what is longer than that is
	// none of the contract's names.
	uint8_t name[6 * JSON_NAME_MAX];

	if (inside.size > sizeof(name))
		return tree->node[node].is_each ? tree->node[node].first_child : tree->unknown;
	return json_tree_find(tree, node, view_of(name, json_unescape(inside, name)));
}
