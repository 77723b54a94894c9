#include "crypto/engine.h"
#include "crypto/tink.h"
#include "dataplane/pipeline/csv.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/put.h"
#include "dataplane/pipeline/stages.h"
#include "dataplane/pipeline/undeclared.h"
#include "io/base/attr.h"

#include <stdalign.h>

// All personal cells of the turn go through the engine together, FIELD_BURST_MAX at a time, so that its
// lanes run full. The cells' base64 lies in the turn's scratch; from there both the sealed event
// and the views take it.

/** Fields under collection. */
struct collector {
	struct batch *b;
	const struct policy *policy;
	const struct csv_header *csv;
	struct engine *engine;
	struct field_path *paths; // [FIELD_BURST_MAX] of undeclared cells of this burst, in scratch
	struct seal_burst burst;
};

static void flush(struct collector *to)
{
	engine_seal_fields(to->engine, &to->burst);
	to->burst.count = 0;
}

/** Room for the paths of a burst's undeclared cells. */
static struct field_path *scratch_paths(struct batch *b)
{
	uintptr_t align = alignof(struct field_path);

	scratch_take(b, -(uintptr_t)(b->scratch.bytes + b->scratch.size) % align);
	return (void *)scratch_take(b, FIELD_BURST_MAX * sizeof(struct field_path));
}

/** The decoded name of an undeclared member or column. */
static struct view undeclared_name(struct collector *to, uint32_t i, const struct cell *cell)
{
	const uint8_t *first = to->b->frame[i].bytes + cell->member_start + 1;
	const uint8_t *end = first;
	bool is_escaped = false;
	uint8_t *decoded;

	if (to->csv != NULL)
		return to->csv->columns[cell->node].name;
	for (; *end != '"'; end++) {
		if (*end == '\\') {
			is_escaped = true;
			end++;
		}
	}
	if (!is_escaped)
		return view_of(first, (size_t)(end - first));
	decoded = scratch_take(to->b, (size_t)(end - first));
	return view_of(decoded, json_unescape(view_of(first, (size_t)(end - first)), decoded));
}

/** How a cell is to be sealed. */
struct way {
	const struct field_path *path;
	uint32_t purpose_index;
	uint8_t purpose;
	uint8_t iv; // enum policy_iv
};

static struct way way_of_undeclared(struct collector *to, uint32_t i, const struct cell *cell)
{
	const struct policy_image *image = to->policy->image;
	struct field_path *path = &to->paths[to->burst.count];

	undeclared_path(
		image,
		to->csv != NULL ? 0 : cell->node,
		undeclared_name(to, i, cell),
		cell->kind == CELL_STRING,
		path
	);
	return (struct way){
		.path = path,
		.purpose_index = image->undeclared_purpose_index,
		.purpose = image->undeclared_purpose,
		.iv = POLICY_IV_DETERMINISTIC,
	};
}

/** Whether a cell is to be sealed, and how. */
static inline bool has_way(
	struct collector *to,
	uint32_t i,
	const struct cell *cell,
	struct way *ret_way
)
{
	const struct policy_field *field;
	const struct policy_bound_field *bound;

	if (cell->kind == CELL_NULL)
		return false;
	if (cell->flags & CELL_UNDECLARED) {
		if (to->policy->image->undeclared != POLICY_UNDECLARED_SEAL)
			return false;
		*ret_way = way_of_undeclared(to, i, cell);
		return true;
	}
	field = &to->policy->fields[cell->field];
	if ((field->flags & POLICY_FIELD_PERSONAL) == 0)
		return false;
	bound = &to->policy->bound[cell->field];
	ret_way->path = cell->kind == CELL_STRING ? &bound->path : &bound->path_json;
	ret_way->purpose_index = field->purpose_index;
	ret_way->purpose = field->purpose;
	ret_way->iv = field->iv;
	return true;
}

static inline void collect(struct collector *to, uint32_t i, uint32_t c, const struct way *way)
{
	struct batch *b = to->b;
	const struct key_entry *key = &b->key[i];
	struct seal_burst *burst = &to->burst;
	uint32_t n = burst->count;
	struct view text = b->text[c];
	size_t sealed_size = field_sealed_size(text.size);
	uint8_t *sealed = scratch_take(b, sealed_size);

	burst->field_key[n] = key->key[1 + way->purpose_index];
	burst->iv_key[n] = way->iv == POLICY_IV_RANDOM ? NULL : key->key[0];
	burst->path[n] = way->path;
	burst->key_id[n] = tink_key_id(key->link, way->purpose);
	burst->text[n] = text;
	burst->sealed[n] = sealed;
	b->sealed[c].text = sealed;
	b->sealed[c].size = (uint32_t)sealed_size;
	burst->count = n + 1;
	if (n + 1 == FIELD_BURST_MAX)
		flush(to);
}

static void collect_row(struct collector *to, uint32_t i)
{
	struct batch *b = to->b;
	uint32_t c = b->record[i].first_cell;
	uint32_t end = c + b->record[i].cell_count;

	for (; c < end; c++) {
		struct way way;

		if (has_way(to, i, &b->cell[c], &way))
			collect(to, i, c, &way);
		else
			b->sealed[c].size = 0;
	}
}

void seal_fields(
	struct batch *b,
	const struct policy *policy,
	const struct csv_header *csv,
	struct engine *engine
)
{
	UNINITIALIZED struct collector to;

	to.b = b;
	to.policy = policy;
	to.csv = csv;
	to.engine = engine;
	to.burst.count = 0;
	if (policy->image->undeclared == POLICY_UNDECLARED_SEAL)
		to.paths = scratch_paths(b);
	batch_foreach_live (b, n, i)
		collect_row(&to, i);
	if (to.burst.count != 0)
		flush(&to);
}
