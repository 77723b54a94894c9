#include "crypto/base64.h"
#include "crypto/secret.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"
#include "dataplane/batch/opener.h"
#include "dataplane/batch/result.h"
#include "io/input.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEAD_TEXT_SIZE = 8, // base64 of the first six bytes, which hold the key id
	HEAD_SIZE = 6,
	PURPOSE_MASK = 63
};

bool open_looks_sealed(struct view text)
{
	return text.size >= HEAD_TEXT_SIZE && text.bytes[0] == 'A' && text.bytes[1] >= 'Q'
		&& text.bytes[1] <= 'f';
}

/** The key id that a text names. */
static bool read_key_id(struct view text, uint32_t *ret_id)
{
	uint8_t head[HEAD_SIZE];

	if (base64_decode(view_of(text.bytes, HEAD_TEXT_SIZE), head) != HEAD_SIZE || head[0] != 1)
		return false;
	*ret_id = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8
		| head[4];
	return true;
}

/** Of a size that a sealed text can have. */
static bool has_sealed_size(struct view text)
{
	return text.size % 4 == 0 && text.size >= field_sealed_size(0)
		&& field_text_size_max(text.size) <= FIELD_TEXT_MAX + 2;
}

bool open_add_cell(struct opener *o, struct view text, struct view path, bool is_csv)
{
	if (o->cell_count == o->cell_capacity) {
		size_t capacity = o->cell_capacity == 0 ? OPEN_CELLS_MANY : 2 * o->cell_capacity;
		struct open_cell *cells = realloc(o->cells, capacity * sizeof(*cells));

		if (cells == NULL)
			return false;
		o->cells = cells;
		o->cell_capacity = capacity;
	}
	if (path.size > OPEN_PATH_TEXT_MAX)
		path.size = OPEN_PATH_TEXT_MAX;
	if (result_reserve(&o->path_text, path.size) != SL_OK)
		return false;
	o->cells[o->cell_count++] = (struct open_cell){
		.text = text,
		.place = {.path = {.size = path.size}, .is_csv = is_csv},
		.path_at = o->path_text.size,
		.row = (uint32_t)o->row_count,
	};
	room_put_view(&o->path_text, path);
	return true;
}

struct open_row *open_begin_row(struct opener *o, struct view text, uint64_t number)
{
	struct open_row *row = &o->rows[o->row_count];

	*row = (struct open_row){.text = text, .number = number, .first_cell = o->cell_count};
	return row;
}

/** Where a cell stands; not before the group's paths have stopped growing. */
static struct view path_of(const struct opener *o, const struct open_cell *cell)
{
	return view_of(o->path_text.bytes + cell->path_at, cell->place.path.size);
}

/** Is this cell the event's own sealed text, or must it be one? */
static bool is_sealed(const struct opener *o, const struct open_row *row, struct open_cell *cell)
{
	uint32_t id;

	if (!read_key_id(cell->text, &id))
		return false;
	cell->purpose = id & PURPOSE_MASK;
	cell->is_ours = id == tink_key_id(row->link, cell->purpose);
	if (cell->is_ours)
		return true;
	// Somebody's text of the same form, and none of ours; but where the contract wants a sealed text, it is
	// one that was damaged.
	cell->state = OPEN_FORGED;
	return has_sealed_size(cell->text) && row->contract != NULL
		&& open_contract_field(row->contract, path_of(o, cell), cell->place.is_csv) != NULL;
}

bool open_close_row(struct opener *o, struct open_row *row, struct view link, struct view ref)
{
	size_t kept = row->first_cell;

	if (link.size != UUID_TEXT_SIZE || !uuid_read((const char *)link.bytes, row->link))
		return false;
	row->contract = open_contracts_find(o->contracts, ref);
	o->counts.is_contract_known = o->counts.is_contract_known && row->contract != NULL;
	for (size_t i = row->first_cell; i < o->cell_count; i++) {
		o->cells[kept] = o->cells[i];
		kept += is_sealed(o, row, &o->cells[kept]);
	}
	o->cell_count = kept;
	row->cell_count = kept - row->first_cell;
	o->row_count++;
	return true;
}

/** Settle what is known without a trial: purposes and sizes. Texts get their room. */
static enum sl_status prepare(struct opener *o)
{
	size_t size = 0;

