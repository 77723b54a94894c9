#include "dataplane/batch/sample.h"

#include "control/path.h"
#include "control/suggest.h"
#include "dataplane/batch/trial.h"
#include "dataplane/pipeline/record_parse.h"
#include "dataplane/pipeline/stages.h"
#include "io/base/clock.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	PATH_TEXT_MAX = 1024 // bytes of a path that is looked at
};

/** A sample under way. Sets are JSON objects: their keys are distinct and keep their order. */
struct sampling {
	const struct contract *contract;
	struct sample *sample;
	json_t *names;
	json_t *paths;
};

/** The steps of a path from step on, followed down a value. */
static bool leads_somewhere(const json_t *value, struct path_steps steps)
{
	struct view step;
	uint8_t name[PATH_SIZE_MAX + 1];
	const char *key;
	json_t *child;
	size_t size;
	size_t index;

	if (!path_next(&steps, &step))
		return true;
	if (path_is_each(step)) {
		json_array_foreach(
			value, index, child
		) if (leads_somewhere(child, steps)) return true;
		json_object_foreach(
			(json_t *)value, key, child
		) if (leads_somewhere(child, steps)) return true;
		return false;
	}
	size = path_unescape(step, name);
	name[size] = '\0';
	child = json_object_get(value, (const char *)name);
	return child != NULL && leads_somewhere(child, steps);
}

/** Is this path declared, or does a declared one go on from it or end above it? */
static bool is_declared(const struct sampling *s, struct view path)
{
	for (uint32_t f = 0; f < s->contract->field_count; f++) {
		struct path_steps wanted = path_steps_of(s->contract->fields[f].path);
		struct path_steps steps = path_steps_of(path);
		struct view a;
		struct view b;
		bool is_same = true;

		while (is_same && path_next(&wanted, &a) && path_next(&steps, &b))
			is_same = path_is_each(a) || view_equal(a, b);
		if (is_same)
			return true;
	}
	return false;
}

static void keep(json_t *set, size_t count_max, struct view text, bool *is_cut)
{
	char key[PATH_TEXT_MAX + 1];

	memcpy(key, text.bytes, text.size);
	key[text.size] = '\0';
	if (json_object_get(set, key) != NULL)
		return;
	if (json_object_size(set) == count_max)
		*is_cut = true;
	else
		json_object_set_new(set, key, json_true());
}

/** Note the undeclared paths below a value. @param path [size] of the value itself, in a buffer of PATH_TEXT_MAX */
static void note_paths(
	struct sampling *s,
	const json_t *value,
	uint8_t *path,
	size_t size,
	uint32_t depth
)
{
	const size_t start = size + (size != 0);
	const char *key;
	json_t *child;
	size_t index;

	if (depth == SAMPLE_DEPTH_MAX)
		return;
	if (size != 0 && start < PATH_TEXT_MAX)
		path[size] = '/';
	json_object_foreach((json_t *)value, key, child)
	{
		struct view name = view_of_text(key);
		size_t end;

		if (start + 2 * name.size > PATH_TEXT_MAX)
			continue;
		end = start + path_escape(name, path + start);
		if (!is_declared(s, view_of(path, end))) {
			keep(s->paths, SAMPLE_PATHS_MAX, view_of(path, end), &s->sample->is_cut);
			if (depth == 0)
				keep(s->names,
				     SAMPLE_NAMES_MAX,
				     view_of(path, end),
				     &s->sample->is_cut);
		}
		note_paths(s, child, path, end, depth + 1);
	}
	if (!json_is_array(value) || start + 1 > PATH_TEXT_MAX)
		return;
	path[start] = '*';
	json_array_foreach(value, index, child) note_paths(s, child, path, start + 1, depth + 1);
}

static void note_event(struct sampling *s, struct view row)
{
	uint8_t path[PATH_TEXT_MAX];
	json_t *event = json_loadb(
		(const char *)row.bytes,
		row.size,
		JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
		/* error= */ NULL
	);

	if (event == NULL)
		return;
	for (uint32_t f = 0; f < s->contract->field_count; f++)
		if (!s->sample->is_seen[f])
			s->sample->is_seen[f] =
				leads_somewhere(event, path_steps_of(s->contract->fields[f].path));
	note_paths(s, event, path, 0, 0);
	json_decref(event);
}

