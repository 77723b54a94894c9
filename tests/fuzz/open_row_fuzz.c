// Any text as a row of a sealed file: nothing comes out that was not in it, unless it was authentic.
// Targets: opener_row, opener_csv_header, open_place_try, json_walk_next
#include "crypto/base64.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"
#include "dataplane/batch/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// Input: a byte, of which bit 0 chooses CSV and bit 1 a contract; then the rows, divided by line feeds. The keys
// file knows the key link that the corpus names, under a key that no input was sealed with.

enum {
	SIZE_LIMIT = 8192,
	PADDING = 64
};

static const char link_text[] = "018f3c8e-7d2a-7c11-9b1e-2f5a6c7d8e9f";

static const char contract_text[] =
	"contract: acme/y1/1.0.0\nstate: active\nformat: json\nkey: k\nfields:\n"
	"  k: {type: string, personal: 1, unreadable: null}\n"
	"  a/*/b: {personal: 1, unreadable: \"{}\"}\n";

static struct keys_file *keys;
static struct contract *contract;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/** A keys file that lies nowhere. */
static void make_keys(void)
{
	struct tink_key key = {.key = {7}};
	uint8_t json[TINK_KEY_JSON_MAX + TINK_KEYSET_JSON_OVERHEAD];
	uint8_t link[UUID_SIZE];
	struct problem problem;
	char path[64];
	int fd = memfd_create("keys", 0);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

	if (file == NULL || !uuid_read(link_text, link))
		abort();
	key.id = tink_key_id(link, 1);
	fprintf(file, "keyLink,encryptionKey\r\n\"%s\",\"", link_text);
	for (size_t i = 0, n = tink_keyset_write(&key, 1, json); i < n; i++)
		fprintf(file, json[i] == '"' ? "\"\"" : "%c", json[i]);
	fputs("\"\r\n", file);
	fflush(file);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (keys_file_read(path, &keys, &problem) != SL_OK)
		abort();
	fclose(file);
}

static void prepare(void)
{
	struct problems problems = {0};

	make_keys();
	if (contract_load_text(view_of_text(contract_text), "contract", NULL, &problems, &contract)
	    != SL_OK)
		abort();
	problems_done(&problems);
}

/** What was put must be pieces of the input, in its order, or what the contract puts in. */
struct witness {
	struct view left;
	bool has_contract;
};

static enum sl_status put(void *self, struct view text, struct problem *ret_problem)
{
	struct witness *w = self;

	(void)ret_problem;
	for (size_t i = 0; i < text.size; i++) {
		const uint8_t *at;

		// Ends of lines are ours; so is all of `null` and `"{}"` under the contract.
		if (text.bytes[i] == '\n' || text.bytes[i] == '\r'
		    || (w->has_contract && strchr("null\"{},", text.bytes[i]) != NULL))
			continue;
		at = w->left.size == 0 ? NULL : memchr(w->left.bytes, text.bytes[i], w->left.size);
		if (at == NULL)
			abort();
		w->left.size -= (size_t)(at + 1 - w->left.bytes);
		w->left.bytes = at + 1;
	}
	return SL_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct witness witness;
	static struct opener *openers[4]; // by the first byte: making one takes longer than a row
	struct open_setup setup = {.purposes = UINT64_MAX};
	struct opener **opener;
	struct problem problem;
	enum sl_status status = SL_OK;
	uint8_t *rows[SIZE_LIMIT + 1];
	size_t count = 0;
	bool is_csv;

	if (keys == NULL)
		prepare();
	if (size == 0 || size > SIZE_LIMIT)
		return 0;
	is_csv = bytes[0] & 1;
	setup.keys = keys;
	setup.contract = bytes[0] & 2 ? contract : NULL;
	witness.left = view_of(bytes + 1, size - 1);
	witness.has_contract = setup.contract != NULL;
	opener = &openers[bytes[0] & 3];
	if (*opener == NULL && opener_new(&setup, put, &witness, opener, &problem) != SL_OK)
		abort();
	for (size_t at = 1; at < size && status == SL_OK;) {
		const uint8_t *end = memchr(bytes + at, '\n', size - at);
		size_t row_size = end == NULL ? size - at : (size_t)(end - bytes) - at;
		struct view row;

		rows[count] = malloc(row_size + PADDING);
		if (rows[count] == NULL)
			abort();
		memcpy(rows[count], bytes + at, row_size);
		memset(rows[count] + row_size, 0, PADDING);
		row = view_of(rows[count], row_size);
		status = is_csv && count == 0 ? opener_csv_header(*opener, row, &problem)
					      : opener_row(*opener, row, count + 1, &problem);
		count++;
		at += row_size + 1;
	}
	// After a bad row too: nothing may point into rows that are gone.
	if (status != SL_OK)
		(void)!opener_flush(*opener, &problem);
	else
		(void)!opener_end(*opener, &problem);
	if (opener_counts(*opener)->fields[OPEN_OPENED] != 0)
		abort(); // nobody guesses a tag
	while (count > 0)
		free(rows[--count]);
	return 0;
}
