#include "dataplane/batch/worker.h"

#include <assert.h>
#include <stdlib.h>

struct worker {
	struct turn turn;
	struct policy *policy;
	const struct chunk *chunk;  // under way
	struct chunk_cursor cursor; // in it
	struct view held; // a row that did not fit into the last turn; size 0 and bytes NULL: none
	uint64_t held_number;
};

enum sl_status worker_new(
	const struct worker_setup *setup,
	struct worker **ret_worker,
	struct problem *ret_problem
)
{
	struct worker *w = calloc(1, sizeof(*w));
	enum sl_status status = SL_E_NOMEM;

	if (w == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a worker");
	w->turn.batch = calloc(1, sizeof(*w->turn.batch));
	if (w->turn.batch != NULL) {
		w->turn.batch->scratch.capacity = turn_scratch_size();
		w->turn.batch->scratch.bytes = malloc(w->turn.batch->scratch.capacity);
	}
	if (w->turn.batch == NULL || w->turn.batch->scratch.bytes == NULL) {
		worker_free(w);
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a worker's turn");
	}
	w->turn.csv = setup->csv;
	w->turn.keys = setup->keys;
	w->turn.dead_key = setup->dead_key;
	status = policy_bind(setup->image, &w->policy, ret_problem);
	if (status == SL_OK)
		status = engine_new(&setup->engine, &w->turn.engine, ret_problem);
	if (status == SL_OK) {
		status = json_parser_new(JSON_AUTO, &w->turn.json);
		if (status != SL_OK)
			(void
			)!problem_set(ret_problem, status, "no parser: %s", status_text(status));
	}
	if (status != SL_OK) {
		worker_free(w);
		return status;
	}
	w->turn.policy = w->policy;
	*ret_worker = w;
	return SL_OK;
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	json_parser_free(w->turn.json);
	engine_free(w->turn.engine);
	policy_unbind(w->policy);
	if (w->turn.batch != NULL)
		free(w->turn.batch->scratch.bytes);
	free(w->turn.batch);
	free(w);
}

/** The next row of the chunk: the one held back, or the next of the text. */
static bool next_row(struct worker *w, struct view *ret_row, uint64_t *ret_number)
{
	if (w->held.bytes != NULL) {
		*ret_row = w->held;
		*ret_number = w->held_number;
		w->held = (struct view){0};
		return true;
	}
	if (!chunk_next_row(w->chunk, &w->cursor, ret_row))
		return false;
	*ret_number = w->cursor.number;
	return true;
}

/** Fill the next turn's rows. Returns the bytes of its frames; row_count 0 = the chunk is through. */
static size_t fill_turn(struct worker *w)
{
	struct batch *b = w->turn.batch;
	size_t bytes = 0;
	struct view row;
	uint64_t number;

	b->row_count = 0;
	b->scratch.size = 0;
	while (b->row_count < BATCH_MAX && next_row(w, &row, &number)) {
		if (bytes + row.size > TURN_BYTES_MAX) {
			w->held = row;
			w->held_number = number;
			break;
		}
		b->frame[b->row_count] = row;
		b->number[b->row_count] = number;
		b->offset[b->row_count] = chunk_row_offset(w->chunk, row);
		b->row_count++;
		bytes += row.size;
	}
	return bytes;
}

/** Give every room what a turn may need. */
static enum sl_status reserve_rooms(struct worker *w, size_t bytes, uint32_t rows)
{
	size_t size = turn_out_max(w->policy, bytes, rows);
	struct turn_out *out = &w->turn.out;

	SL_TRY(result_reserve(&out->sealed, size));
	SL_TRY(result_reserve(&out->dead, size));
	for (uint32_t v = 0; v < w->policy->image->views.count; v++)
		SL_TRY(result_reserve(&out->view[v], size));
	return SL_OK;
}

static enum sl_status run_turns(struct worker *w, uint64_t *bytes_in)
{
	for (;;) {
		size_t bytes = fill_turn(w);

		if (w->turn.batch->row_count == 0)
			return SL_OK;
		SL_TRY(reserve_rooms(w, bytes, w->turn.batch->row_count));
		turn_run(&w->turn);
		*bytes_in += bytes;
	}
}

static_assert(
	(int)INPUT_BLOCK_SIZE < (int)EVENT_SIZE_MAX,
	"the first piece of an oversize record, its tail and a block, has two parts"
);

/** Seal a piece of an oversize record: the first one is two dead letters, every other one is one. */
static void seal_oversize(struct worker *w, const struct chunk *chunk)
{
	uint32_t part = chunk->piece == 0 ? 1 : chunk->piece + 2;
	struct view left = chunk->bytes;
	uint64_t offset = chunk->offset;
	bool is_through;

	do {
		size_t size = left.size < EVENT_SIZE_MAX ? left.size : EVENT_SIZE_MAX;

		is_through = size == left.size;
		turn_seal_oversize(
			&w->turn,
			view_of(left.bytes, size),
			chunk->first_row,
			offset,
			part++,
			is_through && chunk->is_last
		);
		left = view_of(left.bytes + size, left.size - size);
		offset += size;
	} while (!is_through);
}

enum sl_status worker_run(
	struct worker *w,
	const struct chunk *chunk,
	struct chunk_cursor cursor,
	struct result *result
)
{
	enum sl_status status;

	w->chunk = chunk;
	w->cursor = cursor;
	w->held = (struct view){0};
	w->turn.out = result->out;
	w->turn.counts = (struct turn_counts){0};
	w->turn.first_drop = (struct turn_drop){0};
	w->turn.position_max = 0;
	if (chunk->is_oversize) {
		status = reserve_rooms(w, chunk->bytes.size, 1);
		result->bytes_in = chunk->bytes.size;
		if (status == SL_OK)
			seal_oversize(w, chunk);
	} else {
		status = run_turns(w, &result->bytes_in);
	}
	result->out = w->turn.out;
	result->counts = w->turn.counts;
	result->first_drop = w->turn.first_drop;
	result->position_max = w->turn.position_max;
	result->blank_rows = w->cursor.blank_count;
	return status;
}

const char *worker_engine_text(const struct worker *w)
{
	return engine_text(w->turn.engine);
}

const struct policy *worker_policy(const struct worker *w)
{
	return w->policy;
}
