#include "dataplane/pipeline/undeclared.h"

#include "dataplane/pipeline/policy.h"
#include "dataplane/pipeline/put.h"

static const char json_suffix[] = "~json";
static const char cut_suffix[] = "~cut";

enum {
	JSON_SUFFIX_SIZE = sizeof(json_suffix) - 1,
	SUFFIX_ROOM = 16 // bytes of a path buffer for what follows the names
};

static_assert(
	UNDECLARED_NAME_KEPT + sizeof(cut_suffix) - 1 <= PATH_SIZE_MAX
		&& JSON_SUFFIX_SIZE <= SUFFIX_ROOM,
	"a cut path fits"
);

/** A path under construction; what does not fit is only remembered. */
struct path_text {
	uint8_t bytes[PATH_SIZE_MAX + SUFFIX_ROOM];
	uint32_t size;
	bool has_step;
	bool is_cut;
};

static void put(struct path_text *path, uint8_t byte)
{
	if (path->size == PATH_SIZE_MAX)
		path->is_cut = true;
	else
		path->bytes[path->size++] = byte;
}

static void put_name(struct path_text *path, struct view name)
{
	if (path->has_step)
		put(path, '/');
	path->has_step = true;
	for (size_t at = 0; at < name.size && !path->is_cut; at++) {
		uint8_t byte = name.bytes[at];

		if (byte == '~' || byte == '/') {
			put(path, '~');
			byte = byte == '~' ? '0' : '1';
		}
		put(path, byte);
	}
}

static void put_suffix(struct path_text *path, const char *suffix, uint32_t size)
{
	memcpy(path->bytes + path->size, suffix, size);
	path->size += size;
}

/** The node whose child a node is. Trees are small and undeclared members are few: a search will do. */
static uint16_t parent_of(const struct policy_image *image, uint16_t node)
{
	const struct policy_node *nodes = policy_nodes(image);

	for (uint16_t p = 0; p < image->nodes.count; p++)
		if (node >= nodes[p].first_child
		    && node - nodes[p].first_child < nodes[p].child_count)
			return p;
	return 0;
}

static void put_chain(struct path_text *path, const struct policy_image *image, uint16_t node)
{
	const struct policy_node *nodes = policy_nodes(image);
	uint16_t chain[EVENT_DEPTH_MAX];
	uint32_t depth = 0;

	for (; node != 0 && depth < EVENT_DEPTH_MAX; node = parent_of(image, node))
		chain[depth++] = node;
	while (depth != 0) {
		const struct policy_node *step = &nodes[chain[--depth]];

		if (step->kind == POLICY_NODE_EACH)
			put_name(path, view_of("*", 1));
		else
			put_name(path, policy_view_of(image, step->name));
	}
}

void undeclared_path(
	const struct policy_image *image,
	uint16_t node,
	struct view name,
	bool is_string,
	struct field_path *ret_path
)
{
	struct path_text path = {.size = 0};

	put_chain(&path, image, node);
	put_name(&path, name);
	if (path.is_cut) {
		path.size = UNDECLARED_NAME_KEPT;
		put_suffix(&path, cut_suffix, sizeof(cut_suffix) - 1);
	}
	// An empty name at the top has an empty path, which the cipher does not take; `~` can not be a name.
	if (path.size == 0)
		put_suffix(&path, "~", 1);
	if (!is_string)
		put_suffix(&path, json_suffix, JSON_SUFFIX_SIZE);
	(void)!field_path_init(view_of(path.bytes, path.size), ret_path);
}
