#include "control/contract.h"

#include "control/contract_reader.h"
#include "control/path.h"

#include <stdlib.h>
#include <string.h>

static const char *const states[] = {
	[CONTRACT_DRAFT] = "draft",
	[CONTRACT_IN_REVIEW] = "in-review",
	[CONTRACT_APPROVED] = "approved",
	[CONTRACT_ACTIVE] = "active",
	[CONTRACT_ARCHIVED] = "archived",
	NULL,
};

const char *contract_state_name(enum contract_state state)
{
	return states[state];
}

static void read_ref(struct contract_reader *r, const struct yaml_node *root)
{
	static const char remedy[] = "write `contract: handle/name/1.0.0`";
	const struct yaml_node *node = yaml_map_get(root, "contract");
	const char *fault;

	if (node == NULL) {
		problem_remedy(
			yaml_problem(r->problems, root, SL_E_SYNTAX, "the contract has no name"),
			"%s",
			remedy
		);
		return;
	}
	if (!yaml_expect(node, YAML_STRING, "contract", remedy, r->problems))
		return;
	if (!contract_check_ref(node->text, &fault))
		problem_remedy(
			yaml_problem(
				r->problems,
				node,
				SL_E_INVALID,
				"contract '%.*s' %s",
				YAML_ARG(node->text),
				fault
			),
			"%s",
			remedy
		);
	r->contract->ref = node->text;
}

static void read_csv(struct contract_reader *r, const struct yaml_node *node)
{
	static const char remedy[] = "write `csv: {separator: \";\"}`";
	static const char *const keys[] = {"separator", NULL};
	const struct yaml_node *separator;
	struct view text;

	if (node == NULL)
		return;
	if (r->contract->format != POLICY_CSV) {
		problem_remedy(
			yaml_problem(
				r->problems,
				node->key,
				SL_E_INVALID,
				"csv is given, but the format is json"
			),
			"add `format: csv`, or remove csv"
		);
		return;
	}
	if (!yaml_expect(node, YAML_MAP, "csv", remedy, r->problems)
	    || !yaml_check_keys(node, keys, r->problems))
		return;
	separator = yaml_map_get(node, "separator");
	if (separator == NULL)
		return;
	text = separator->text;
	if (separator->kind == YAML_STRING && text.size == 1 && text.bytes[0] < 0x7f
	    && strchr(",;|\t:^~!#%&*+=/@ ", text.bytes[0]) != NULL) {
		r->contract->csv_separator = text.bytes[0];
		return;
	}
	problem_remedy(
		yaml_problem(
			r->problems,
			separator,
			SL_E_INVALID,
			"'%.*s' can not separate columns",
			YAML_ARG(text)
		),
		"use one of , ; | or \"\\t\""
	);
}

static void read_undeclared(struct contract_reader *r, const struct yaml_node *root)
{
	static const char *const words[] = {"pass", "drop", "seal", NULL};
	const struct yaml_node *node = yaml_map_get(root, "undeclared");
	const struct yaml_node *purpose = yaml_map_get(root, "undeclared_purpose");
	struct contract *c = r->contract;
	uint32_t index;

	// Nothing said: what nobody has looked at stays inside.
	c->undeclared = POLICY_UNDECLARED_DROP;
	if (node != NULL && contract_read_word(node, words, "undeclared", r->problems, &index)) {
		c->undeclared = (enum policy_undeclared)index;
		c->is_undeclared_said = true;
	}
	if (c->undeclared == POLICY_UNDECLARED_SEAL && purpose == NULL)
		problem_remedy(
			yaml_problem(
				r->problems,
				node,
				SL_E_INVALID,
				"undeclared: seal needs a purpose to seal for"
			),
			"add `undeclared_purpose:` with the purpose whose readers may open it"
		);
	if (purpose == NULL)
		return;
	if (c->undeclared != POLICY_UNDECLARED_SEAL)
		problem_remedy(
			yaml_problem(
				r->problems,
				purpose->key,
				SL_E_INVALID,
				"undeclared_purpose is given, but undeclared is not seal"
			),
			"write `undeclared: seal`, or remove undeclared_purpose"
		);
	else
		(void)purposes_read(r->purposes, purpose, r->problems, &c->undeclared_purpose);
}

