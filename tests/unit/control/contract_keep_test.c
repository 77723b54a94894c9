#include "control/contract_keep.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

static const char first_text[] = "contract: acme/order/1.0.0\n"
				 "state: active\n"
				 "key: user\n"
				 "fields:\n"
				 "  user: {type: string, required: true, personal: 0}\n";

static void write_text(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		abort();
}

static void what_was_read_is_kept(void)
{
	struct vault_dir dir = vault_dir_new();
	struct vault *vault = vault_dir_vault(&dir);
	const char *path = vault_dir_file(&dir, "other.key");
	struct problems problems = {0};
	struct contract *contract = NULL;
	struct contract *recalled = NULL;
	uint8_t *text = NULL;
	size_t size = 0;
	struct problem p;

	write_text(path, first_text);
	CHECK_EQUAL(contract_load_file(path, NULL, &problems, &contract), SL_OK);
	CHECK_FATAL(contract != NULL);
	// An editor empties the file before it writes it anew.
	write_text(path, "");
	CHECK_EQUAL(contract_keep(vault, contract, NULL, &p), SL_OK);
	CHECK_EQUAL(vault_find_contract(vault, contract->ref, &text, &size), SL_OK);
	CHECK_EQUAL(size, strlen(first_text));
	CHECK(text != NULL && memcmp(text, first_text, strlen(first_text)) == 0);
	CHECK_EQUAL(contract_recall(vault, contract->ref, &recalled), SL_OK);
	CHECK_FATAL(recalled != NULL);
	CHECK_EQUAL(contract_keep(vault, recalled, NULL, &p), SL_OK);
	free(text);
	contract_free(recalled);
	contract_free(contract);
	problems_done(&problems);
	vault_close(vault);
	vault_dir_free(&dir);
}

static const struct check_test tests[] = {
	{"what was read is kept", what_was_read_is_kept},
};

CHECK_MAIN("control/contract_keep")
