#pragma once

#include "io/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// A plain walk over the strings of one event, for tools (open, explain): any depth up to
// EVENT_DEPTH_MAX without recursion, no policy, no speed. The text has to be valid: json_validate first.

enum {
	// bytes of a string's path; longer ones are cut. Each step of a contract's path fits.
	JSON_WALK_PATH_MAX = 4096
};

/** A string that stands as a value. */
struct json_walk_string {
	struct view
		path; // steps joined by `/`; `*` in arrays; `~` and `/` in names as `~0` and `~1`
	size_t start; // opening quote
	size_t end;   // past the closing quote
	bool is_path_cut; // the path is longer than JSON_WALK_PATH_MAX: path is its beginning
	bool is_in_meta;  // it is the value of, or lies in, the member strmMeta at the top
};

struct json_walk;

/**
 * Begin to walk a text.
 *
 * @param text valid JSON, an object at the top; borrowed
 *
 * @return NULL without memory
 */
struct json_walk *json_walk_new(struct view text);
void json_walk_free(struct json_walk *walk);

/** Begin anew with another text. false = no memory */
bool json_walk_begin(struct json_walk *walk, struct view text);

/**
 * Next string in order of the text; ret_string->path is borrowed until the next call.
 *
 * @return false when there is none, or when the text turns out not to be valid
 */
bool json_walk_next(struct json_walk *walk, struct json_walk_string *ret_string);

/** Extents of the member strmMeta at the top, once the walk has come past it. */
struct json_walk_meta {
	size_t member_start; // opening quote of the name
	size_t start;        // of the value
	size_t end;          // past the value
	bool is_found;
};

struct json_walk_meta json_walk_meta(const struct json_walk *walk);
