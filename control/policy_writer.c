#include "control/policy_writer.h"

#include "control/path.h"
#include "crypto/secret.h"

void policy_writer_free(struct policy_writer *w)
{
	secret_free(w->bytes, w->capacity);
	w->bytes = NULL;
}

static bool grow(struct policy_writer *w, size_t size)
{
	size_t capacity = w->capacity == 0 ? 4096 : w->capacity;
	uint8_t *bytes;

	while (capacity < w->size + size + 8)
		capacity *= 2;
	if (capacity == w->capacity)
		return true;
	if (w->size + size + 8 > POLICY_IMAGE_MAX)
		return false;
	// The image holds the masks' keys.
	bytes = secret_new(capacity);
	if (bytes == NULL)
		return false;
	if (w->size != 0)
		memcpy(bytes, w->bytes, w->size);
	policy_writer_free(w);
	w->bytes = bytes;
	w->capacity = capacity;
	return true;
}

uint32_t policy_writer_reserve(struct policy_writer *w, size_t size)
{
	uint32_t offset;

	if (w->is_failed || size > POLICY_IMAGE_MAX || !grow(w, size)) {
		w->is_failed = true;
		return 0;
	}
	offset = (uint32_t)((w->size + 7) & ~(size_t)7);
	w->size = offset + size;
	return offset;
}

struct policy_span policy_writer_put(struct policy_writer *w, struct view bytes)
{
	uint32_t offset;

	if (bytes.size == 0)
		return (struct policy_span){0};
	offset = policy_writer_reserve(w, bytes.size);
	if (w->is_failed)
		return (struct policy_span){0};
	memcpy(w->bytes + offset, bytes.bytes, bytes.size);
	return (struct policy_span){.offset = offset, .size = (uint32_t)bytes.size};
}

struct policy_table policy_writer_put_rows(
	struct policy_writer *w,
	const void *rows,
	size_t row_size,
	uint32_t count
)
{
	struct policy_span span = policy_writer_put(w, view_of(rows, row_size * count));

	return (struct policy_table){.offset = span.offset, .count = w->is_failed ? 0 : count};
}

/** A step while the tree is made; rows are in order of coming, children are chained. */
struct step {
	struct view text; // as written
	uint16_t first;   // child
	uint16_t last;    // child
	uint16_t next;    // sibling
	uint16_t child_count;
	uint16_t field;
};

static uint16_t find_child(const struct step steps[], uint16_t parent, struct view text)
{
	uint16_t child = steps[parent].first;

	while (child != POLICY_NONE && !view_equal(steps[child].text, text))
		child = steps[child].next;
	return child;
}

/** Steps of all paths; returns their count, 0 = too many. */
static uint32_t grow_tree(
	struct step steps[],
	const struct contract_field *const fields[],
	uint32_t count
)
{
	uint32_t used = 1;

	steps[0] = (struct step){.first = POLICY_NONE, .field = POLICY_NONE};
	for (uint32_t row = 0; row < count; row++) {
		struct path_steps left = path_steps_of(fields[row]->path);
		uint16_t parent = 0;
		struct view text;

		while (path_next(&left, &text)) {
			uint16_t child = find_child(steps, parent, text);

			if (child == POLICY_NONE) {
				if (used == CONTRACT_NODES_MAX)
					return 0;
				child = (uint16_t)used++;
				steps[child] = (struct step
				){.text = text,
				  .first = POLICY_NONE,
				  .next = POLICY_NONE,
				  .field = POLICY_NONE};
				if (steps[parent].first == POLICY_NONE)
					steps[parent].first = child;
				else
					steps[steps[parent].last].next = child;
				steps[parent].last = child;
				steps[parent].child_count++;
			}
			parent = child;
		}
		steps[parent].field = (uint16_t)row;
	}
	return used;
}

static struct policy_node node_of(struct policy_writer *w, const struct step *step)
{
	struct policy_node node = {.field = step->field, .child_count = step->child_count};
	uint8_t name[PATH_SIZE_MAX];
	size_t size;

	if (path_is_each(step->text)) {
		node.kind = POLICY_NODE_EACH;
		return node;
	}
	size = path_unescape(step->text, name);
	node.name = policy_writer_put(w, view_of(name, size));
	for (size_t i = 0; i < size && i < 8; i++)
		node.head |= (uint64_t)name[i] << (8 * i);
	return node;
}

bool policy_write_nodes(
	struct policy_writer *w,
	const struct contract_field *const fields[],
	uint32_t count,
	struct policy_table *ret_nodes
)
{
	struct step steps[CONTRACT_NODES_MAX];
	struct policy_node nodes[CONTRACT_NODES_MAX];
	uint16_t order[CONTRACT_NODES_MAX] = {0}; // breadth first: siblings become neighbours
	uint32_t step_count = grow_tree(steps, fields, count);
	uint32_t placed = 1;

	if (step_count == 0)
		return false;
	for (uint32_t row = 0; row < step_count; row++) {
		const struct step *step = &steps[order[row]];

		nodes[row] = node_of(w, step);
		if (step->child_count != 0)
			nodes[row].first_child = (uint16_t)placed;
		for (uint16_t c = step->first; c != POLICY_NONE; c = steps[c].next)
			order[placed++] = c;
	}
	*ret_nodes = policy_writer_put_rows(w, nodes, sizeof(nodes[0]), step_count);
	return true;
}
