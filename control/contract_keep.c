#include "control/contract_keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Beside a contract's reference, which has three parts, stands the same with a fourth.
static const char purposes_part[] = "/purposes";

enum {
	NAME_MAX_SIZE = CONTRACT_REF_MAX + sizeof(purposes_part)
};

static struct view purposes_name(struct view ref, char name[static NAME_MAX_SIZE])
{
	int size = snprintf(
		name, NAME_MAX_SIZE, "%.*s%s", (int)ref.size, (const char *)ref.bytes, purposes_part
	);

	return view_of(name, (size_t)size);
}

/** A text inside the quotes of a JSON string. */
static void write_escaped(FILE *out, struct view text)
{
	for (size_t i = 0; i < text.size; i++) {
		if (text.bytes[i] == '"' || text.bytes[i] == '\\')
			fputc('\\', out);
		if (text.bytes[i] < 0x20)
			fprintf(out, "\\u%04x", text.bytes[i]);
		else
			fputc(text.bytes[i], out);
	}
}

/** Levels and names as a purposes file; JSON is YAML too. Freed by the caller. */
static char *purposes_text(const struct purposes *purposes, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);
	const char *comma = "";
	bool is_good;

	if (out == NULL)
		return NULL;
	fputs("{\"purposes\":[", out);
	for (int level = 0; level <= PURPOSE_MAX; level++) {
		struct view name = purposes->level[level].name;

		if (name.size == 0)
			continue;
		fprintf(out, "%s{\"level\":%d,\"name\":\"", comma, level);
		write_escaped(out, name);
		fputs("\"}", out);
		comma = ",";
	}
	fputs("]}", out);
	is_good = !ferror(out);
	if (fclose(out) == 0 && is_good)
		return text;
	free(text);
	return NULL;
}

/** Write it unless the vault has it so already: a commit costs a disk's flush. */
static enum sl_status put_changed(
	struct vault *vault,
	struct view ref,
	struct view text,
	struct problem *ret_problem
)
{
	uint8_t *old;
	size_t size;
	bool is_same;

	if (vault_find_contract(vault, ref, &old, &size) == SL_OK) {
		is_same = view_equal(view_of(old, size), text);
		free(old);
		if (is_same)
			return SL_OK;
	}
	return vault_put_contract(vault, ref, text, ret_problem);
}

static enum sl_status keep_purposes(
	struct vault *vault,
	struct view ref,
	const struct purposes *purposes,
	struct problem *ret_problem
)
{
	char name[NAME_MAX_SIZE];
	size_t size;
	char *text = purposes_text(purposes, &size);
	enum sl_status status;

	if (text == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the purposes");
	status = put_changed(vault, purposes_name(ref, name), view_of(text, size), ret_problem);
	free(text);
	return status;
}

enum sl_status contract_keep(
	struct vault *vault,
	const struct contract *contract,
	const struct purposes *purposes,
	struct problem *ret_problem
)
{
	SL_TRY(put_changed(vault, contract->ref, yaml_text(contract->document), ret_problem));
	return purposes != NULL ? keep_purposes(vault, contract->ref, purposes, ret_problem)
				: SL_OK;
}

static enum sl_status recall_purposes(
	struct vault *vault,
	struct view ref,
	struct problems *problems,
	struct purposes **ret_purposes
)
{
	char name[NAME_MAX_SIZE];
	uint8_t *text;
	size_t size;
	enum sl_status status = vault_find_contract(vault, purposes_name(ref, name), &text, &size);

	*ret_purposes = NULL;
	if (status != SL_OK)
		return status == SL_E_NOT_FOUND ? SL_OK : status;
	status = purposes_load_text(view_of(text, size), "purposes", problems, ret_purposes);
	free(text);
	return status;
}

enum sl_status contract_recall(struct vault *vault, struct view ref, struct contract **ret_contract)
{
	struct problems problems = {0};
	struct purposes *purposes = NULL;
	uint8_t *text;
	size_t size;
	enum sl_status status;

	if (ref.size == 0 || ref.size > CONTRACT_REF_MAX)
		return SL_E_NOT_FOUND;
	SL_TRY(vault_find_contract(vault, ref, &text, &size));
	status = recall_purposes(vault, ref, &problems, &purposes);
	if (status == SL_OK)
		status = contract_load_text(
			view_of(text, size), "contract", purposes, &problems, ret_contract
		);
	// The contract's own texts do not point into the purposes.
	purposes_free(purposes);
	problems_done(&problems);
	free(text);
	return status;
}
