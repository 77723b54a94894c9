#include "dataplane/pipeline/json_walk.h"

#include "dataplane/pipeline/json.h"
#include "io/base/limits.h"

#include <stdlib.h>
#include <string.h>

/** An array or object that is open. */
struct level {
	size_t path_size; // bytes of the path of the array or object itself
	bool is_object;
	bool is_path_cut; // that path did not fit
};

struct json_walk {
	struct view text;
	size_t at;
	uint32_t depth; // levels in use
	bool is_cut;    // the path of the value at hand did not fit
	bool is_in_meta;
	bool is_over; // the top has closed
	struct json_walk_meta meta;
	size_t path_size; // of the value at hand
	uint8_t path[JSON_WALK_PATH_MAX];
	uint8_t *name; // [name_capacity] decoded name of the member at hand; owned
	size_t name_capacity;
	struct level level[EVENT_DEPTH_MAX];
};

static const char meta_name[] = "strmMeta";

struct json_walk *json_walk_new(struct view text)
{
	struct json_walk *walk = calloc(1, sizeof(*walk));

	if (walk != NULL && !json_walk_begin(walk, text)) {
		json_walk_free(walk);
		return NULL;
	}
	return walk;
}

bool json_walk_begin(struct json_walk *w, struct view text)
{
	if (text.size > w->name_capacity) {
		uint8_t *name = realloc(w->name, text.size);

		if (name == NULL)
			return false;
		w->name = name;
		w->name_capacity = text.size;
	}
	w->text = text;
	w->at = 0;
	w->depth = 0;
	w->is_cut = false;
	w->is_in_meta = false;
	w->is_over = false;
	w->meta = (struct json_walk_meta){0};
	w->path_size = 0;
	return true;
}

void json_walk_free(struct json_walk *walk)
{
	if (walk == NULL)
		return;
	free(walk->name);
	free(walk);
}

struct json_walk_meta json_walk_meta(const struct json_walk *walk)
{
	return walk->meta;
}

/** The byte at hand; 0 behind the text. */
static uint8_t peek(const struct json_walk *w)
{
	return w->at < w->text.size ? w->text.bytes[w->at] : 0;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct json_walk *w)
{
	while (w->at < w->text.size && is_space(w->text.bytes[w->at]))
		w->at++;
}

/** Go past the string at hand, and give what lies between its quotes. */
static bool take_string(struct json_walk *w, struct view *ret_inside)
{
	size_t start = ++w->at;

	while (w->at < w->text.size && w->text.bytes[w->at] != '"')
		w->at += w->text.bytes[w->at] == '\\' ? 2 : 1;
	if (w->at >= w->text.size)
		return false;
	*ret_inside = view_of(w->text.bytes + start, w->at - start);
	w->at++;
	return true;
}

static void skip_plain(struct json_walk *w)
{
	for (; w->at < w->text.size; w->at++) {
		uint8_t c = w->text.bytes[w->at];

		if (c == ',' || c == ']' || c == '}' || is_space(c))
			return;
	}
}

static void put_byte(struct json_walk *w, uint8_t byte)
{
	if (w->path_size == sizeof(w->path))
		w->is_cut = true;
	else
		w->path[w->path_size++] = byte;
}

/** Begin the path of a child of the open array or object. */
static void begin_step(struct json_walk *w)
{
	const struct level *level = &w->level[w->depth - 1];

	w->path_size = level->path_size;
	w->is_cut = level->is_path_cut;
	if (w->depth > 1)
		put_byte(w, '/');
}

static void put_name(struct json_walk *w, struct view name)
{
	begin_step(w);
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.bytes[i];

		if (c == '~' || c == '/') {
			put_byte(w, '~');
			c = c == '~' ? '0' : '1';
		}
		put_byte(w, c);
	}
}

/** Take the name and colon of a member. */
static bool take_name(struct json_walk *w)
{
	size_t start = w->at;
	struct view inside;
	size_t size;

	if (peek(w) != '"' || !take_string(w, &inside))
		return false;
	size = json_unescape(inside, w->name);
	put_name(w, view_of(w->name, size));
	if (w->depth == 1) {
		w->is_in_meta = view_equal(view_of(w->name, size), view_of_text(meta_name));
		if (w->is_in_meta) {
			w->meta.member_start = start;
			w->meta.is_found = true;
		}
	}
	skip_space(w);
	if (peek(w) != ':')
		return false;
	w->at++;
	skip_space(w);
	if (w->depth == 1 && w->is_in_meta)
		w->meta.start = w->at;
	return true;
}

static bool open_level(struct json_walk *w)
{
	if (w->depth == EVENT_DEPTH_MAX)
		return false;
	w->level[w->depth++] = (struct level){
		.path_size = w->path_size,
		.is_object = peek(w) == '{',
		.is_path_cut = w->is_cut,
	};
	w->at++;
	return true;
}

/** Note the end of strmMeta when a value at the top has just ended. */
static void end_value(struct json_walk *w)
{
	if (w->depth == 1 && w->is_in_meta)
		w->meta.end = w->at;
}

/** Go on to the next value: commas, ends of arrays and objects, names. False = the text is over. */
static bool go_to_value(struct json_walk *w)
{
	for (;;) {
		uint8_t c;

		skip_space(w);
		c = peek(w);
		if (w->depth == 0)
			return c == '{' && !w->is_over;
		if (c == '}' || c == ']') {
			w->at++;
			w->depth--;
			w->is_over = w->depth == 0;
			end_value(w);
			continue;
		}
		if (c == ',') {
			w->at++;
			skip_space(w);
		}
		if (w->level[w->depth - 1].is_object)
			return take_name(w);
		begin_step(w);
		put_byte(w, '*');
		return w->at < w->text.size;
	}
}

bool json_walk_next(struct json_walk *walk, struct json_walk_string *ret_string)
{
	while (go_to_value(walk)) {
		size_t start = walk->at;
		uint8_t c = peek(walk);
		struct view inside;

		if (c == '{' || c == '[') {
			if (!open_level(walk))
				return false;
			continue;
		}
		if (c != '"') {
			skip_plain(walk);
			end_value(walk);
			if (walk->at == start)
				return false;
			continue;
		}
		if (!take_string(walk, &inside))
			return false;
		end_value(walk);
		*ret_string = (struct json_walk_string){
			.path = view_of(walk->path, walk->path_size),
			.start = start,
			.end = walk->at,
			.is_path_cut = walk->is_cut,
			.is_in_meta = walk->is_in_meta,
		};
		return true;
	}
	return false;
}
