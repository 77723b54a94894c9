#include "dataplane/batch/preview.h"

#include "crypto/secret.h"
#include "dataplane/batch/result.h"
#include "dataplane/batch/throwaway_keys.h"
#include "dataplane/batch/trial.h"
#include "dataplane/pipeline/rewrite.h"
#include "dataplane/pipeline/turn.h"

#include <stdlib.h>

/** A preview under way. */
struct previewing {
	const struct preview_setup *setup;
	struct trial trial;
	struct turn turn;
	struct throwaway_keys *keys;
	struct dead_letter_key dead_key; // of bad events, which nobody looks at
};

static enum sl_status open_turn(struct previewing *p, struct problem *ret_problem)
{
	const struct engine_options options = {0};

	SL_TRY(engine_new(&options, &p->turn.engine, ret_problem));
	if (throwaway_keys_new(p->turn.engine, p->trial.image, &p->keys) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for keys");
	engine_random(p->turn.engine, &p->dead_key, sizeof(p->dead_key));
	p->turn.batch = p->trial.batch;
	p->turn.policy = p->trial.policy;
	p->turn.json = p->trial.parser;
	p->turn.csv = p->trial.csv;
	p->turn.keys = throwaway_keys_source(p->keys);
	p->turn.dead_key = &p->dead_key;
	return SL_OK;
}

static void close_turn(struct previewing *p)
{
	throwaway_keys_free(p->keys);
	engine_free(p->turn.engine);
	free(p->turn.out.sealed.bytes);
	free(p->turn.out.dead.bytes);
	for (uint32_t v = 0; v < VIEWS_MAX; v++)
		free(p->turn.out.view[v].bytes);
	bytes_wipe(&p->dead_key, sizeof(p->dead_key));
}

static enum sl_status reserve_room(struct room *room, size_t size)
{
	room->size = 0;
	return result_reserve(room, size);
}

static enum sl_status reserve_rooms(struct previewing *p, size_t size)
{
	SL_TRY(reserve_room(&p->turn.out.sealed, size));
	SL_TRY(reserve_room(&p->turn.out.dead, size));
	for (uint32_t v = 0; v < p->setup->view_count; v++)
		SL_TRY(reserve_room(&p->turn.out.view[v], size));
	return SL_OK;
}

/** What a room holds, without its line end. */
static struct view line_of(const struct room *room)
{
	struct view line = view_of(room->bytes, room->size);

	while (line.size != 0
	       && (line.bytes[line.size - 1] == '\n' || line.bytes[line.size - 1] == '\r'))
		line.size--;
	return line;
}

static enum sl_status show_header(struct previewing *p)
{
	const struct csv_header *csv = p->trial.csv;
	size_t size = TURN_META_MAX;

	if (csv == NULL)
		return SL_OK;
	for (uint32_t n = 0; n < csv->column_count; n++)
		size += 2 * csv->columns[n].name.size + 3;
	SL_TRY(reserve_room(&p->turn.out.sealed, size));
	csv_write_header(p->trial.policy, csv, &p->turn.out.sealed);
	p->setup->header(p->setup->self, line_of(&p->turn.out.sealed));
	return SL_OK;
}

/** The event of a turn of one row. */
static void show_event(struct previewing *p)
{
	const struct batch *b = p->turn.batch;
	struct preview preview = {
		.number = b->number[0],
		.before = b->frame[0],
		.reason = b->reason[0],
		.field = b->reason_field[0],
	};

	if (preview.reason == DROP_NONE) {
		preview.consent = b->consent[0];
		preview.sealed = line_of(&p->turn.out.sealed);
		for (uint32_t v = 0; v < p->setup->view_count; v++) {
			preview.derived[v] = line_of(&p->turn.out.view[v]);
			if (p->turn.counts.view_withheld[v] != 0)
				preview.outcome[v] = PREVIEW_WITHHELD;
			else if (p->turn.counts.view_rows[v] == 0)
				preview.outcome[v] = PREVIEW_NO_CONSENT;
		}
	}
	p->setup->show(p->setup->self, &preview);
}

static enum sl_status show_events(struct previewing *p, struct problem *ret_problem)
{
	for (uint64_t n = 0; n < p->setup->row_count_max; n++) {
		size_t size;

		SL_TRY(trial_next(&p->trial, 1, ret_problem));
		if (p->turn.batch->row_count == 0)
			return SL_OK;
		size = turn_out_max(p->turn.policy, p->turn.batch->frame[0].size, 1);
		if (reserve_rooms(p, size) != SL_OK)
			return problem_set(ret_problem, SL_E_NOMEM, "no memory for an event");
		p->turn.counts = (struct turn_counts){0};
		turn_run(&p->turn);
		show_event(p);
	}
	return SL_OK;
}

enum sl_status preview_run(const struct preview_setup *setup, struct problems *problems)
{
	struct previewing p = {.setup = setup};
	struct problem problem;
	enum sl_status status;

	SL_TRY(trial_open(
		setup->contract, setup->views, setup->view_count, setup->file, problems, &p.trial
	));
	status = open_turn(&p, &problem);
	if (status == SL_OK && show_header(&p) != SL_OK)
		status = problem_set(&problem, SL_E_NOMEM, "no memory for the header row");
	if (status == SL_OK)
		status = show_events(&p, &problem);
	if (status != SL_OK)
		problems_add(problems, &problem);
	close_turn(&p);
	trial_close(&p.trial);
	return status;
}

uint32_t preview_views(
	const struct contract *contract,
	struct view_spec ret_views[static VIEWS_MAX]
)
{
	uint64_t all = 0;
	uint32_t count = 0;

	for (uint32_t f = 0; f < contract->field_count; f++)
		if (contract->fields[f].is_personal)
			all |= UINT64_C(1) << contract->fields[f].purpose;
	if (contract->undeclared == POLICY_UNDECLARED_SEAL)
		all |= UINT64_C(1) << contract->undeclared_purpose;
	for (uint64_t left = all; left != 0 && count < VIEWS_MAX - 1; left &= left - 1)
		ret_views[count++] =
			(struct view_spec){.purposes = left & -left, .kind = POLICY_GRANULAR};
	if (count > 1)
		ret_views[count++] = (struct view_spec){.purposes = all, .kind = POLICY_GRANULAR};
	return count;
}
