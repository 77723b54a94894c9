#include "tests/support/turn_rig.h"

#include "crypto/base64.h"
#include "crypto/tink.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void give_up(const char *what)
{
	fprintf(stderr, "turn_rig: %s\n", what);
	abort();
}

static void *must(void *memory)
{
	if (memory == NULL)
		give_up("out of memory");
	return memory;
}

static struct csv_header *read_header(const char *text, const struct policy_image *image)
{
	char *padded = must(calloc(1, strlen(text) + BATCH_FRAME_PADDING));
	struct csv_header *header;
	struct problem problem;

	memcpy(padded, text, strlen(text));
	if (csv_header_read(view_of(padded, strlen(text)), image, &header, &problem) != SL_OK)
		give_up(problem.what);
	free(padded);
	return header;
}

struct turn_rig *turn_rig_new(const struct build *build, const char *csv_header)
{
	struct turn_rig *rig = must(calloc(1, sizeof(*rig)));
	const struct engine_options options = {.cpu = CPU_AUTO};
	struct problem problem;

	rig->image = policy_build(build);
	if (policy_bind(rig->image, &rig->policy, &problem) != SL_OK
	    || engine_new(&options, &rig->engine, &problem) != SL_OK)
		give_up(problem.what);
	rig->keys = memory_keys_new(rig->engine, rig->image, RIG_KEYS_MAX);
	rig->batch = must(calloc(1, sizeof(*rig->batch)));
	rig->scratch = guarded_new(turn_scratch_size());
	rig->batch->scratch.bytes = rig->scratch.bytes;
	rig->batch->scratch.capacity = rig->scratch.size;
	engine_random(rig->engine, &rig->dead_key, sizeof(rig->dead_key));
	rig->turn.batch = rig->batch;
	rig->turn.policy = rig->policy;
	rig->turn.engine = rig->engine;
	rig->turn.keys = rig->keys->source;
	rig->turn.dead_key = &rig->dead_key;
	if (csv_header != NULL) {
		rig->csv = read_header(csv_header, rig->image);
		rig->turn.csv = rig->csv;
	} else if (json_parser_new(JSON_AUTO, &rig->turn.json) != SL_OK) {
		give_up("no parser");
	}
	return rig;
}

static void free_buffers(struct guarded buffers[], uint32_t count)
{
	for (uint32_t n = 0; n < count; n++)
		if (buffers[n].map != NULL)
			guarded_free(&buffers[n]);
}

void turn_rig_free(struct turn_rig *rig)
{
	if (rig == NULL)
		return;
	free_buffers(rig->frame, BATCH_MAX);
	free_buffers(rig->rooms, 2 + VIEWS_MAX);
	guarded_free(&rig->scratch);
	json_parser_free(rig->turn.json);
	csv_header_free(rig->csv);
	memory_keys_free(rig->keys);
	engine_free(rig->engine);
	policy_unbind(rig->policy);
	free(rig->batch);
	free(rig->image);
	free(rig);
}

static void open_rooms(struct turn_rig *rig, size_t capacity)
{
	struct turn_out *out = &rig->turn.out;

	free_buffers(rig->rooms, 2 + VIEWS_MAX);
	for (uint32_t n = 0; n < 2 + rig->image->views.count; n++) {
		struct room *room = n == 0 ? &out->sealed : n == 1 ? &out->dead : &out->view[n - 2];

		rig->rooms[n] = guarded_new(capacity);
		*room = (struct room){.bytes = rig->rooms[n].bytes, .capacity = capacity};
	}
}

void turn_rig_run(struct turn_rig *rig, const struct view rows[], uint32_t count)
{
	struct batch *b = rig->batch;
	size_t bytes = 0;

	free_buffers(rig->frame, BATCH_MAX);
	b->row_count = count;
	for (uint32_t i = 0; i < count; i++) {
		rig->frame[i] = guarded_new(rows[i].size + BATCH_FRAME_PADDING);
		memcpy(rig->frame[i].bytes, rows[i].bytes, rows[i].size);
		memset(rig->frame[i].bytes + rows[i].size, '"', BATCH_FRAME_PADDING);
		b->frame[i] = view_of(rig->frame[i].bytes, rows[i].size);
		b->number[i] = i + 1;
		b->offset[i] = bytes;
		bytes += rows[i].size;
	}
	open_rooms(rig, turn_out_max(rig->policy, bytes, count));
	turn_run(&rig->turn);
}

void turn_rig_run_text(struct turn_rig *rig, const char *row)
{
	struct view rows[] = {view_of_text(row)};

	turn_rig_run(rig, rows, 1);
}

