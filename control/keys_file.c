#include "control/keys_file.h"

#include "control/csv_rows.h"
#include "control/keyset_quick.h"
#include "crypto/secret.h"
#include "crypto/uuid.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CHUNK_SIZE = 1 << 20, // bytes of entries allocated at once
	SLOTS_MIN = 1024,
	NUMBER_DIGITS_MAX = 18
};

struct chunk {
	struct chunk *next;
	size_t used;
	uint8_t bytes[];
};

struct keys_file {
	struct chunk *chunks;                 // secret
	const struct keys_file_entry **slots; // [slot_count], NULL = free
	size_t slot_count;                    // a power of two
	size_t count;
};

/** Where the columns are; COLUMN_NONE = not there. */
enum column {
	COLUMN_LINK,
	COLUMN_KEY,
	COLUMN_EXPIRES,
	COLUMN_COUNT
};

enum {
	COLUMN_NONE = CSV_ROW_CELLS_MAX
};

static const char *const column_names[COLUMN_COUNT] = {
	[COLUMN_LINK] = "keyLink",
	[COLUMN_KEY] = "encryptionKey",
	[COLUMN_EXPIRES] = "expiresAt",
};

struct reading {
	const char *file;
	struct keys_file *keys;
	struct csv_rows rows;
	size_t column[COLUMN_COUNT];
	struct tink_key *keyset; // [TINK_KEYS_MAX] secret
	struct problem *problem;
};

static enum sl_status fail(struct reading *r, enum sl_status status, const char *what)
{
	const char *remedy = "export the keys file again, or take the bad row out";

	(void)!problem_set(r->problem, status, "%s", what);
	problem_at_file(r->problem, r->file);
	r->problem->line = (uint32_t)r->rows.line;
	if (status == SL_E_SYNTAX || status == SL_E_UNSUPPORTED || status == SL_E_TOO_BIG)
		problem_remedy(r->problem, "%s", remedy);
	return status;
}

static uint64_t hash_of(const uint8_t link[static KEY_LINK_SIZE])
{
	uint64_t h[2];

	memcpy(h, link, sizeof(h));
	h[0] = (h[0] ^ h[1] * 0x9e3779b97f4a7c15u) * 0xff51afd7ed558ccdu;
	return h[0] ^ h[0] >> 32;
}

/** The slot of a link, or the free one where it belongs. */
static size_t slot_of(const struct keys_file *k, const uint8_t link[static KEY_LINK_SIZE])
{
	size_t mask = k->slot_count - 1;
	size_t at = hash_of(link) & mask;

	while (k->slots[at] != NULL && memcmp(k->slots[at]->link, link, KEY_LINK_SIZE) != 0)
		at = (at + 1) & mask;
	return at;
}

static bool grow(struct keys_file *k)
{
	const struct keys_file_entry **old = k->slots;
	size_t old_count = k->slot_count;

	if (k->count * 2 < k->slot_count)
		return true;
	k->slot_count = old_count != 0 ? 2 * old_count : SLOTS_MIN;
	k->slots = calloc(k->slot_count, sizeof(struct keys_file_entry *));
	if (k->slots == NULL) {
		k->slots = old;
		k->slot_count = old_count;
		return false;
	}
	for (size_t i = 0; i < old_count; i++)
		if (old[i] != NULL)
			k->slots[slot_of(k, old[i]->link)] = old[i];
	free(old);
	return true;
}

static struct keys_file_entry *new_entry(struct keys_file *k, size_t key_count)
{
	size_t size = sizeof(struct keys_file_entry) + key_count * sizeof(struct tink_key);
	struct keys_file_entry *entry;
	struct chunk *chunk = k->chunks;

	size = (size + 7) / 8 * 8;
	if (chunk == NULL || CHUNK_SIZE - sizeof(*chunk) - chunk->used < size) {
		chunk = secret_new(CHUNK_SIZE);
		if (chunk == NULL)
			return NULL;
		chunk->next = k->chunks;
		k->chunks = chunk;
	}
	entry = (struct keys_file_entry *)(chunk->bytes + chunk->used);
	chunk->used += size;
	return entry;
}

static bool read_number(struct view text, int64_t *ret_number)
{
	int64_t number = 0;

	if (text.size == 0 || text.size > NUMBER_DIGITS_MAX)
		return false;
	for (size_t i = 0; i < text.size; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9')
			return false;
		number = number * 10 + (text.bytes[i] - '0');
	}
	*ret_number = number;
	return true;
}

static bool is_same(const struct keys_file_entry *e, const struct tink_key keys[], size_t count)
{
	for (size_t i = 0; e->key_count == count && i < count; i++)
		if (e->keys[i].id != keys[i].id
		    || !bytes_equal_ct(e->keys[i].key, keys[i].key, sizeof(keys[i].key)))
			return false;
	return e->key_count == count;
}

static enum sl_status add(
	struct reading *r,
	const uint8_t link[static KEY_LINK_SIZE],
	size_t key_count,
	int64_t expires_ms
)
{
	struct keys_file *k = r->keys;
	struct keys_file_entry *entry;
	size_t slot;

	if (!grow(k))
		return fail(r, SL_E_NOMEM, "no memory for the keys");
	slot = slot_of(k, link);
	if (k->slots[slot] != NULL) {
		if (is_same(k->slots[slot], r->keyset, key_count))
			return SL_OK;
		return fail(r, SL_E_EXISTS, "this key link has other keys in a row before");
	}
	entry = new_entry(k, key_count);
	if (entry == NULL)
		return fail(r, SL_E_NOMEM, "no memory for the keys");
	memcpy(entry->link, link, KEY_LINK_SIZE);
	entry->expires_ms = expires_ms;
	entry->key_count = (uint32_t)key_count;
	memcpy(entry->keys, r->keyset, key_count * sizeof(r->keyset[0]));
	k->slots[slot] = entry;
	k->count++;
	return SL_OK;
}

