#include "control/policy_compile.h"

#include "control/path.h"
#include "control/policy_writer.h"
#include "control/suggest.h"
#include "control/time_pattern.h"
#include "control/zone.h"
#include "crypto/mask.h"
#include "crypto/secret.h"

/** One compilation. */
struct compiler {
	const struct contract *contract;
	const struct contract_time *time;
	const struct contract_consent *consent;
	const struct contract_field *fields[CONTRACT_FIELDS_MAX]; // declared, then implied
	struct contract_field implied[2];                         // of the job's time and consent
	uint32_t implied_count;
	uint32_t field_count;
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	uint32_t purpose_count;
	struct problems *problems;
	struct policy_writer writer;
	struct policy_image image; // goes to the front at the end
};

static struct problem *refuse(
	struct compiler *c,
	const struct yaml_node *node,
	enum sl_status status,
	const char *what
)
{
	struct problem p;

	if (node != NULL)
		return yaml_problem(c->problems, node, status, "%s", what);
	(void)!problem_set(&p, status, "%s", what);
	return problems_add(c->problems, &p);
}

static uint16_t find_field(const struct compiler *c, struct view path)
{
	for (uint32_t row = 0; row < c->field_count; row++)
		if (view_equal(c->fields[row]->path, path))
			return (uint16_t)row;
	return POLICY_NONE;
}

/** A job's field that the contract does not know: it follows the contract's undeclared rule. */
static void imply_field(struct compiler *c, struct view path, const char *name)
{
	const struct contract *contract = c->contract;
	struct contract_field *f = &c->implied[c->implied_count];
	char what[PROBLEM_TEXT_MAX];

	if (path.size == 0 || find_field(c, path) != POLICY_NONE)
		return;
	*f = (struct contract_field){.path = path};
	if (contract->undeclared == POLICY_UNDECLARED_SEAL) {
		f->is_personal = true;
		f->purpose = contract->undeclared_purpose;
	}
	snprintf(
		what,
		sizeof(what),
		"the job's %s field '%.*s' is not declared by contract %.*s",
		name,
		YAML_ARG(path),
		YAML_ARG(contract->ref)
	);
	for (uint32_t row = 0; row < c->field_count; row++)
		if (path_relation(c->fields[row]->path, path) != PATH_APART) {
			problem_remedy(
				refuse(c, NULL, SL_E_INVALID, what),
				"it crosses the contract's '%.*s': name a field of the contract",
				YAML_ARG(c->fields[row]->path)
			);
			return;
		}
	if (contract->undeclared == POLICY_UNDECLARED_DROP || path_fault(path) != NULL
	    || path.size > POLICY_PATH_MAX || c->field_count == CONTRACT_FIELDS_MAX) {
		problem_remedy(
			refuse(c, NULL, SL_E_NOT_FOUND, what),
			"declare it under the contract's fields:"
		);
		return;
	}
	c->fields[c->field_count++] = f;
	c->implied_count++;
}

static void gather_purposes(struct compiler *c)
{
	uint64_t set = 0;

	for (uint32_t row = 0; row < c->field_count; row++)
		if (c->fields[row]->is_personal)
			set |= (uint64_t)1 << c->fields[row]->purpose;
	if (c->contract->undeclared == POLICY_UNDECLARED_SEAL)
		set |= (uint64_t)1 << c->contract->undeclared_purpose;
	for (uint8_t level = 0; level <= PURPOSE_MAX; level++)
		if ((set >> level & 1) != 0 && c->purpose_count < CONTRACT_PURPOSES_MAX)
			c->purposes[c->purpose_count++] = level;
}

static uint8_t purpose_index(const struct compiler *c, uint8_t level)
{
	for (uint32_t i = 0; i < c->purpose_count; i++)
		if (c->purposes[i] == level)
			return (uint8_t)i;
	SL_BUG("a purpose was not gathered");
}

static uint16_t flags_of(const struct contract_field *f)
{
	uint32_t flags = 0;

	flags |= f->is_required ? POLICY_FIELD_REQUIRED : 0;
	flags |= f->is_nullable ? POLICY_FIELD_NULLABLE : 0;
	flags |= f->is_personal ? POLICY_FIELD_PERSONAL : 0;
	flags |= f->is_repeated ? POLICY_FIELD_REPEATED : 0;
	flags |= f->range_min.size != 0 ? POLICY_FIELD_HAS_MIN : 0;
	flags |= f->range_max.size != 0 ? POLICY_FIELD_HAS_MAX : 0;
	flags |= f->has_length ? POLICY_FIELD_HAS_LENGTH : 0;
	return (uint16_t)flags;
}

