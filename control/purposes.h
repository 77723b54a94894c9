#pragma once

#include "control/yaml.h"
#include "io/base/limits.h"

// The purpose map of an installation: levels 0..PURPOSE_MAX with names. Contracts and jobs name purposes by
// either. Two forms of the file:
//
//	purposes: {1: analytics, 2: research}
//
//	purposes:
//	  - {level: 1, name: analytics, about: How pages are used}

enum {
	PURPOSE_NAME_MIN = 2,    // characters
	PURPOSE_NAME_MAX = 100,  // characters
	PURPOSE_ABOUT_MAX = 1000 // characters
};

struct purpose {
	struct view name;  // size 0 = there is no such purpose
	struct view about; // "" = nothing said
};

struct purposes {
	struct purpose level[PURPOSE_MAX + 1];
	uint32_t count;        // levels with a name
	struct yaml *document; // owns the texts
};

/**
 * Read a purposes file.
 *
 * Outcomes  SL_OK: *ret_purposes is the caller's until purposes_free; else all problems were added
 */
enum sl_status purposes_load_file(
	const char *path,
	struct problems *problems,
	struct purposes **ret_purposes
);
enum sl_status purposes_load_text(
	struct view text,
	const char *file,
	struct problems *problems,
	struct purposes **ret_purposes
);

/**
 * Read `purposes.yaml` in the folder of another file (a contract, a job).
 *
 * Outcomes  SL_OK with *ret_purposes == NULL when there is no such file
 */
enum sl_status purposes_load_beside(
	const char *path,
	struct problems *problems,
	struct purposes **ret_purposes
);
void purposes_free(struct purposes *purposes);

/** Level of a name, exactly as written; -1 = none. @param purposes NULL = none are known */
int purposes_find(const struct purposes *purposes, struct view name);

/** Name of a level for people: `analytics (1)`, or `purpose 1` when it has none. Returns ret_text. */
const char *purposes_label(
	const struct purposes *purposes,
	uint8_t level,
	char *ret_text,
	size_t size
);

/**
 * A purpose as people write it, by name or number; problems are added.
 *
 * @param purposes NULL = no purposes file: numbers only
 * @param ret_level out, 0..PURPOSE_MAX
 * @return false when a problem was added
 */
bool purposes_read(
	const struct purposes *purposes,
	const struct yaml_node *node,
	struct problems *problems,
	uint8_t *ret_level
);

/** A list of purposes, or one alone, as a set: bit p = purpose p. */
bool purposes_read_set(
	const struct purposes *purposes,
	const struct yaml_node *node,
	struct problems *problems,
	uint64_t *ret_set
);