	for (size_t i = 0; i < o->cell_count; i++) {
		struct open_cell *cell = &o->cells[i];

		if (cell->state != OPEN_PENDING)
			continue;
		if ((o->setup.purposes >> cell->purpose & 1) == 0) {
			cell->state = OPEN_NOT_ASKED;
		} else if (!has_sealed_size(cell->text)) {
			cell->state = OPEN_FORGED;
		} else {
			cell->opened_at = size;
			size += field_text_size_max(cell->text.size);
			cell->place = open_place_of(o->paths, path_of(o, cell), cell->place.is_csv);
		}
	}
	o->opened.size = 0;
	return result_reserve(&o->opened, size + INPUT_PADDING);
}

static void run_burst(struct opener *o)
{
	struct open_burst *burst = o->burst;

	if (burst->count == 0)
		return;
	engine_open_fields(o->engine, burst);
	for (uint32_t n = 0; n < burst->count; n++) {
		struct open_cell *cell = &o->cells[o->burst_cell[n]];

		if (!burst->is_opened[n])
			continue;
		cell->state = OPEN_OPENED;
		cell->opened_size = burst->text_size[n];
		cell->is_json = o->burst_is_json[n];
		open_paths_learn(o->paths, &cell->place, o->burst_choice[n]);
	}
	burst->count = 0;
}

/** Put a cell's next trial into the burst, or settle it. */
static enum sl_status try_cell(struct opener *o, size_t at, struct problem *ret_problem)
{
	struct open_cell *cell = &o->cells[at];
	const struct open_row *row = &o->rows[cell->row];
	const uint32_t n = o->burst->count;
	uint8_t *key = o->burst_key + n * KEY_SIZE;
	enum sl_status status =
		open_keys_find(o->keys, row->link, cell->purpose, &cell->state, key);

	if (status != SL_OK)
		return open_row_problem(
			ret_problem,
			status == SL_E_NOMEM || status == SL_E_IO ? status : SL_E_FORGED,
			row->number,
			"the vault can not give this event's key",
			"restore the vault from a backup"
		);
	if (cell->state != OPEN_PENDING)
		return SL_OK;
	// A possibility that no path can be made of is one less.
	while (!open_place_try(
		o->paths,
		&cell->place,
		cell->round,
		&o->burst_path[n],
		&o->burst_choice[n],
		&o->burst_is_json[n]
	)) {
		if (cell->round++ > 2 * OPEN_PATH_MASKS_MAX) {
			cell->state = OPEN_FORGED;
			return SL_OK;
		}
	}
	cell->round++;
	o->burst_cell[n] = at;
	o->burst->field_key[n] = key;
	o->burst->path[n] = &o->burst_path[n];
	o->burst->key_id[n] = tink_key_id(row->link, cell->purpose);
	o->burst->sealed[n] = cell->text;
	o->burst->text[n] = o->opened.bytes + cell->opened_at;
	if (++o->burst->count == FIELD_BURST_MAX)
		run_burst(o);
	return SL_OK;
}

enum sl_status open_cells(struct opener *o, struct problem *ret_problem)
{
	bool is_pending = true;

	if (prepare(o) != SL_OK)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for opened fields");
	o->burst->count = 0;
	while (is_pending) {
		is_pending = false;
		for (size_t i = 0; i < o->cell_count; i++) {
			if (o->cells[i].state != OPEN_PENDING)
				continue;
			is_pending = true;
			SL_TRY(try_cell(o, i, ret_problem));
		}
		run_burst(o);
	}
	bytes_wipe(o->burst_key, FIELD_BURST_MAX * KEY_SIZE);
	return SL_OK;
}

enum sl_status open_rest_of(
	struct opener *o,
	const struct open_row *row,
	const struct open_cell *cell,
	enum open_rest *ret_rest,
	struct view *ret_value,
	struct problem *ret_problem
)
{
	const struct contract_field *field = row->contract == NULL
		? NULL
		: open_contract_field(row->contract, path_of(o, cell), cell->place.is_csv);

	*ret_rest = OPEN_KEEP;
	o->counts.fields[cell->state]++;
	if (field == NULL || field->unreadable == POLICY_UNREADABLE_SEALED)
		return SL_OK;
	if (field->unreadable == POLICY_UNREADABLE_FAIL) {
		(void)!problem_set(
			ret_problem,
			SL_E_BAD_ROWS,
			"the field %.*s can not be opened, and its contract says `unreadable: "
			"fail`",
			YAML_ARG(field->path)
		);
		problem_remedy(
			ret_problem,
			"open it with keys that have purpose %u, or change `unreadable` in the "
			"contract",
			field->purpose
		);
		ret_problem->row = row->number;
		return SL_E_BAD_ROWS;
	}
	o->counts.replaced++;
	*ret_rest = field->unreadable == POLICY_UNREADABLE_NULL ? OPEN_NULL : OPEN_VALUE;
	*ret_value = field->unreadable_value;
	return SL_OK;
}