static struct policy_table put_one_of(struct compiler *c, const struct contract_field *f)
{
	struct policy_span values[POLICY_ONE_OF_MAX];

	for (uint32_t i = 0; i < f->one_of_count; i++)
		values[i] = policy_writer_put(&c->writer, f->one_of[i]);
	return policy_writer_put_rows(&c->writer, values, sizeof(values[0]), f->one_of_count);
}

static struct policy_field field_of(struct compiler *c, const struct contract_field *f)
{
	struct policy_writer *w = &c->writer;
	struct policy_field row = {
		.path = policy_writer_put(w, f->path),
		.match = policy_writer_put(w, f->match),
		.range_min = policy_writer_put(w, f->range_min),
		.range_max = policy_writer_put(w, f->range_max),
		.one_of = put_one_of(c, f),
		.length_min = f->has_length ? f->length_min : 0,
		.length_max = f->has_length ? f->length_max : 0,
		.flags = flags_of(f),
		.type = (uint8_t)f->type,
		.item_type = (uint8_t)f->item_type,
	};

	if (f->is_personal) {
		row.unreadable_value = policy_writer_put(w, f->unreadable_value);
		row.purpose = f->purpose;
		row.purpose_index = purpose_index(c, f->purpose);
		row.iv = (uint8_t)f->iv;
		row.unreadable = (uint8_t)f->unreadable;
	}
	return row;
}

static void put_fields(struct compiler *c)
{
	struct policy_field rows[CONTRACT_FIELDS_MAX];

	for (uint32_t row = 0; row < c->field_count; row++)
		rows[row] = field_of(c, c->fields[row]);
	c->image.fields = policy_writer_put_rows(&c->writer, rows, sizeof(rows[0]), c->field_count);
	c->image.purposes = policy_writer_put_rows(&c->writer, c->purposes, 1, c->purpose_count);
	if (!policy_write_nodes(&c->writer, c->fields, c->field_count, &c->image.nodes))
		problem_remedy(
			refuse(c, NULL, SL_E_TOO_BIG, "the contract's paths have too many steps"),
			"one contract can have %d",
			CONTRACT_NODES_MAX
		);
}

static void put_zone(struct compiler *c, struct view name)
{
	struct zone zone = {0};
	struct problem fault;

	if (zone_load(name, &zone, &fault) != SL_OK) {
		(void)problems_add(c->problems, &fault);
		return;
	}
	c->image.zone =
		policy_writer_put_rows(&c->writer, zone.steps, sizeof(zone.steps[0]), zone.count);
	c->image.zone_name = policy_writer_put(&c->writer, name);
	zone_done(&zone);
}

static void put_time(struct compiler *c)
{
	struct time_pattern pattern;
	struct problem fault;

	c->image.time_field = POLICY_NONE;
	if (c->time->field.size == 0)
		return;
	c->image.time_field = find_field(c, c->time->field);
	if (c->image.time_field != POLICY_NONE && c->fields[c->image.time_field]->is_personal) {
		problem_remedy(
			refuse(c,
			       NULL,
			       SL_E_INVALID,
			       "the job's time field is personal, but strmMeta shows an event's "
			       "time to all"),
			"take another field for the time"
		);
		return;
	}
	c->image.time_form = (uint8_t)c->time->form;
	if (c->time->form != POLICY_TIME_PATTERN)
		return;
	if (time_pattern_compile(c->time->pattern, &pattern, &fault) != SL_OK) {
		fault.column = 0;
		(void)problems_add(c->problems, &fault);
		return;
	}
	for (uint32_t i = 0; i < pattern.count; i++) {
		struct policy_span *text = &pattern.items[i].text;

		*text = policy_writer_put(
			&c->writer, view_of(pattern.text + text->offset, text->size)
		);
	}
	c->image.time_items = policy_writer_put_rows(
		&c->writer, pattern.items, sizeof(pattern.items[0]), pattern.count
	);
	if (c->time->zone.size != 0)
		put_zone(c, c->time->zone);
}