char *turn_rig_line(const struct room *room, uint32_t n)
{
	const uint8_t *at = room->bytes;
	const uint8_t *end = room->bytes + room->size;
	const uint8_t *newline;

	for (; n > 0 && at != end; n--) {
		newline = memchr(at, '\n', (size_t)(end - at));
		at = newline == NULL ? end : newline + 1;
	}
	newline = at == end ? NULL : memchr(at, '\n', (size_t)(end - at));
	if (newline != NULL && newline > at && newline[-1] == '\r')
		newline--;
	return must(strndup((const char *)at, (size_t)((newline == NULL ? end : newline) - at)));
}

/** Try one path and key; the size of the text, or SIZE_MAX. */
static size_t try_open(
	struct turn_rig *rig,
	struct view sealed,
	const struct field_path *path,
	const uint8_t *key,
	uint32_t key_id,
	uint8_t *ret_text
)
{
	struct open_burst burst = {
		.count = 1,
		.field_key = {key},
		.path = {path},
		.key_id = {key_id},
		.sealed = {sealed},
		.text = {ret_text},
	};

	return engine_open_fields(rig->engine, &burst) == 1 ? burst.text_size[0] : SIZE_MAX;
}

static size_t try_path(
	struct turn_rig *rig,
	uint32_t i,
	struct view sealed,
	const struct field_path *path,
	uint8_t *ret_text
)
{
	const struct key_entry *key = &rig->batch->key[i];
	size_t size = SIZE_MAX;

	for (uint32_t p = 0; p < rig->image->purposes.count && size == SIZE_MAX; p++)
		size = try_open(
			rig,
			sealed,
			path,
			key->key[1 + p],
			tink_key_id(key->link, rig->policy->purposes[p]),
			ret_text
		);
	return size;
}

/** Open a sealed text by trying paths; *ret_is_string tells which kind of path it was. */
static size_t try_paths(
	struct turn_rig *rig,
	uint32_t i,
	struct view sealed,
	const char *const extra[],
	uint8_t *ret_text,
	bool *ret_is_string
)
{
	struct field_path path;
	size_t size = SIZE_MAX;

	for (uint32_t f = 0; f < rig->image->fields.count && size == SIZE_MAX; f++) {
		*ret_is_string = true;
		size = try_path(rig, i, sealed, &rig->policy->bound[f].path, ret_text);
		if (size != SIZE_MAX)
			return size;
		*ret_is_string = false;
		size = try_path(rig, i, sealed, &rig->policy->bound[f].path_json, ret_text);
	}
	for (; extra != NULL && *extra != NULL && size == SIZE_MAX; extra++) {
		if (!field_path_init(view_of_text(*extra), &path))
			give_up("extra path");
		*ret_is_string = strstr(*extra, "~json") == NULL;
		size = try_path(rig, i, sealed, &path, ret_text);
	}
	return size;
}

/** Past the closing quote of the string that begins at text. */
static const char *string_end(const char *text)
{
	for (text++; *text != '"'; text++)
		text += *text == '\\';
	return text + 1;
}

char *turn_rig_open(struct turn_rig *rig, uint32_t i, const char *line, const char *const extra[])
{
	char *opened = must(malloc(6 * strlen(line) + 1));
	uint8_t *text = must(malloc(strlen(line) + 64));
	const char *meta = strstr(line, "\"strmMeta\":");
	size_t size = 0;

	while (*line != 0) {
		const char *end = *line == '"' ? string_end(line) : line + 1;
		struct view sealed = view_of(line + 1, (size_t)(end - line) - 1);
		size_t text_size = SIZE_MAX;
		bool is_string;

		if (line == meta || (line[0] == ',' && line + 1 == meta)) {
			line = strchr(line, '}') + 1;
			continue;
		}
		if (*line == '"') {
			sealed.size--;
			text_size = try_paths(rig, i, sealed, extra, text, &is_string);
		}
		if (text_size == SIZE_MAX) {
			memcpy(opened + size, line, (size_t)(end - line));
			size += (size_t)(end - line);
		} else if (is_string) {
			opened[size++] = '"';
			size += json_escape(view_of(text, text_size), (uint8_t *)opened + size);
			opened[size++] = '"';
		} else {
			memcpy(opened + size, text, text_size);
			size += text_size;
		}
		line = end;
	}
	opened[size] = 0;
	free(text);
	return opened;
}

char *turn_rig_open_dead(struct turn_rig *rig, const char *line, size_t *ret_size)
{
	const char *event = strstr(line, "\"},\"event\":\"");
	struct field_path path;
	char *text;

	if (event == NULL || !field_path_init(view_of_text("deadLetter"), &path))
		return NULL;
	event += strlen("\"},\"event\":\"");
	text = must(malloc(strlen(event) + 64));
	*ret_size = try_open(
		rig,
		view_of(event, strcspn(event, "\"")),
		&path,
		rig->dead_key.field_key,
		tink_key_id(rig->dead_key.link, 0),
		(uint8_t *)text
	);
	if (*ret_size == SIZE_MAX) {
		free(text);
		return NULL;
	}
	text[*ret_size] = 0;
	return text;
}
