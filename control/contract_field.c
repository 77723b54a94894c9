#include "control/contract_reader.h"
#include "control/path.h"
#include "control/yaml_json.h"

#include <string.h>

static const char *const types[] = {
	[POLICY_ANY] = "any",
	[POLICY_STRING] = "string",
	[POLICY_INTEGER] = "integer",
	[POLICY_NUMBER] = "number",
	[POLICY_BOOLEAN] = "boolean",
	[POLICY_ARRAY] = "array",
	[POLICY_OBJECT] = "object",
	NULL,
};

const char *contract_type_name(enum policy_type type)
{
	return types[type];
}

struct problem *contract_refuse_field(
	struct contract_reader *r,
	const struct yaml_node *node,
	const struct contract_field *field,
	const char *what
)
{
	return yaml_problem(
		r->problems, node, SL_E_INVALID, "field '%.*s' %s", YAML_ARG(field->path), what
	);
}

static void check_csv_path(struct contract_reader *r, const struct contract_field *f)
{
	struct path_steps steps = path_steps_of(f->path);
	struct view step;

	(void)path_next(&steps, &step);
	if (!steps.is_done || f->is_repeated)
		problem_remedy(
			contract_refuse_field(
				r, f->node->key, f, "has steps, but CSV has only columns"
			),
			"name one column; write ~1 for a / in its name"
		);
	if (f->path.size > 9 && memcmp(f->path.bytes, "strmMeta.", 9) == 0)
		problem_remedy(
			contract_refuse_field(
				r, f->node->key, f, "is one of Sealane's own columns"
			),
			"remove it: Sealane writes the strmMeta columns itself"
		);
}

static void read_path(struct contract_reader *r, struct contract_field *f)
{
	const struct yaml_node *key = f->node->key;
	struct path_steps steps = path_steps_of(f->path);
	const char *fault = path_fault(f->path);
	struct view step;

	if (fault != NULL) {
		problem_remedy(
			contract_refuse_field(r, key, f, fault),
			"write names divided by single slashes, such as customer/id"
		);
		return;
	}
	if (f->path.size > POLICY_PATH_MAX) {
		problem_remedy(
			contract_refuse_field(r, key, f, "has too long a path"),
			"a path has at most %d bytes",
			POLICY_PATH_MAX
		);
		return;
	}
	while (path_next(&steps, &step))
		f->is_repeated = f->is_repeated || path_is_each(step);
	steps = path_steps_of(f->path);
	(void)path_next(&steps, &step);
	if (view_equal(step, view_of_text("strmMeta")))
		problem_remedy(
			contract_refuse_field(r, key, f, "is Sealane's own"),
			"remove it: Sealane writes strmMeta itself"
		);
	if (r->contract->format == POLICY_CSV)
		check_csv_path(r, f);
}

static void read_type(
	struct contract_reader *r,
	const struct yaml_node *node,
	const char *name,
	enum policy_type *ret_type
)
{
	uint32_t index;

	if (contract_read_word(node, types, name, r->problems, &index))
		*ret_type = (enum policy_type)index;
}

static void read_personal(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	if (node->kind == YAML_BOOLEAN) {
		if (yaml_bool(node))
			problem_remedy(
				contract_refuse_field(r, node, f, "is personal without a purpose"),
				"name the purpose that it serves, such as `personal: analytics`"
			);
		return;
	}
	f->is_personal = purposes_read(r->purposes, node, r->problems, &f->purpose);
}

/** Does a value of the file fit the field's type? Null fits every field. */
bool contract_fits_type(const struct yaml_node *node, enum policy_type type)
{
	switch (type) {
	case POLICY_ANY:
		return true;
	case POLICY_STRING:
		return node->kind == YAML_STRING;
	case POLICY_INTEGER:
		return node->kind == YAML_INTEGER;
	case POLICY_NUMBER:
		return node->kind == YAML_INTEGER || node->kind == YAML_NUMBER;
	case POLICY_BOOLEAN:
		return node->kind == YAML_BOOLEAN;
	case POLICY_ARRAY:
		return node->kind == YAML_LIST;
	case POLICY_OBJECT:
		return node->kind == YAML_MAP;
	}
	return false;
}

/** The fixed value of an unreadable cell: JSON, or the text of a CSV cell. */
static void read_fixed_value(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	uint8_t bytes[POLICY_VALUE_MAX];
	struct room room = {.bytes = bytes, .capacity = sizeof(bytes)};

	if (!contract_fits_type(node, f->type) && node->kind != YAML_NULL) {
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has an unreadable value of another type"
			),
			"write a value of type %s, or null, sealed or fail",
			types[f->type]
		);
		return;
	}
	f->unreadable = node->kind == YAML_NULL ? POLICY_UNREADABLE_NULL : POLICY_UNREADABLE_VALUE;
	if (node->kind == YAML_NULL)
		return;
	if (r->contract->format == POLICY_CSV && node->kind == YAML_STRING) {
		f->unreadable_value = node->text;
	} else if (yaml_write_json(node, &room) == SL_OK) {
		f->unreadable_value =
			arena_copy(&r->contract->arena, view_of(room.bytes, room.size));
	}
	if (f->unreadable_value.bytes == NULL || f->unreadable_value.size > POLICY_VALUE_MAX)
		problem_remedy(
			contract_refuse_field(
				r, node, f, "has an unreadable value that can not be written"
			),
			"write a finite value of at most %d bytes",
			POLICY_VALUE_MAX
		);
}