static void put_consent(struct compiler *c)
{
	const struct contract_consent *consent = c->consent;
	uint32_t offset;

	c->image.consent_otherwise = consent->otherwise;
	c->image.consent_field = POLICY_NONE;
	if (consent->field.size == 0)
		return;
	c->image.consent_field = find_field(c, consent->field);
	if (consent->rule_count > POLICY_CONSENT_RULES_MAX) {
		(void)refuse(c, NULL, SL_E_TOO_BIG, "the consent map has too many texts");
		return;
	}
	if (consent->rule_count == 0)
		return;
	offset = policy_writer_reserve(
		&c->writer, consent->rule_count * sizeof(struct policy_consent_rule)
	);
	for (uint32_t i = 0; i < consent->rule_count; i++) {
		struct policy_span text = policy_writer_put(&c->writer, consent->rules[i].text);
		struct policy_consent_rule *rule = policy_writer_at(&c->writer, offset);

		if (rule != NULL)
			rule[i] = (struct policy_consent_rule
			){.purposes = consent->rules[i].purposes, .text = text};
	}
	c->image.consent_rules =
		(struct policy_table){.offset = offset, .count = consent->rule_count};
}

static bool check_mask(struct compiler *c, const struct mask_spec *m, uint16_t row)
{
	const char *words[CONTRACT_FIELDS_MAX + 1] = {NULL};
	char what[PROBLEM_TEXT_MAX];
	struct problem *p;
	const char *near;

	for (uint32_t i = 0; i < c->contract->field_count; i++)
		words[i] = (const char *)c->contract->fields[i].path.bytes;
	if (row == POLICY_NONE) {
		snprintf(
			what,
			sizeof(what),
			"mask: contract %.*s has no field '%.*s'",
			YAML_ARG(c->contract->ref),
			YAML_ARG(m->path)
		);
		p = refuse(c, m->node, SL_E_NOT_FOUND, what);
		near = suggest_word(m->path, words);
		if (near != NULL)
			problem_remedy(p, "did you mean '%s'?", near);
		else
			problem_remedy(p, "name a string field of the contract");
		return false;
	}
	if (c->fields[row]->type != POLICY_STRING) {
		snprintf(
			what,
			sizeof(what),
			"mask: field '%.*s' is of type %s",
			YAML_ARG(m->path),
			contract_type_name(c->fields[row]->type)
		);
		problem_remedy(
			refuse(c, m->node, SL_E_INVALID, what), "only string fields can be masked"
		);
		return false;
	}
	if (m->kind == POLICY_MASK_HMAC ? m->seed.size != MASK_KEY_SIZE
					: m->seed.size > MASK_SEED_MAX) {
		problem_remedy(
			refuse(c, m->node, SL_E_INVALID, "mask: the seed has a wrong size"),
			"hmac: %d bytes of key; murmur3: up to %d bytes of seed",
			MASK_KEY_SIZE,
			MASK_SEED_MAX
		);
		return false;
	}
	return true;
}

/** Masks of a view, in order of their fields. */
static struct policy_table put_masks(struct compiler *c, const struct view_spec *spec)
{
	const struct mask_spec *of_field[CONTRACT_FIELDS_MAX] = {NULL};
	struct policy_mask rows[CONTRACT_FIELDS_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < spec->mask_count; i++) {
		const struct mask_spec *m = &spec->masks[i];
		uint16_t row = find_field(c, m->path);

		if (!check_mask(c, m, row))
			continue;
		if (of_field[row] != NULL)
			problem_remedy(
				refuse(c, m->node, SL_E_EXISTS, "mask: a field is masked twice"),
				"remove one of the two"
			);
		of_field[row] = m;
	}
	for (uint32_t row = 0; row < c->field_count; row++)
		if (of_field[row] != NULL)
			rows[count++] = (struct policy_mask){
				.seed = policy_writer_put(&c->writer, of_field[row]->seed),
				.field = (uint16_t)row,
				.kind = (uint8_t)of_field[row]->kind,
			};
	return policy_writer_put_rows(&c->writer, rows, sizeof(rows[0]), count);
}

static struct policy_view view_row(struct compiler *c, const struct view_spec *spec)
{
	struct policy_view row = {
		.masks = put_masks(c, spec),
		.name = policy_writer_put(&c->writer, spec->name),
		.kind = (uint8_t)spec->kind,
	};

