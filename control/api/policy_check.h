#pragma once

#include "control/api/policy.h"

// Inside of policy_image_check: policy_image.c looks at header and tables, policy_tree.c at the tree of paths.

struct policy_check {
	const struct policy_image *image; // size, checksum and the places of all tables are good
	struct problem *problem;
};

/** Say the first fault. Returns false. */
bool policy_fault(struct policy_check *c, const char *format, ...) PRINTF_LIKE(2, 3);

/** A span inside the image, at most size_max bytes, valid UTF-8. */
bool policy_check_text(
	struct policy_check *c,
	struct policy_span span,
	size_t size_max,
	const char *name
);

/** The nodes: one tree, every field at exactly one leaf, paths as the fields tell them. */
bool policy_check_tree(struct policy_check *c);