/** null | sealed | fail | a fixed value | {value: a fixed value, whatever it is} */
static void read_unreadable(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *f
)
{
	const struct yaml_node *value = yaml_map_get(node, "value");

	if (node->kind == YAML_MAP && node->count == 1 && value != NULL) {
		read_fixed_value(r, value, f);
	} else if (node->kind == YAML_STRING && yaml_is_text(node, "sealed")) {
		f->unreadable = POLICY_UNREADABLE_SEALED;
	} else if (node->kind == YAML_STRING && yaml_is_text(node, "fail")) {
		f->unreadable = POLICY_UNREADABLE_FAIL;
	} else {
		read_fixed_value(r, node, f);
	}
}

/** Checks that are for other types, or for personal fields only. */
static void check_sense(
	struct contract_reader *r,
	const struct yaml_node *map,
	const struct contract_field *f
)
{
	static const struct {
		const char *key;
		uint32_t types; // bit = enum policy_type
		const char *remedy;
	} rules[] = {
		{"match", 1u << POLICY_STRING, "it is for type string"},
		{"length", 1u << POLICY_STRING, "it is for type string"},
		{"range",
		 1u << POLICY_INTEGER | 1u << POLICY_NUMBER,
		 "it is for types integer and number"},
		{"one_of",
		 1u << POLICY_STRING | 1u << POLICY_INTEGER | 1u << POLICY_NUMBER
			 | 1u << POLICY_BOOLEAN,
		 "it is for types string, integer, number and boolean"},
		{"of", 1u << POLICY_ARRAY, "it is for type array"},
	};

	static const char *const personal_keys[] = {"iv", "unreadable"};
	const struct yaml_node *node;
	char what[100];

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		node = yaml_map_get(map, rules[i].key);
		if (node == NULL || (rules[i].types >> f->type & 1) != 0)
			continue;
		snprintf(
			what,
			sizeof(what),
			"of type %s can not have %s",
			types[f->type],
			rules[i].key
		);
		problem_remedy(contract_refuse_field(r, node->key, f, what), "%s", rules[i].remedy);
	}
	for (size_t i = 0; i < 2; i++) {
		node = yaml_map_get(map, personal_keys[i]);
		if (node == NULL || f->is_personal || yaml_map_get(map, "personal") != NULL)
			continue;
		snprintf(what, sizeof(what), "has %s, but is not personal", personal_keys[i]);
		problem_remedy(
			contract_refuse_field(r, node->key, f, what),
			"add personal: with a purpose, or remove it"
		);
	}
	if (r->contract->format == POLICY_CSV
	    && (f->type == POLICY_ARRAY || f->type == POLICY_OBJECT))
		problem_remedy(
			contract_refuse_field(
				r, f->node->key, f, "is an array or object, but CSV has only cells"
			),
			"use type string"
		);
}

/** The keys that stand for themselves, in an order in which each finds what it needs. */
static void read_keys(
	struct contract_reader *r,
	const struct yaml_node *map,
	struct contract_field *f
)
{
	static const char *const iv_modes[] = {"deterministic", "random", NULL};
	const struct yaml_node *node;
	uint32_t index;

	if ((node = yaml_map_get(map, "type")) != NULL)
		read_type(r, node, "type", &f->type);
	if ((node = yaml_map_get(map, "of")) != NULL)
		read_type(r, node, "of", &f->item_type);
	if ((node = yaml_map_get(map, "required")) != NULL)
		contract_read_bool(node, "required", r->problems, &f->is_required);
	if ((node = yaml_map_get(map, "nullable")) != NULL)
		contract_read_bool(node, "nullable", r->problems, &f->is_nullable);
	if ((node = yaml_map_get(map, "about")) != NULL)
		contract_read_about(node, r->problems, &f->about);
	if ((node = yaml_map_get(map, "personal")) != NULL)
		read_personal(r, node, f);
	if ((node = yaml_map_get(map, "iv")) != NULL
	    && contract_read_word(node, iv_modes, "iv", r->problems, &index))
		f->iv = (enum policy_iv)index;
	if ((node = yaml_map_get(map, "unreadable")) != NULL)
		read_unreadable(r, node, f);
	contract_read_checks(r, map, f);
}

void contract_read_field(
	struct contract_reader *r,
	const struct yaml_node *node,
	struct contract_field *field
)
{
	static const char *const keys[] = {
		"type",
		"of",
		"required",
		"nullable",
		"personal",
		"iv",
		"unreadable",
		"match",
		"range",
		"one_of",
		"length",
		"about",
		NULL,
	};

	*field = (struct contract_field){.node = node, .path = node->key->text};
	read_path(r, field);
	if (node->kind == YAML_STRING) {
		read_type(r, node, "type", &field->type);
		check_sense(r, NULL, field);
		return;
	}
	if (!yaml_expect(
		    node,
		    YAML_MAP,
		    "a field",
		    "write a type, or {type: string, personal: analytics}",
		    r->problems
	    )
	    || !yaml_check_keys(node, keys, r->problems))
		return;
	read_keys(r, node, field);
	check_sense(r, node, field);
}
