#pragma once

#include "io/base/attr.h"
#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// The configuration files that people write: one YAML document (so also JSON), read into a tree that knows
// where each value stands. What makes a file say something else than it seems to say is refused: keys
// that stand twice, anchors and aliases, tags, several documents, NUL in a text. Plain scalars get
// their kind by the core rules of YAML 1.2: `no`, `on` and `1_000` are strings.

enum {
	YAML_SIZE_MAX = 1 << 20,   // bytes of a file
	YAML_DEPTH_MAX = 32,       // nested lists and maps
	YAML_NODES_MAX = 1 << 16,  // scalars, lists and maps of a file, keys included
	YAML_ENTRIES_MAX = 1 << 12 // keys of one map
};

enum yaml_kind {
	YAML_STRING,  // quoted, or plain and nothing else
	YAML_INTEGER, // 12, -3, 0x1f, 0o17
	YAML_NUMBER,  // 1.5, 2e3, .inf, .nan
	YAML_BOOLEAN, // true, false
	YAML_NULL,    // null, ~, nothing
	YAML_LIST,
	YAML_MAP
};

/** A value, or the key of one. Belongs to its document. */
struct yaml_node {
	const struct yaml *document;
	const struct yaml_node *first; // list: first item; map: first value; NULL = empty
	const struct yaml_node *next;  // the item or value after this one; NULL = last
	const struct yaml_node *key;   // of a map's value: its key, a scalar; else NULL
	struct view text; // scalar: its decoded text, UTF-8 without NUL; a NUL follows it
	uint32_t count;   // list: items; map: entries
	uint32_t line;    // from 1
	uint32_t column;  // from 1, in bytes
	enum yaml_kind kind;
	bool is_quoted;
};

struct yaml;

/**
 * Read a document.
 *
 * @param path a file's name, or "-" for standard input
 * @param problems what is wrong is added, with its place
 * @return SL_OK: *ret_yaml is the caller's, until yaml_unload; else the status of the first problem
 */
enum sl_status yaml_load_file(const char *path, struct problems *problems, struct yaml **ret_yaml);

/** The same from memory. @param file name for problems, "" = none; copied */
enum sl_status yaml_load_text(
	struct view text,
	const char *file,
	struct problems *problems,
	struct yaml **ret_yaml
);
void yaml_unload(struct yaml *yaml);

/** The document's value; an empty document is a YAML_NULL. */
const struct yaml_node *yaml_root(const struct yaml *yaml);

/** All of it, as it was read. */
struct view yaml_text(const struct yaml *yaml);

/** The name that problems carry. */
const char *yaml_file(const struct yaml *yaml);

/** The value of a key, NULL when the map has none or the node is NULL or no map. */
const struct yaml_node *yaml_map_get(const struct yaml_node *map, const char *key);

/** Is this a scalar (of any kind, null included)? */
static inline bool yaml_is_scalar(const struct yaml_node *node)
{
	return node->kind != YAML_LIST && node->kind != YAML_MAP;
}

/** Is this a scalar whose text is that? */
static inline bool yaml_is_text(const struct yaml_node *node, const char *text)
{
	return yaml_is_scalar(node) && view_equal(node->text, view_of_text(text));
}

/** "a string", "a list", … for sentences. */
const char *yaml_kind_name(enum yaml_kind kind);

/** The value of a YAML_INTEGER; false: another kind, or beyond 64 bits. */
bool yaml_int64(const struct yaml_node *node, int64_t *ret_value);

/** The value of a YAML_BOOLEAN node. */
bool yaml_bool(const struct yaml_node *node);

/**
 * Add a problem at a node's place. Texts of the file are printed with `%.*s` by YAML_ARG, cut.
 *
 * @return the problem, for its remedy to be set; valid until the next one; never NULL
 */
struct problem *yaml_problem(
	struct problems *problems,
	const struct yaml_node *node,
	enum sl_status status,
	const char *format,
	...
) PRINTF_LIKE(4, 5);

/** The same for what is allowed and yet likely not meant: a warning. */
struct problem *yaml_warning(
	struct problems *problems,
	const struct yaml_node *node,
	const char *format,
	...
) PRINTF_LIKE(3, 4);

/** The two arguments of `%.*s` for a view, at most 80 bytes of it. */
#define YAML_ARG(v)                                                                                \
	((v).size > 80 ? 80 : (int)(v).size), ((v).size == 0 ? "" : (const char *)(v).bytes)

/**
 * A map with no other keys than these; problems (with the nearest key as the remedy) for the others.
 *
 * @param allowed NULL-terminated
 * @return false when a problem was added
 */
bool yaml_check_keys(
	const struct yaml_node *node,
	const char *const allowed[],
	struct problems *problems
);

/**
 * Is the node of this kind? If not, adds "<name> must be <kind>, not <kind>" with the given remedy.
 * A YAML_INTEGER is also a YAML_NUMBER.
 *
 * @param name of the thing, as the person knows it: "range"
 */
bool yaml_expect(
	const struct yaml_node *node,
	enum yaml_kind kind,
	const char *name,
	const char *remedy,
	struct problems *problems
);