	if (spec->name.size > POLICY_NAME_MAX)
		(void)refuse(c, spec->node, SL_E_TOO_BIG, "the view's name is too long");
	if (spec->kind == POLICY_GRANULAR) {
		row.required = row.opened = spec->purposes;
		return row;
	}
	if (spec->purposes == 0) {
		problem_remedy(
			refuse(c, spec->node, SL_E_INVALID, "a cumulative view has no purpose"),
			"name the highest purpose that it may read"
		);
		return row;
	}
	row.level = (uint8_t)(63 - __builtin_clzll(spec->purposes));
	row.opened = row.level == PURPOSE_MAX ? UINT64_MAX : ((uint64_t)2 << row.level) - 1;
	return row;
}

static void put_views(struct compiler *c, const struct view_spec views[], uint32_t count)
{
	struct policy_view rows[VIEWS_MAX];

	if (count > VIEWS_MAX) {
		problem_remedy(
			refuse(c, views[VIEWS_MAX].node, SL_E_TOO_BIG, "there are too many views"),
			"%d at the most",
			VIEWS_MAX
		);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		rows[i] = view_row(c, &views[i]);
	c->image.views = policy_writer_put_rows(&c->writer, rows, sizeof(rows[0]), count);
}

static void put_header(struct compiler *c)
{
	const struct contract *contract = c->contract;

	c->image.magic = POLICY_MAGIC;
	c->image.version = POLICY_VERSION;
	c->image.ref = policy_writer_put(&c->writer, contract->ref);
	c->image.format = (uint8_t)contract->format;
	c->image.undeclared = (uint8_t)contract->undeclared;
	if (contract->undeclared == POLICY_UNDECLARED_SEAL) {
		c->image.undeclared_purpose = contract->undeclared_purpose;
		c->image.undeclared_purpose_index = purpose_index(c, contract->undeclared_purpose);
	}
	c->image.duplicates = (uint8_t)contract->duplicates;
	c->image.csv_separator = contract->csv_separator;
	c->image.key_field = contract->key_field;
	c->image.subject_field = contract->subject_field;
}

static enum sl_status first_status(const struct problems *problems, uint32_t from)
{
	if (from < problems->count)
		return problems->items[from].status;
	return SL_E_INVALID;
}

/** Put the header before the rest, and look at all of it as a stranger would. */
static enum sl_status finish(struct compiler *c, struct policy_image **ret_image)
{
	struct policy_writer *w = &c->writer;
	struct policy_image *image;
	struct problem fault;

	if (w->is_failed) {
		(void)refuse(c, NULL, SL_E_NOMEM, "no memory for the policy image");
		return SL_E_NOMEM;
	}
	c->image.size = (uint32_t)w->size;
	memcpy(w->bytes, &c->image, sizeof(c->image));
	c->image.checksum = policy_image_checksum(w->bytes, w->size);
	memcpy(w->bytes, &c->image, sizeof(c->image));
	if (policy_image_check(w->bytes, w->size, &fault) != SL_OK) {
		(void)problems_add(c->problems, &fault);
		return SL_E_CORRUPT;
	}
	image = secret_new(w->size);
	if (image == NULL)
		return SL_E_NOMEM;
	memcpy(image, w->bytes, w->size);
	*ret_image = image;
	return SL_OK;
}

enum sl_status policy_compile(
	const struct contract *contract,
	const struct view_spec views[],
	uint32_t view_count,
	const struct policy_overrides *overrides,
	struct problems *problems,
	struct policy_image **ret_image
)
{
	struct compiler c = {
		.contract = contract,
		.time = &contract->time,
		.consent = &contract->consent,
		.field_count = contract->field_count,
		.problems = problems,
	};
	uint32_t errors = problems->error_count;
	uint32_t kept = problems->count;
	enum sl_status status;

	if (overrides != NULL && overrides->time != NULL)
		c.time = overrides->time;
	if (overrides != NULL && overrides->consent != NULL)
		c.consent = overrides->consent;
	for (uint32_t row = 0; row < contract->field_count; row++)
		c.fields[row] = &contract->fields[row];
	imply_field(&c, c.time->field, "time");
	imply_field(&c, c.consent->field, "consent");
	gather_purposes(&c);
	(void)policy_writer_reserve(&c.writer, sizeof(c.image));
	put_header(&c);
	put_fields(&c);
	put_time(&c);
	put_consent(&c);
	put_views(&c, views, view_count);
	status = problems->error_count == errors ? finish(&c, ret_image)
						 : first_status(problems, kept);
	policy_writer_free(&c.writer);
	return status;
}

void policy_image_free(struct policy_image *image)
{
	if (image != NULL)
		secret_free(image, image->size);
}