static struct view cell(const struct reading *r, enum column column)
{
	size_t at = r->column[column];

	return at < r->rows.cell_count ? r->rows.cells[at] : view_of(NULL, 0);
}

static enum sl_status read_row(struct reading *r)
{
	struct view link_text = cell(r, COLUMN_LINK);
	struct view expires_text = cell(r, COLUMN_EXPIRES);
	int64_t expires_ms = INT64_MAX;
	uint8_t link[KEY_LINK_SIZE];
	size_t key_count = 0;
	enum sl_status status;

	if (link_text.size != UUID_TEXT_SIZE || !uuid_read((const char *)link_text.bytes, link))
		return fail(r, SL_E_SYNTAX, "the row's keyLink is no UUID");
	if (expires_text.size != 0 && !read_number(expires_text, &expires_ms))
		return fail(r, SL_E_SYNTAX, "the row's expiresAt is no number of milliseconds");
	if (keyset_quick_read(cell(r, COLUMN_KEY), r->keyset, &key_count))
		return add(r, link, key_count, expires_ms);
	status = tink_keyset_read(cell(r, COLUMN_KEY), r->keyset, &key_count, r->problem);
	if (status == SL_OK)
		return add(r, link, key_count, expires_ms);
	problem_at_file(r->problem, r->file);
	r->problem->line = (uint32_t)r->rows.line;
	r->problem->column = 0;
	return status;
}

static enum sl_status read_header(struct reading *r)
{
	enum sl_status status = csv_rows_next(&r->rows);

	for (size_t c = 0; c < COLUMN_COUNT; c++) {
		r->column[c] = COLUMN_NONE;
		for (size_t i = 0; status == SL_OK && i < r->rows.cell_count; i++)
			if (view_equal(r->rows.cells[i], view_of_text(column_names[c])))
				r->column[c] = i;
	}
	if (status == SL_E_NOMEM || status == SL_E_IO)
		return fail(r, status, "the keys file can not be read");
	if (r->column[COLUMN_LINK] == COLUMN_NONE || r->column[COLUMN_KEY] == COLUMN_NONE)
		return fail(
			r,
			SL_E_SYNTAX,
			"this is no keys file: it must begin with a header that names keyLink and "
			"encryptionKey"
		);
	return SL_OK;
}

static enum sl_status read_rows(struct reading *r)
{
	size_t column_count;
	enum sl_status status = read_header(r);

	if (status != SL_OK)
		return status;
	column_count = r->rows.cell_count;
	while ((status = csv_rows_next(&r->rows)) == SL_OK) {
		if (r->rows.cell_count != column_count)
			return fail(
				r, SL_E_SYNTAX, "the row has more or fewer cells than the header"
			);
		SL_TRY(read_row(r));
	}
	switch ((int)status) {
	case SL_E_NOT_FOUND:
		return SL_OK;
	case SL_E_SYNTAX:
		return fail(r, status, "the row's quotes do not match");
	case SL_E_TOO_BIG:
		return fail(r, status, "the row is too long for a row of keys");
	default:
		return fail(r, status, "the keys file can not be read");
	}
}

enum sl_status keys_file_read(
	const char *file,
	struct keys_file **ret_keys,
	struct problem *ret_problem
)
{
	struct reading r = {.file = file, .problem = ret_problem};
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	enum sl_status status;

	if (fd < 0) {
		status = problem_set(
			ret_problem, status_of_errno(errno), "the keys file can not be opened: %m"
		);
		problem_at_file(ret_problem, file);
		problem_remedy(ret_problem, "name the file that the job's keys: says");
		return status;
	}
	r.keys = calloc(1, sizeof(*r.keys));
	r.keyset = secret_new(TINK_KEYS_MAX * sizeof(*r.keyset));
	status = r.keys != NULL && r.keyset != NULL ? csv_rows_init(&r.rows, fd, KEYS_ROW_MAX)
						    : SL_E_NOMEM;
	if (status == SL_OK && !grow(r.keys))
		status = SL_E_NOMEM;
	status = status == SL_OK ? read_rows(&r) : fail(&r, status, "no memory for the keys");
	csv_rows_done(&r.rows);
	secret_free(r.keyset, TINK_KEYS_MAX * sizeof(*r.keyset));
	close(fd);
	if (status == SL_OK)
		*ret_keys = r.keys;
	else
		keys_file_free(r.keys);
	return status;
}

void keys_file_free(struct keys_file *keys)
{
	if (keys == NULL)
		return;
	for (struct chunk *chunk = keys->chunks; chunk != NULL;) {
		struct chunk *next = chunk->next;

		secret_free(chunk, CHUNK_SIZE);
		chunk = next;
	}
	free(keys->slots);
	free(keys);
}

const struct keys_file_entry *keys_file_find(
	const struct keys_file *keys,
	const uint8_t link[static KEY_LINK_SIZE]
)
{
	return keys->slots[slot_of(keys, link)];
}

size_t keys_file_count(const struct keys_file *keys)
{
	return keys->count;
}
