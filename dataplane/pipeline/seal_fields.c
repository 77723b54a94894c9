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

static void collect(
	struct collector *to,
	uint32_t i,
	uint32_t c,
	const struct field_path *path,
	uint32_t purpose_index,
	uint8_t purpose,
	uint8_t iv
)
{
	struct batch *b = to->b;
	struct seal_burst *burst = &to->burst;
	uint32_t n = burst->count++;
	size_t sealed_size = field_sealed_size(b->text[c].size);

	burst->field_key[n] = b->key[i].key[1 + purpose_index];
	burst->iv_key[n] = iv == POLICY_IV_RANDOM ? NULL : b->key[i].key[0];
	burst->path[n] = path;
	burst->key_id[n] = tink_key_id(b->key[i].link, purpose);
	burst->text[n] = b->text[c];
	burst->sealed[n] = scratch_take(b, sealed_size);
	b->sealed[c].text = burst->sealed[n];
	b->sealed[c].size = (uint32_t)sealed_size;
	if (burst->count == FIELD_BURST_MAX)
		flush(to);
}

static void collect_declared(struct collector *to, uint32_t i, uint32_t c)
{
	const struct cell *cell = &to->b->cell[c];
	const struct policy_field *field = &to->policy->fields[cell->field];
	const struct policy_bound_field *bound = &to->policy->bound[cell->field];

	collect(to,
		i,
		c,
		cell->kind == CELL_STRING ? &bound->path : &bound->path_json,
		field->purpose_index,
		field->purpose,
		field->iv);
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

static void collect_undeclared(struct collector *to, uint32_t i, uint32_t c)
{
	const struct policy_image *image = to->policy->image;
	const struct cell *cell = &to->b->cell[c];
	struct field_path *path = &to->paths[to->burst.count];

	undeclared_path(
		image,
		to->csv != NULL ? 0 : cell->node,
		undeclared_name(to, i, cell),
		cell->kind == CELL_STRING,
		path
	);
	collect(to,
		i,
		c,
		path,
		image->undeclared_purpose_index,
		image->undeclared_purpose,
		POLICY_IV_DETERMINISTIC);
}

static void collect_row(struct collector *to, uint32_t i)
{
	const struct record *record = &to->b->record[i];
	bool is_undeclared_sealed = to->policy->image->undeclared == POLICY_UNDECLARED_SEAL;

	for (uint32_t n = 0; n < record->cell_count; n++) {
		uint32_t c = record->first_cell + n;
		const struct cell *cell = &to->b->cell[c];

		to->b->sealed[c].size = 0;
		if (cell->kind == CELL_NULL)
			continue;
		if (cell->flags & CELL_UNDECLARED) {
			if (is_undeclared_sealed)
				collect_undeclared(to, i, c);
		} else if (to->policy->fields[cell->field].flags & POLICY_FIELD_PERSONAL) {
			collect_declared(to, i, c);
		}
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
