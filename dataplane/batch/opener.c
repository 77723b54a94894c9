#include "dataplane/batch/opener.h"

#include "crypto/secret.h"
#include "dataplane/batch/result.h"

#include <stdlib.h>
#include <string.h>

static const char letter_start[] = "{\"deadLetter\":";

enum {
	LETTER_START_SIZE = sizeof(letter_start) - 1
};

enum sl_status open_row_problem(
	struct problem *ret_problem,
	enum sl_status status,
	uint64_t number,
	const char *what,
	const char *remedy
)
{
	(void)!problem_set(ret_problem, status, "%s", what);
	problem_remedy(ret_problem, "%s", remedy);
	ret_problem->row = number;
	return status;
}

static enum sl_status make_parts(struct opener *o, struct problem *ret_problem)
{
	enum sl_status status = engine_new(&o->setup.engine, &o->engine, ret_problem);

	if (status != SL_OK)
		return status;
	o->burst = calloc(1, sizeof(*o->burst));
	o->burst_path = calloc(FIELD_BURST_MAX, sizeof(*o->burst_path));
	o->burst_key = secret_new(FIELD_BURST_MAX * KEY_SIZE);
	o->paths = open_paths_new();
	o->walk = json_walk_new(view_of_text("{}"));
	if (o->burst == NULL || o->burst_path == NULL || o->burst_key == NULL || o->paths == NULL
	    || o->walk == NULL)
		status = SL_E_NOMEM;
	if (status == SL_OK)
		status = open_keys_new(&o->setup, &o->keys);
	if (status == SL_OK)
		status = open_contracts_new(&o->setup, &o->contracts);
	if (status == SL_OK)
		status = json_parser_new(JSON_AUTO, &o->parser);
	if (status != SL_OK)
		return problem_set(
			ret_problem, status, "opening can not start: %s", status_text(status)
		);
	return SL_OK;
}

enum sl_status opener_new(
	const struct open_setup *setup,
	open_put_fn *put,
	void *self,
	struct opener **ret_opener,
	struct problem *ret_problem
)
{
	struct opener *o = calloc(1, sizeof(*o));
	enum sl_status status;

	if (o == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for opening");
	o->setup = *setup;
	o->put = put;
	o->self = self;
	o->counts.is_contract_known = true;
	status = make_parts(o, ret_problem);
	if (status != SL_OK) {
		opener_free(o);
		return status;
	}
	*ret_opener = o;
	return SL_OK;
}

void opener_free(struct opener *o)
{
	if (o == NULL)
		return;
	open_contracts_free(o->contracts);
	open_keys_free(o->keys);
	open_paths_free(o->paths);
	json_walk_free(o->walk);
	json_parser_free(o->parser);
	engine_free(o->engine);
	secret_free(o->burst_key, FIELD_BURST_MAX * KEY_SIZE);
	free(o->burst_path);
	free(o->burst);
	free(o->cells);
	free(o->path_text.bytes);
	free(o->opened.bytes);
	free(o->out.bytes);
	open_columns_done(&o->columns);
	free(o);
}

bool open_out(struct opener *o, struct view text)
{
	if (result_reserve(&o->out, text.size) != SL_OK)
		return false;
	room_put_view(&o->out, text);
	return true;
}

static enum sl_status put_out(struct opener *o, struct problem *ret_problem)
{
	struct view text = view_of(o->out.bytes, o->out.size);

	o->out.size = 0;
	return text.size == 0 ? SL_OK : o->put(o->self, text, ret_problem);
}

static bool is_csv(const struct opener *o)
{
	return o->columns.count != 0;
}

enum sl_status opener_flush(struct opener *o, struct problem *ret_problem)
{
	const size_t row_count = o->row_count;
	enum sl_status status = open_cells(o, ret_problem);
	struct problem other;

	for (size_t i = 0; i < row_count && status == SL_OK; i++) {
		const struct open_row *row = &o->rows[i];
		const size_t out_size = o->out.size;

		status = is_csv(o) ? open_csv_write(o, row, ret_problem)
				   : open_json_write(o, row, ret_problem);
		if (status != SL_OK)
			o->out.size = out_size; // the rows before it are good
		else if (o->out.size >= OPEN_OUT_MANY)
			status = put_out(o, ret_problem);
	}
	o->row_count = 0;
	o->cell_count = 0;
	o->path_text.size = 0;
	if (status == SL_OK)
		return put_out(o, ret_problem);
	(void)!put_out(o, &other);
	return status;
}

static bool is_letter(struct view row)
{
	return row.size >= LETTER_START_SIZE
		&& memcmp(row.bytes, letter_start, LETTER_START_SIZE) == 0;
}

enum sl_status opener_row(
	struct opener *o,
	struct view row,
	uint64_t number,
	struct problem *ret_problem
)
{
	const size_t cell_count = o->cell_count;
	const size_t row_count = o->row_count;
	enum sl_status status;

	if (!is_csv(o) && is_letter(row)) {
		SL_TRY(opener_flush(o, ret_problem));
		return open_letter_row(o, row, number, ret_problem);
	}
	if (o->letter.part != 0)
		return opener_end(o, ret_problem);
	status = is_csv(o) ? open_csv_row(o, row, number, ret_problem)
			   : open_json_row(o, row, number, ret_problem);
	if (status != SL_OK) {
		// The rows before it are good.
		o->cell_count = cell_count;
		o->row_count = row_count;
		return status;
	}
	if (o->row_count == OPEN_ROWS_MAX || o->cell_count >= OPEN_CELLS_MANY)
		return opener_flush(o, ret_problem);
	return SL_OK;
}

enum sl_status opener_end(struct opener *o, struct problem *ret_problem)
{
	SL_TRY(opener_flush(o, ret_problem));
	if (o->letter.part == 0)
		return SL_OK;
	return open_row_problem(
		ret_problem,
		SL_E_SYNTAX,
		0,
		"the last part of a dead letter is missing",
		"take the file from where it was written once more"
	);
}

const struct open_counts *opener_counts(const struct opener *o)
{
	return &o->counts;
}
