#include "dataplane/batch/open.h"
#include "dataplane/batch/result.h"
#include "io/chunks.h"
#include "io/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	CSV_CR = 1 // bytes of a line end that an oversize piece may still have
};

/** A file on its way through the opener. */
struct opening {
	struct opener *opener;
	struct input *input;
	struct chunks *chunks;
	struct output *output;
	struct room long_row; // the pieces of a row that no chunk holds as a whole
	uint64_t long_number;
	bool has_header; // CSV: it was read
};

static enum sl_status put(void *self, struct view text, struct problem *ret_problem)
{
	struct opening *op = self;

	return output_put(op->output, text, ret_problem);
}

static enum sl_status take_row(
	struct opening *op,
	const struct chunk *chunk,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
)
{
	if (chunk->format == CHUNK_CSV && !op->has_header) {
		op->has_header = true;
		return opener_csv_header(op->opener, row, ret_problem);
	}
	return opener_row(op->opener, row, number, ret_problem);
}

/** Gather the pieces of a long row, and take it when it is whole. */
static enum sl_status take_piece(
	struct opening *op,
	const struct chunk *chunk,
	struct problem *ret_problem
)
{
	struct room *row = &op->long_row;
	enum sl_status status;

	if (row->size + chunk->bytes.size > OPEN_ROW_MAX) {
		status = problem_set(
			ret_problem,
			SL_E_TOO_BIG,
			"the row has more than %d bytes: no event becomes so long by sealing",
			OPEN_ROW_MAX
		);
		ret_problem->row = chunk->first_row;
		return status;
	}
	if (result_reserve(row, chunk->bytes.size + INPUT_PADDING) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a long row");
	room_put_view(row, chunk->bytes);
	if (!chunk->is_last)
		return SL_OK;
	if (chunk->format == CHUNK_CSV && row->size != 0 && row->bytes[row->size - 1] == '\r')
		row->size -= CSV_CR;
	memset(row->bytes + row->size, 0, INPUT_PADDING);
	status = take_row(op, chunk, view_of(row->bytes, row->size), chunk->first_row, ret_problem);
	if (status == SL_OK)
		status = opener_flush(op->opener, ret_problem);
	row->size = 0;
	return status;
}

static enum sl_status take_chunk(
	struct opening *op,
	const struct chunk *chunk,
	struct problem *ret_problem
)
{
	struct chunk_cursor cursor = {0};
	struct view row;

	if (chunk->is_oversize)
		return take_piece(op, chunk, ret_problem);
	while (chunk_next_row(chunk, &cursor, &row))
		SL_TRY(take_row(op, chunk, row, cursor.number, ret_problem));
	return opener_flush(op->opener, ret_problem);
}

static enum sl_status take_all(struct opening *op, struct problem *ret_problem)
{
	struct problem other;

	for (;;) {
		struct chunk chunk;
		enum sl_status status;

		SL_TRY(chunks_next(op->chunks, &chunk, ret_problem));
		if (chunk.is_end)
			return opener_end(op->opener, ret_problem);
		status = take_chunk(op, &chunk, ret_problem);
		// Whoever reads the stream gets what came before the bad row.
		if (status != SL_OK)
			(void)!opener_flush(op->opener, &other);
		chunk_release(&chunk);
		SL_TRY(status);
	}
}

/** Were there sealed texts, and did none of them open for want of the right keys? */
static enum sl_status check_keys(
	const struct open_setup *setup,
	const struct open_counts *counts,
	struct problem *ret_problem
)
{
	const uint64_t *fields = counts->fields;
	const uint64_t shut = fields[OPEN_NO_LINK] + fields[OPEN_NO_KEY] + fields[OPEN_FORGED];
	const char *what = setup->keys != NULL ? "keys file" : "vault";

	if (fields[OPEN_OPENED] != 0 || shut == 0)
		return SL_OK;
	if (fields[OPEN_NO_KEY] == shut) {
		(void)!problem_set(
			ret_problem,
			SL_E_FORGED,
			"none of the %" PRIu64
			" sealed fields could be opened: this %s has no keys of their purposes",
			shut,
			what
		);
		problem_remedy(ret_problem, "use keys that were exported for these purposes");
		return SL_E_FORGED;
	}
	(void)!problem_set(
		ret_problem,
		SL_E_FORGED,
		"none of the %" PRIu64
		" sealed fields could be opened: this %s is not of this file",
		shut,
		what
	);
	problem_remedy(
		ret_problem,
		setup->keys != NULL ? "use the keys file that the job wrote beside this file"
				    : "use the vault that the job wrote to"
	);
	return SL_E_FORGED;
}

static enum sl_status open_parts(
	struct opening *op,
	const struct open_setup *setup,
	const char *input,
	const char *output,
	struct problem *ret_problem
)
{
	static const struct chunks_options options = {.format = CHUNK_BY_FIRST_BYTE};

	SL_TRY(input_open(input, NULL, &op->input, ret_problem));
	if (chunks_open(op->input, &options, &op->chunks) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for reading");
	SL_TRY(output_open(output, NULL, &op->output, ret_problem));
	return opener_new(setup, put, op, &op->opener, ret_problem);
}

enum sl_status open_file(
	const struct open_setup *setup,
	const char *input,
	const char *output,
	struct open_counts *ret_counts,
	struct problem *ret_problem
)
{
	struct opening op = {0};
	enum sl_status status = open_parts(&op, setup, input, output, ret_problem);
	const char *name = strcmp(input, "-") == 0 ? "standard input" : input;
	bool is_row = false;

	*ret_counts = (struct open_counts){0};
	if (status == SL_OK) {
		status = take_all(&op, ret_problem);
		*ret_counts = *opener_counts(op.opener);
		is_row = status != SL_OK && ret_problem->file[0] == '\0';
	}
	if (is_row)
		problem_at_file(ret_problem, name);
	if (status == SL_OK) {
		status = check_keys(setup, ret_counts, ret_problem);
		if (status != SL_OK)
			problem_at_file(ret_problem, name);
	}
	if (status == SL_OK)
		status = output_finish(op.output, ret_problem);
	if (status == SL_OK)
		status = output_publish(op.output, ret_problem);
	opener_free(op.opener);
	chunks_free(op.chunks);
	output_free(op.output);
	input_free(op.input);
	free(op.long_row.bytes);
	return status;
}
