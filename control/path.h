#pragma once

#include "io/base/view.h"

#include <stdbool.h>

// Field paths: `customer/id`, `tags/*/label`, `a~1b` for the member `a/b`.

/** The first step of a path, and the rest behind its `/`. */
struct path_steps {
	struct view left; // not read yet
	bool is_done;
};

static inline struct path_steps path_steps_of(struct view path)
{
	return (struct path_steps){.left = path};
}

/** The next step, as written; false: there is none. */
bool path_next(struct path_steps *steps, struct view *ret_step);

/** Is this step `*`? */
static inline bool path_is_each(struct view step)
{
	return step.size == 1 && step.bytes[0] == '*';
}

/** A step's name without its escapes. @param ret_name [step.size] @return its bytes */
size_t path_unescape(struct view step, uint8_t *ret_name);

/** A member's name as a step. @param ret_step [name.size * 2] @return its bytes */
size_t path_escape(struct view name, uint8_t *ret_step);

/** What is wrong with a path, or NULL; the size is not looked at. */
const char *path_fault(struct view path);

enum path_relation {
	PATH_APART,
	PATH_EQUAL,
	PATH_ABOVE,      // the first holds the second
	PATH_BELOW,      // the second holds the first
	PATH_BESIDE_EACH // they part at a step that is `*` in one and a name in the other
};

/** How two paths lie to each other. */
enum path_relation path_relation(struct view a, struct view b);
