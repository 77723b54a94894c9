#include "control/contract_reader.h"
#include "control/suggest.h"

// What of a contract names its fields: key, subject, time and consent.

/** The path under a key of the contract, looked up among the fields. */
static uint16_t find_named(
	struct contract_reader *r,
	const struct yaml_node *node,
	const char *name,
	struct view path
)
{
	const struct contract *c = r->contract;
	const char *words[CONTRACT_FIELDS_MAX + 1];
	uint16_t row = contract_find_field(c, path);
	const char *near;
	struct problem *p;

	if (row != POLICY_NONE && !c->fields[row].is_repeated)
		return row;
	if (row != POLICY_NONE) {
		p = yaml_problem(
			r->problems,
			node,
			SL_E_INVALID,
			"%s '%.*s' can be many values",
			name,
			YAML_ARG(path)
		);
		problem_remedy(p, "name a field without a * step");
		return POLICY_NONE;
	}
	for (uint32_t i = 0; i < c->field_count; i++)
		words[i] = (const char *)c->fields[i].path.bytes;
	words[c->field_count] = NULL;
	near = suggest_word(path, words);
	p = yaml_problem(
		r->problems,
		node,
		SL_E_NOT_FOUND,
		"%s '%.*s' does not stand under fields:",
		name,
		YAML_ARG(path)
	);
	if (near != NULL)
		problem_remedy(p, "did you mean '%s'?", near);
	else
		problem_remedy(p, "add it under fields:, such as `%.*s: string`", YAML_ARG(path));
	return POLICY_NONE;
}

static void check_field_type(
	struct contract_reader *r,
	const struct yaml_node *node,
	const char *name,
	uint16_t row,
	uint32_t types_allowed,
	const char *types_text
)
{
	const struct contract_field *f = &r->contract->fields[row];

	if ((types_allowed >> f->type & 1) != 0)
		return;
	problem_remedy(
		yaml_problem(
			r->problems,
			node,
			SL_E_INVALID,
			"%s '%.*s' is of type %s",
			name,
			YAML_ARG(f->path),
			contract_type_name(f->type)
		),
		"declare it under fields: as %s",
		types_text
	);
}

static uint16_t read_row(
	struct contract_reader *r,
	const struct yaml_node *node,
	const char *name,
	const char *remedy
)
{
	uint16_t row;

	if (!yaml_expect(node, YAML_STRING, name, remedy, r->problems))
		return POLICY_NONE;
	row = find_named(r, node, name, node->text);
	if (row != POLICY_NONE)
		check_field_type(
			r,
			node,
			name,
			row,
			1u << POLICY_STRING | 1u << POLICY_INTEGER,
			"string or integer"
		);
	return row;
}

void contract_read_key(struct contract_reader *r, const struct yaml_node *root)
{
	const struct yaml_node *key = yaml_map_get(root, "key");
	const struct yaml_node *subject = yaml_map_get(root, "subject");

	r->contract->key_field = r->contract->subject_field = POLICY_NONE;
	if (key == NULL)
		problem_remedy(
			yaml_problem(r->problems, root, SL_E_SYNTAX, "the contract has no key"),
			"add `key:` with the field whose value selects the data key"
		);
	else
		r->contract->key_field =
			read_row(r, key, "key", "name the field whose value selects the data key");
	if (subject != NULL)
		r->contract->subject_field =
			read_row(r, subject, "subject", "name the field that tells the person");
}

/** Which types a time form can be read from. */
static void check_time(struct contract_reader *r, const struct yaml_node *node)
{
	const struct contract_time *time = &r->contract->time;
	bool is_epoch = time->form == POLICY_TIME_EPOCH_S || time->form == POLICY_TIME_EPOCH_MS;
	uint32_t texts = 1u << POLICY_STRING | 1u << POLICY_ANY;
	uint32_t numbers = 1u << POLICY_INTEGER | 1u << POLICY_NUMBER;
	const struct yaml_node *field = yaml_map_get(node, "field");
	uint16_t row = find_named(r, field, "time", time->field);

	if (row == POLICY_NONE)
		return;
	if (is_epoch)
		check_field_type(r, field, "time", row, texts | numbers, "integer");
	else
		check_field_type(r, field, "time", row, texts | 1u << POLICY_INTEGER, "string");
	if (r->contract->fields[row].is_personal)
		problem_remedy(
			yaml_problem(
				r->problems,
				field,
				SL_E_INVALID,
				"time '%.*s' is personal, but strmMeta shows an event's time to "
				"all",
				YAML_ARG(time->field)
			),
			"take another field for the time, or remove its personal:"
		);
}

void contract_read_rules(struct contract_reader *r, const struct yaml_node *root)
{
	const struct yaml_node *time = yaml_map_get(root, "time");
	const struct yaml_node *consent = yaml_map_get(root, "consent");
	struct contract *c = r->contract;
	const struct yaml_node *field;
	uint16_t row;

	if (time != NULL && contract_read_time(time, r->problems, &c->time))
		check_time(r, time);
	if (consent == NULL
	    || !contract_read_consent(consent, r->purposes, r->problems, &c->arena, &c->consent)
	    || c->consent.field.size == 0)
		return;
	field = yaml_map_get(consent, "field");
	row = find_named(r, field, "consent", c->consent.field);
	if (row != POLICY_NONE)
		check_field_type(
			r,
			field,
			"consent",
			row,
			~(1u << POLICY_OBJECT | 1u << POLICY_NUMBER),
			"array of integer, string or integer"
		);
}