static void check_pair(
	struct contract_reader *r,
	const struct contract_field *a,
	const struct contract_field *b
)
{
	enum path_relation relation = path_relation(a->path, b->path);
	struct problem *p;

	if (relation == PATH_APART)
		return;
	if (relation == PATH_BESIDE_EACH) {
		p = yaml_problem(
			r->problems,
			b->node->key,
			SL_E_INVALID,
			"field '%.*s' and field '%.*s' (line %u) have * and a name at one step",
			YAML_ARG(b->path),
			YAML_ARG(a->path),
			a->node->key->line
		);
		problem_remedy(p, "write only * or only names at that step");
		return;
	}
	p = yaml_problem(
		r->problems,
		b->node->key,
		SL_E_INVALID,
		"field '%.*s' %s field '%.*s' (line %u)",
		YAML_ARG(b->path),
		relation == PATH_ABOVE           ? "lies inside"
			: relation == PATH_BELOW ? "holds"
						 : "is again",
		YAML_ARG(a->path),
		a->node->key->line
	);
	problem_remedy(p, "declare the whole, or its parts, not both");
}

static void check_paths(struct contract_reader *r)
{
	const struct contract *c = r->contract;

	for (uint32_t i = 0; i < c->field_count; i++)
		for (uint32_t j = 0; j < i; j++)
			check_pair(r, &c->fields[j], &c->fields[i]);
}

static void check_purposes(struct contract_reader *r, const struct yaml_node *fields)
{
	const struct contract *c = r->contract;
	uint64_t set = 0;

	for (uint32_t i = 0; i < c->field_count; i++)
		if (c->fields[i].is_personal)
			set |= (uint64_t)1 << c->fields[i].purpose;
	if (c->undeclared == POLICY_UNDECLARED_SEAL)
		set |= (uint64_t)1 << c->undeclared_purpose;
	if (__builtin_popcountll(set) > CONTRACT_PURPOSES_MAX)
		problem_remedy(
			yaml_problem(
				r->problems,
				fields->key,
				SL_E_TOO_BIG,
				"the fields have too many purposes"
			),
			"one contract can have %d",
			CONTRACT_PURPOSES_MAX
		);
}

/** What is allowed, and yet likely not meant. */
static void warn(struct contract_reader *r, const struct yaml_node *root)
{
	const struct contract *c = r->contract;
	bool seals = c->undeclared == POLICY_UNDECLARED_SEAL;

	for (uint32_t i = 0; i < c->field_count; i++)
		seals = seals || c->fields[i].is_personal;
	if (!seals)
		problem_remedy(
			yaml_warning(
				r->problems,
				root,
				"the contract seals nothing: no field is personal"
			),
			"add personal: with a purpose to the fields that tell of a person"
		);
	if (!c->is_undeclared_said)
		problem_remedy(
			yaml_warning(
				r->problems,
				root,
				"undeclared is not said: what the contract does not name is left "
				"out of all outputs"
			),
			"write `undeclared: drop`, or pass, or seal with undeclared_purpose"
		);
}

static void read_fields(struct contract_reader *r, const struct yaml_node *root)
{
	static const char remedy[] =
		"write `fields:` with one line a field, such as `user: string`";
	const struct yaml_node *fields = yaml_map_get(root, "fields");
	struct contract *c = r->contract;

	if (fields == NULL) {
		problem_remedy(
			yaml_problem(r->problems, root, SL_E_SYNTAX, "the contract has no fields"),
			"%s",
			remedy
		);
		return;
	}
	if (!yaml_expect(fields, YAML_MAP, "fields", remedy, r->problems))
		return;
	if (fields->count > CONTRACT_FIELDS_MAX) {
		problem_remedy(
			yaml_problem(
				r->problems,
				fields->key,
				SL_E_TOO_BIG,
				"the contract has %u fields",
				fields->count
			),
			"one contract can have %d; split it, or leave fields to the undeclared "
			"rule",
			CONTRACT_FIELDS_MAX
		);
		return;
	}
	for (const struct yaml_node *node = fields->first; node != NULL; node = node->next)
		contract_read_field(r, node, &c->fields[c->field_count++]);
	if (c->format == POLICY_JSON)
		check_paths(r);
	read_undeclared(r, root);
	check_purposes(r, fields);
	contract_read_key(r, root);
	contract_read_rules(r, root);
}

