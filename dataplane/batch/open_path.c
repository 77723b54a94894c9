#include "dataplane/batch/open_path.h"

#include "control/path.h"
#include "dataplane/pipeline/undeclared.h"

#include <stdlib.h>
#include <string.h>

static const char json_suffix[] = "~json";
static const char cut_suffix[] = "~cut";

enum {
	JSON_SUFFIX_SIZE = sizeof(json_suffix) - 1,
	CUT_SUFFIX_SIZE = sizeof(cut_suffix) - 1,
	MASKED_STEPS_MAX = 6 // up to here every choice of steps fits OPEN_PATH_MASKS_MAX
};

struct hint {
	uint32_t hash;
	uint16_t choice;
	bool is_used;
};

struct open_paths {
	uint64_t mask[OPEN_PATH_DEPTH_MAX + 1][OPEN_PATH_MASKS_MAX]; // bit s = step s is `*`
	uint8_t mask_count[OPEN_PATH_DEPTH_MAX + 1];
	uint16_t by_depth[OPEN_PATH_DEPTH_MAX + 1]; // choice that was right last
	struct hint hint[OPEN_PATH_HINTS];
};

/** The choices of `count` steps out of `steps`, after those that are there. */
static void add_masks(struct open_paths *p, uint32_t steps, uint32_t count)
{
	uint64_t mask = count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1;
	const uint64_t end = steps == 64 ? UINT64_MAX : (UINT64_C(1) << steps) - 1;

	while (mask <= end && p->mask_count[steps] < OPEN_PATH_MASKS_MAX) {
		uint64_t low = mask & -mask;
		uint64_t carried;

		p->mask[steps][p->mask_count[steps]++] = mask;
		if (mask == 0 || __builtin_add_overflow(mask, low, &carried))
			return;
		// The next larger number with as many bits set.
		mask = carried | (((mask ^ carried) >> 2) / low);
	}
}

struct open_paths *open_paths_new(void)
{
	struct open_paths *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	for (uint32_t steps = 0; steps <= OPEN_PATH_DEPTH_MAX; steps++)
		for (uint32_t count = 0; count <= steps && count <= MASKED_STEPS_MAX; count++)
			add_masks(p, steps, count);
	return p;
}

void open_paths_free(struct open_paths *p)
{
	free(p);
}

static uint32_t hash_of(struct view path)
{
	uint64_t h = path.size * 0x9e3779b97f4a7c15u;
	size_t at = 0;

	for (; at + 8 <= path.size; at += 8) {
		uint64_t word;

		memcpy(&word, path.bytes + at, 8);
		h = (h ^ word) * 0xff51afd7ed558ccdu;
		h ^= h >> 32;
	}
	for (; at < path.size; at++)
		h = (h ^ path.bytes[at]) * 0x100000001b3u;
	return (uint32_t)(h ^ h >> 32);
}

/** Steps that are names. */
static uint8_t count_names(struct view path)
{
	struct path_steps steps = path_steps_of(path);
	struct view step;
	uint8_t count = 0;

	while (path_next(&steps, &step))
		if (!path_is_each(step) && count < OPEN_PATH_DEPTH_MAX)
			count++;
	return count;
}

struct open_place open_place_of(const struct open_paths *p, struct view path, bool is_csv)
{
	struct open_place place = {
		.path = path,
		.hash = hash_of(path) ^ is_csv,
		.steps = count_names(path),
		.is_csv = is_csv,
	};
	const struct hint *hint = &p->hint[place.hash % OPEN_PATH_HINTS];

	if (hint->is_used && hint->hash == place.hash)
		place.first = hint->choice;
	else if (!is_csv && p->by_depth[place.steps] < 2 * p->mask_count[place.steps])
		place.first = p->by_depth[place.steps];
	return place;
}

void open_paths_learn(struct open_paths *p, const struct open_place *place, uint16_t choice)
{
	struct hint *hint = &p->hint[place->hash % OPEN_PATH_HINTS];

	*hint = (struct hint){.hash = place->hash, .choice = choice, .is_used = true};
	if (!place->is_csv)
		p->by_depth[place->steps] = choice;
}

/** The place with the steps of a mask written as `*`, and cut as sealing cuts it. */
static bool make_path(
	const struct open_place *place,
	uint64_t mask,
	bool is_json,
	struct field_path *ret_path
)
{
	uint8_t text[OPEN_PATH_TEXT_MAX + JSON_SUFFIX_SIZE];
	struct path_steps steps = path_steps_of(place->path);
	struct view step;
	uint32_t name = 0;
	size_t size = 0;
	bool is_first = true;

	while (path_next(&steps, &step)) {
		bool is_each = path_is_each(step);

		if (!is_first)
			text[size++] = '/';
		is_first = false;
		if (!is_each && name < 64 && (mask >> name & 1)) {
			text[size++] = '*';
		} else if (step.size != 0) {
			memcpy(text + size, step.bytes, step.size);
			size += step.size;
		}
		name += !is_each;
	}
	if (size > PATH_SIZE_MAX) {
		memcpy(text + UNDECLARED_NAME_KEPT, cut_suffix, CUT_SUFFIX_SIZE);
		size = UNDECLARED_NAME_KEPT + CUT_SUFFIX_SIZE;
	}
	if (size == 0)
		text[size++] = '~';
	if (is_json) {
		memcpy(text + size, json_suffix, JSON_SUFFIX_SIZE);
		size += JSON_SUFFIX_SIZE;
	}
	return field_path_init(view_of(text, size), ret_path);
}

/** A column's name that is itself a path of the contract. */
static bool make_raw(const struct open_place *place, struct field_path *ret_path)
{
	uint8_t name[OPEN_PATH_TEXT_MAX];
	size_t size = path_unescape(place->path, name);

	return size != place->path.size && size <= PATH_SIZE_MAX
		&& field_path_init(view_of(name, size), ret_path);
}

bool open_place_try(
	const struct open_paths *p,
	const struct open_place *place,
	uint32_t round,
	struct field_path *ret_path,
	uint16_t *ret_choice,
	bool *ret_is_json
)
{
	const uint32_t last = 2u * p->mask_count[place->steps];
	uint32_t choice = round;

	if (round == 0)
		choice = place->first;
	else if (place->first != OPEN_PATH_RAW && round <= place->first)
		choice = round - 1;
	else if (place->first == OPEN_PATH_RAW)
		choice = round - 1;
	*ret_is_json = false;
	if (place->is_csv && (choice == last || choice == OPEN_PATH_RAW)) {
		*ret_choice = OPEN_PATH_RAW;
		return make_raw(place, ret_path);
	}
	if (choice >= last || (place->is_csv && (choice & 1)))
		return false;
	*ret_choice = (uint16_t)choice;
	*ret_is_json = choice & 1;
	return make_path(place, p->mask[place->steps][choice >> 1], choice & 1, ret_path);
}
