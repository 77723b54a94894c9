#pragma once

#include "crypto/field.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// What a sealed text may have been bound to, judged by where it stands. The place gives the names of the members;
// the contract may have written `*` for some of them, and the value may not have been a string. The possibilities
// are tried in turn, the one first that was right for that place, or that depth, before.

enum {
	OPEN_PATH_MASKS_MAX = 64,  // choices of names that stand for `*`, per place
	OPEN_PATH_HINTS = 4096,    // places remembered; a power of two
	OPEN_PATH_DEPTH_MAX = 64,  // steps that are tried as `*`
	OPEN_PATH_TEXT_MAX = 4096, // bytes of a place; a longer one is cut
	OPEN_PATH_RAW = UINT16_MAX // CSV: the column's name as it is
};

struct open_paths;

/** NULL = no memory. */
struct open_paths *open_paths_new(void);
void open_paths_free(struct open_paths *paths);

/** A place under trial. */
struct open_place {
	struct view
		path; // names joined by `/`, escaped; `*` in arrays; at most OPEN_PATH_TEXT_MAX bytes
	uint32_t hash;  // of path
	uint16_t first; // possibility to try first
	uint8_t steps;  // that may stand for `*`
	bool is_csv;    // strings only; and the column's name may itself be a path
};

/** Begin. @param path borrowed as long as the place is */
struct open_place open_place_of(const struct open_paths *paths, struct view path, bool is_csv);

/**
 * The round's possibility.
 *
 * @param round      from 0
 * @param ret_choice which one it is, for open_paths_learn
 * @param ret_is_json the plain text is a token, not a string's text
 * @return false: there are no more
 */
bool open_place_try(
	const struct open_paths *paths,
	const struct open_place *place,
	uint32_t round,
	struct field_path *ret_path,
	uint16_t *ret_choice,
	bool *ret_is_json
);

/** That choice was right. */
void open_paths_learn(struct open_paths *paths, const struct open_place *place, uint16_t choice);