static void read_contract(struct contract_reader *r, const struct yaml_node *root)
{
	static const char *const keys[] = {
		"contract",
		"about",
		"state",
		"format",
		"csv",
		"key",
		"subject",
		"time",
		"consent",
		"undeclared",
		"undeclared_purpose",
		"duplicates",
		"fields",
		NULL,
	};
	static const char *const formats[] = {"json", "csv", NULL};
	static const char *const duplicates[] = {"refuse", "seal", NULL};
	const uint32_t errors = r->problems->error_count;
	struct contract *c = r->contract;
	const struct yaml_node *node;
	uint32_t index;

	if (!yaml_expect(
		    root,
		    YAML_MAP,
		    "a contract",
		    "begin with `contract: handle/name/1.0.0`",
		    r->problems
	    ))
		return;
	(void)yaml_check_keys(root, keys, r->problems);
	read_ref(r, root);
	if ((node = yaml_map_get(root, "about")) != NULL)
		contract_read_about(node, r->problems, &c->about);
	if ((node = yaml_map_get(root, "state")) != NULL
	    && contract_read_word(node, states, "state", r->problems, &index))
		c->state = (enum contract_state)index;
	if ((node = yaml_map_get(root, "format")) != NULL
	    && contract_read_word(node, formats, "format", r->problems, &index))
		c->format = (enum policy_format)index;
	if ((node = yaml_map_get(root, "duplicates")) != NULL
	    && contract_read_word(node, duplicates, "duplicates", r->problems, &index))
		c->duplicates = (enum policy_duplicates)index;
	read_csv(r, yaml_map_get(root, "csv"));
	read_fields(r, root);
	if (r->problems->error_count == errors)
		warn(r, root);
}

/** Takes the document over. */
static enum sl_status read_document(
	struct yaml *document,
	const struct purposes *purposes,
	struct problems *problems,
	struct contract **ret_contract
)
{
	struct contract_reader r = {.purposes = purposes, .problems = problems};
	uint32_t errors = problems->error_count;

	r.contract = calloc(1, sizeof(*r.contract));
	if (r.contract == NULL) {
		yaml_unload(document);
		return SL_E_NOMEM;
	}
	r.contract->document = document;
	r.contract->state = CONTRACT_ACTIVE;
	r.contract->csv_separator = ',';
	read_contract(&r, yaml_root(document));
	if (problems->error_count != errors) {
		contract_free(r.contract);
		return SL_E_SYNTAX;
	}
	*ret_contract = r.contract;
	return SL_OK;
}

enum sl_status contract_load_file(
	const char *path,
	const struct purposes *purposes,
	struct problems *problems,
	struct contract **ret_contract
)
{
	struct yaml *document;

	SL_TRY(yaml_load_file(path, problems, &document));
	return read_document(document, purposes, problems, ret_contract);
}

enum sl_status contract_load_text(
	struct view text,
	const char *file,
	const struct purposes *purposes,
	struct problems *problems,
	struct contract **ret_contract
)
{
	struct yaml *document;

	SL_TRY(yaml_load_text(text, file, problems, &document));
	return read_document(document, purposes, problems, ret_contract);
}

void contract_free(struct contract *contract)
{
	if (contract == NULL)
		return;
	yaml_unload(contract->document);
	arena_done(&contract->arena);
	free(contract);
}

uint16_t contract_find_field(const struct contract *contract, struct view path)
{
	for (uint32_t i = 0; i < contract->field_count; i++)
		if (view_equal(contract->fields[i].path, path))
			return (uint16_t)i;
	return POLICY_NONE;
}

struct view contract_name_of(struct view ref)
{
	size_t slashes = 0;

	for (size_t i = 0; i < ref.size; i++)
		if (ref.bytes[i] == '/' && ++slashes == 2)
			return view_of(ref.bytes, i);
	return ref;
}

enum sl_status contract_check_active(const struct contract *contract, struct problem *ret_problem)
{
	if (contract->state == CONTRACT_ACTIVE)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		SL_E_DENIED,
		"contract %.*s is %s and accepts no events",
		YAML_ARG(contract->ref),
		contract_state_name(contract->state)
	);
	problem_at_file(ret_problem, yaml_file(contract->document));
	problem_remedy(ret_problem, "only active contracts accept events: write `state: active`");
	return SL_E_DENIED;
}