static void note_columns(struct sampling *s, const struct csv_header *csv)
{
	for (uint32_t n = 0; n < csv->column_count; n++) {
		struct view name = csv->columns[n].name;

		if (csv->columns[n].field != POLICY_NONE)
			s->sample->is_seen[csv->columns[n].field] = true;
		else if (name.size <= PATH_TEXT_MAX) {
			keep(s->names, SAMPLE_NAMES_MAX, name, &s->sample->is_cut);
			keep(s->paths, SAMPLE_PATHS_MAX, name, &s->sample->is_cut);
		}
	}
}

static void count_bad(struct sample *sample, enum drop_reason reason, uint64_t row, uint16_t field)
{
	struct sample_bad *bad = &sample->bad[reason];

	sample->rows_bad++;
	if (bad->count++ != 0)
		return;
	bad->first_row = row;
	bad->first_field = field;
}

static void note_turn(struct sampling *s, struct trial *t)
{
	struct batch *b = t->batch;

	begin(b);
	record_parse(b, t->policy, t->parser, t->csv);
	contract_match(b, t->policy, clock_wall_ms());
	s->sample->rows += b->row_count;
	for (uint32_t i = 0; i < b->row_count; i++) {
		if (b->reason[i] != DROP_NONE)
			count_bad(s->sample, b->reason[i], b->number[i], b->reason_field[i]);
		if (t->csv == NULL)
			note_event(s, b->frame[i]);
	}
}

/** The keys of a set as a list. */
static char **list_of(json_t *set, uint32_t *ret_count)
{
	char **list = calloc(json_object_size(set) + 1, sizeof(*list));
	const char *key;
	json_t *value;

	*ret_count = 0;
	if (list == NULL)
		return NULL;
	json_object_foreach(set, key, value)
	{
		list[*ret_count] = strdup(key);
		if (list[*ret_count] == NULL)
			break;
		++*ret_count;
	}
	return list;
}

static enum sl_status take_rows(
	struct sampling *s,
	struct trial *t,
	uint64_t rows_max,
	struct problem *ret_problem
)
{
	if (t->csv != NULL)
		note_columns(s, t->csv);
	while (s->sample->rows < rows_max) {
		uint64_t left = rows_max - s->sample->rows;

		SL_TRY(trial_next(t, left < BATCH_MAX ? (uint32_t)left : BATCH_MAX, ret_problem));
		if (t->batch->row_count == 0)
			break;
		note_turn(s, t);
	}
	for (uint64_t n = 0; n < t->oversize_count; n++)
		count_bad(s->sample, DROP_SIZE, t->oversize_first, POLICY_NONE);
	s->sample->rows += t->oversize_count;
	return SL_OK;
}

enum sl_status sample_take(
	const struct contract *contract,
	const char *file,
	uint64_t rows_max,
	struct problems *problems,
	struct sample *ret_sample
)
{
	struct sampling s = {
		.contract = contract,
		.sample = ret_sample,
		.names = json_object(),
		.paths = json_object()};
	struct problem problem;
	struct trial trial;
	enum sl_status status;

	*ret_sample = (struct sample){0};
	status = trial_open(contract, NULL, 0, file, problems, &trial);
	if (status == SL_OK) {
		status = take_rows(&s, &trial, rows_max, &problem);
		trial_close(&trial);
		if (status != SL_OK)
			problems_add(problems, &problem);
	}
	ret_sample->names = list_of(s.names, &ret_sample->name_count);
	ret_sample->paths = list_of(s.paths, &ret_sample->path_count);
	json_decref(s.names);
	json_decref(s.paths);
	if (status == SL_OK && (ret_sample->names == NULL || ret_sample->paths == NULL))
		status = SL_E_NOMEM;
	if (status != SL_OK)
		sample_done(ret_sample);
	return status;
}

static void free_list(char **list, uint32_t count)
{
	for (uint32_t i = 0; list != NULL && i < count; i++)
		free(list[i]);
	free(list);
}

void sample_done(struct sample *sample)
{
	free_list(sample->names, sample->name_count);
	free_list(sample->paths, sample->path_count);
	*sample = (struct sample){0};
}

const char *sample_suggest(const struct sample *sample, struct view path)
{
	return suggest_word(path, (const char *const *)sample->paths);
}
