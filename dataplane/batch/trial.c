#include "dataplane/batch/trial.h"

#include "dataplane/pipeline/turn.h"

#include <stdlib.h>

/** The next chunk that has rows. SL_OK with has_chunk false at the end. */
static enum sl_status next_chunk(struct trial *t, struct problem *ret_problem)
{
	for (;;) {
		if (t->has_chunk)
			chunk_release(&t->chunk);
		t->has_chunk = false;
		t->cursor = (struct chunk_cursor){0};
		SL_TRY(chunks_next(t->chunks, &t->chunk, ret_problem));
		if (t->chunk.is_end)
			return SL_OK;
		t->has_chunk = true;
		if (!t->chunk.is_oversize)
			return SL_OK;
		if (t->chunk.piece == 0 && t->oversize_count++ == 0)
			t->oversize_first = t->chunk.first_row;
	}
}

static enum sl_status read_header(struct trial *t, struct problem *ret_problem)
{
	struct view row;

	SL_TRY(next_chunk(t, ret_problem));
	if (!t->has_chunk || !chunk_next_row(&t->chunk, &t->cursor, &row)) {
		(void)!problem_set(ret_problem, SL_E_SYNTAX, "there is no header row");
		problem_remedy(ret_problem, "begin the file with the names of its columns");
		return SL_E_SYNTAX;
	}
	return csv_header_read(row, t->image, &t->csv, ret_problem);
}

static enum sl_status open_events(struct trial *t, const char *file, struct problem *ret_problem)
{
	const struct chunks_options options = {
		.format = t->image->format == POLICY_CSV ? CHUNK_CSV : CHUNK_NDJSON,
		.delimiter = t->image->csv_separator,
	};

	SL_TRY(input_open(file, NULL, &t->input, ret_problem));
	if (chunks_open(t->input, &options, &t->chunks) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for reading");
	return t->image->format == POLICY_CSV ? read_header(t, ret_problem) : SL_OK;
}

static enum sl_status make_parts(struct trial *t, struct problem *ret_problem)
{
	SL_TRY(policy_bind(t->image, &t->policy, ret_problem));
	if (json_parser_new(JSON_AUTO, &t->parser) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a parser");
	t->batch = calloc(1, sizeof(*t->batch));
	if (t->batch != NULL) {
		t->batch->scratch.capacity = turn_scratch_size();
		t->batch->scratch.bytes = malloc(t->batch->scratch.capacity);
	}
	if (t->batch == NULL || t->batch->scratch.bytes == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a turn");
	return SL_OK;
}

enum sl_status trial_open(
	const struct contract *contract,
	const struct view_spec views[],
	uint32_t view_count,
	const char *file,
	struct problems *problems,
	struct trial *ret_trial
)
{
	struct trial t = {0};
	struct problem problem;
	enum sl_status status;

	SL_TRY(policy_compile(contract, views, view_count, NULL, problems, &t.image));
	status = make_parts(&t, &problem);
	if (status == SL_OK)
		status = open_events(&t, file, &problem);
	if (status != SL_OK) {
		if (problem.file[0] == '\0')
			problem_at_file(&problem, file);
		problems_add(problems, &problem);
		trial_close(&t);
		return status;
	}
	*ret_trial = t;
	return SL_OK;
}

void trial_close(struct trial *t)
{
	if (t->has_chunk)
		chunk_release(&t->chunk);
	if (t->batch != NULL)
		free(t->batch->scratch.bytes);
	free(t->batch);
	chunks_free(t->chunks);
	input_free(t->input);
	csv_header_free(t->csv);
	json_parser_free(t->parser);
	policy_unbind(t->policy);
	policy_image_free(t->image);
	*t = (struct trial){0};
}

enum sl_status trial_next(struct trial *t, uint32_t row_count_max, struct problem *ret_problem)
{
	struct batch *b = t->batch;
	struct view row;
	size_t bytes = 0;

	b->row_count = 0;
	b->scratch.size = 0;
	while (b->row_count == 0) {
		// Two rows of the greatest size fill a turn.
		while (b->row_count < row_count_max && bytes + EVENT_SIZE_MAX <= TURN_BYTES_MAX
		       && t->has_chunk && chunk_next_row(&t->chunk, &t->cursor, &row)) {
			b->frame[b->row_count] = row;
			b->number[b->row_count] = t->cursor.number;
			b->offset[b->row_count] = chunk_row_offset(&t->chunk, row);
			b->row_count++;
			bytes += row.size;
		}
		if (b->row_count != 0)
			break;
		SL_TRY(next_chunk(t, ret_problem));
		if (!t->has_chunk)
			break;
	}
	return SL_OK;
}
