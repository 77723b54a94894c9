#include "dataplane/batch/open_contract.h"

#include "control/contract_keep.h"
#include "control/path.h"
#include "dataplane/batch/open_path.h"

#include <stdlib.h>
#include <string.h>

enum {
	KNOWN_MAX = 16 // contracts of one file; more are looked up again and again
};

/** What the vault said of a reference. */
struct known {
	uint8_t ref[CONTRACT_REF_MAX];
	size_t ref_size;
	struct contract *contract; // owned; NULL = not known
};

struct open_contracts {
	const struct contract *given;
	struct vault *vault;
	struct known known[KNOWN_MAX];
	size_t known_count;
	size_t next; // to give way
};

enum sl_status open_contracts_new(
	const struct open_setup *setup,
	struct open_contracts **ret_contracts
)
{
	struct open_contracts *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return SL_E_NOMEM;
	c->given = setup->contract;
	c->vault = setup->vault;
	*ret_contracts = c;
	return SL_OK;
}

void open_contracts_free(struct open_contracts *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->known_count; i++)
		contract_free(c->known[i].contract);
	free(c);
}

const struct contract *open_contracts_find(struct open_contracts *c, struct view ref)
{
	struct known *known;

	if (c->given != NULL || c->vault == NULL || ref.size > CONTRACT_REF_MAX)
		return c->given;
	for (size_t i = 0; i < c->known_count; i++)
		if (view_equal(view_of(c->known[i].ref, c->known[i].ref_size), ref))
			return c->known[i].contract;
	known = &c->known[c->next];
	c->next = (c->next + 1) % KNOWN_MAX;
	if (c->known_count < KNOWN_MAX)
		c->known_count++;
	contract_free(known->contract);
	known->contract = NULL;
	known->ref_size = ref.size;
	if (ref.size != 0)
		memcpy(known->ref, ref.bytes, ref.size);
	// Without it, what can not be opened stays sealed: no reason to stop.
	if (contract_recall(c->vault, ref, &known->contract) != SL_OK)
		known->contract = NULL;
	return known->contract;
}

/** Does the contract's path lead to this place? */
static bool leads_to(struct view contract_path, struct view path)
{
	struct path_steps wanted = path_steps_of(contract_path);
	struct path_steps steps = path_steps_of(path);
	struct view wanted_step;
	struct view step;

	for (;;) {
		bool has_wanted = path_next(&wanted, &wanted_step);

		if (has_wanted != path_next(&steps, &step))
			return false;
		if (!has_wanted)
			return true;
		if (!path_is_each(wanted_step) && !view_equal(wanted_step, step))
			return false;
	}
}

const struct contract_field *open_contract_field(
	const struct contract *contract,
	struct view path,
	bool is_csv
)
{
	uint8_t name[OPEN_PATH_TEXT_MAX];
	struct view raw = {0};

	if (is_csv && path.size <= sizeof(name))
		raw = view_of(name, path_unescape(path, name));
	for (uint32_t i = 0; i < contract->field_count; i++) {
		const struct contract_field *field = &contract->fields[i];

		if (field->is_personal
		    && (leads_to(field->path, path) || (is_csv && view_equal(field->path, raw))))
			return field;
	}
	return NULL;
}
