#include "control/keys_csv.h"
#include "control/keys_file.h"
#include "crypto/base64.h"
#include "crypto/tink.h"
#include "crypto/uuid.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <fcntl.h>

enum {
	DAY = 15309 // 2011-12-01
};

static const uint8_t purposes[] = {1, 2};

struct text {
	char bytes[4 << 20];
	size_t size;
};

static enum sl_status keep(void *self, struct view piece)
{
	struct text *t = self;

	CHECK_FATAL(t->size + piece.size < sizeof(t->bytes));
	memcpy(t->bytes + t->size, piece.bytes, piece.size);
	t->size += piece.size;
	t->bytes[t->size] = '\0';
	return SL_OK;
}

static enum sl_status refuse(void *self, struct view piece)
{
	(void)self;
	(void)piece;
	return SL_E_NO_SPACE;
}

/** The base64 of an AesGcmKey in Tink's proto. */
static void value_of(const uint8_t key[static KEY_SIZE], char ret_text[static 49])
{
	uint8_t proto[34] = {0x1a, 0x20};

	memcpy(proto + 2, key, KEY_SIZE);
	base64_encode(view_of(proto, sizeof(proto)), (uint8_t *)ret_text);
	ret_text[48] = '\0';
}

static void the_file_is_as_the_reference_writes_it(void)
{
	static const char policy[UUID_TEXT_SIZE + 1] = "7a0b6ab4-5c1d-4a51-b9ba-b3e0bfaab5a1";
	static struct text text;
	static char expected[4096];
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring_options options = keyring_options_of("g");
	struct key_entry e = {0};
	struct keyring *k;
	struct problem p;
	char link[UUID_TEXT_SIZE];
	char value[49];

	text.size = 0;
	options.retention_days = 365;
	CHECK(uuid_read(policy, options.policy_id));
	CHECK_FATAL(keyring_open(v, &options, &k, &p) == SL_OK);
	CHECK(claim_one(k, DAY, "alice", 0, &e));
	CHECK_EQUAL(keys_csv_write(v, k, purposes + 1, 1, keep, &text, &p), SL_OK);
	uuid_write(e.link, link);
	value_of(e.key[2], value); // IV key, purpose 1, purpose 2
	snprintf(
		expected,
		sizeof(expected),
		"keyLink,encryptionKey,policyId,expiresAt\r\n"
		"\"%.36s\",\"{\"\"primaryKeyId\"\":%u,\"\"key\"\":[{\"\"keyData\"\":{"
		"\"\"typeUrl\"\":"
		"\"\"type.googleapis.com/google.crypto.tink.AesGcmKey\"\",\"\"value\"\":\"\"%s\"\","
		"\"\"keyMaterialType\"\":\"\"SYMMETRIC\"\"},\"\"status\"\":\"\"ENABLED\"\","
		"\"\"keyId\"\":%u,\"\"outputPrefixType\"\":\"\"TINK\"\"}]}\",\"%s\","
		"\"1354233600000\"\r\n",
		link,
		tink_key_id(e.link, 2),
		value,
		tink_key_id(e.link, 2),
		policy
	);
	CHECK(strcmp(text.bytes, expected) == 0);
	CHECK_EQUAL(keys_csv_write(v, k, purposes, 0, keep, &text, &p), SL_E_INVALID);
	CHECK_EQUAL(keys_csv_write(v, k, purposes, 2, refuse, NULL, &p), SL_E_NO_SPACE);
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

static void write_file(struct vault_dir *d, const char *text, size_t size)
{
	int fd = open(vault_dir_file(d, "other.key"), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK_FATAL(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
}

static void what_was_written_is_read_again(void)
{
	enum {
		COUNT = 3000
	};
	static struct key_entry entries[COUNT];
	static struct text text;
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct keys_file *keys;
	struct problem p;
	size_t wrong = 0;

	text.size = 0;
	for (size_t i = 0; i < COUNT; i++) {
		char value[32];

		snprintf(value, sizeof(value), "user-%zu", i);
		CHECK(claim_one(k, DAY, value, 0, &entries[i]));
	}
	CHECK_EQUAL(keys_csv_write(v, k, purposes, 2, keep, &text, &p), SL_OK);
	write_file(&d, text.bytes, text.size);
	CHECK_FATAL(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p) == SL_OK);
	CHECK_EQUAL(keys_file_count(keys), COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		const struct keys_file_entry *e = keys_file_find(keys, entries[i].link);

		CHECK_FATAL(e != NULL && e->key_count == 2);
		for (uint8_t n = 0; n < 2; n++)
			wrong += e->keys[n].id != tink_key_id(e->link, purposes[n])
				|| memcmp(e->keys[n].key, entries[i].key[1 + n], KEY_SIZE) != 0;
		wrong += e->expires_ms != (DAY + (int64_t)KEY_RETENTION_DAYS) * 86400000;
	}
	CHECK_EQUAL(wrong, 0);
	entries[0].link[0] ^= 1;
	CHECK(keys_file_find(keys, entries[0].link) == NULL);
	keys_file_free(keys);
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

/** What keyring_watch_made passes on. */
struct watched {
	struct keys_csv *csv;
	size_t count;
	size_t early; // keys that were called durable before they were passed on
	struct keyring *keyring;
	uint8_t last[KEY_LINK_SIZE];
	size_t unordered;
};

static void add_made(void *self, const struct vault_key *key)
{
	struct watched *w = self;

	w->early += keyring_durable(w->keyring) > w->count;
	w->unordered += memcmp(key->link, w->last, KEY_LINK_SIZE) <= 0;
	memcpy(w->last, key->link, KEY_LINK_SIZE);
	w->count++;
	CHECK_EQUAL(keys_csv_add_key(w->csv, key), SL_OK);
}

static enum sl_status add_used(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	return keys_csv_add(((struct watched *)self)->csv, link);
}

/** Claim users first..end, every one twice, far apart. */
static void claim_twice(struct keyring *k, size_t first, size_t end, struct key_entry *entries)
{
	for (size_t round = 0; round < 2; round++) {
		for (size_t i = first; i < end; i++) {
			char value[32];

			snprintf(value, sizeof(value), "user-%zu", i);
			CHECK(claim_one(k, DAY, value, 0, &entries[i]));
		}
	}
}

static void a_key_that_gave_way_is_written_once(void)
{
	enum {
		OLD = 300, // made by a keyring before
		COUNT = 1000
	};
	static struct key_entry entries[COUNT];
	static struct text text;
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring_options options = keyring_options_of("g");
	struct watched w = {0};
	struct keys_file *keys;
	struct problem p;
	size_t missing = 0;

	text.size = 0;
	options.key_cache_max = 40;
	options.journal_max = 32;
	CHECK_FATAL(keyring_open(v, &options, &w.keyring, &p) == SL_OK);
	claim_twice(w.keyring, 0, OLD, entries);
	keyring_end(w.keyring);
	CHECK_FATAL(keyring_open(v, &options, &w.keyring, &p) == SL_OK);
	CHECK_FATAL(keys_csv_new(v, purposes, 2, keep, &text, &w.csv, &p) == SL_OK);
	keyring_watch_made(w.keyring, add_made, &w);
	claim_twice(w.keyring, 100, COUNT, entries);
	CHECK_EQUAL(keyring_wait_durable(w.keyring, keyring_position(w.keyring)), SL_OK);
	CHECK_EQUAL(w.count, COUNT - OLD);
	CHECK_EQUAL(w.unordered, 0);
	CHECK_EQUAL(w.early, 0);
	keyring_watch_made(w.keyring, NULL, NULL);
	CHECK_EQUAL(keyring_used_links(w.keyring, add_used, &w), SL_OK);
	CHECK_EQUAL(keys_csv_flush(w.csv), SL_OK);
	keys_csv_free(w.csv);
	write_file(&d, text.bytes, text.size);
	CHECK_FATAL(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p) == SL_OK);
	CHECK_EQUAL(keys_file_count(keys), COUNT - 100);
	for (size_t i = 100; i < COUNT; i++)
		missing += keys_file_find(keys, entries[i].link) == NULL;
	CHECK_EQUAL(missing, 0);
	keys_file_free(keys);
	keyring_end(w.keyring);
	vault_close(v);
	vault_dir_free(&d);
}

#define LINK "01890a5d-ac96-774b-bcce-b302099a8057"
#define KEY(id)                                                                                    \
	"\"{\"\"primaryKeyId\"\":" id ",\"\"key\"\":[{\"\"keyData\"\":{\"\"typeUrl\"\":"           \
	"\"\"type.googleapis.com/google.crypto.tink.AesGcmKey\"\",\"\"value\"\":"                  \
	"\"\"GiAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\"\",\"\"keyMaterialType\"\":"        \
	"\"\"SYMMETRIC\"\"},\"\"status\"\":\"\"ENABLED\"\",\"\"keyId\"\":" id                      \
	",\"\"outputPrefixType\"\":\"\"TINK\"\"}]}\""
#define HEAD "keyLink,encryptionKey,policyId,expiresAt\n"

static const struct file_case {
	const char *what;
	const char *text;
	enum sl_status status;
	size_t count;  // links, when it is read
	uint32_t line; // of the problem, when it is not
} file_cases[] = {
	{"two columns", "keyLink,encryptionKey\r\n" LINK "," KEY("7") "\r\n", SL_OK, 1, 0},
	{"columns moved, BOM, quoted header, no line end at the end",
	 "\xef\xbb\xbf\"expiresAt\",\"encryptionKey\",\"keyLink\"\n\"5\"," KEY("7") ",\"" LINK "\"",
	 SL_OK,
	 1,
	 0},
	{"empty lines and the same row twice",
	 HEAD "\n" LINK "," KEY("7") ",,\n\n" LINK "," KEY("7") ",,\n\n",
	 SL_OK,
	 1,
	 0},
	{"only a header", HEAD, SL_OK, 0, 0},
	{"nothing", "", SL_E_SYNTAX, 0, 1},
	{"no header", LINK "," KEY("7") "\n", SL_E_SYNTAX, 0, 1},
	{"a link that is no UUID", HEAD "x," KEY("7") ",,\n", SL_E_SYNTAX, 0, 2},
	{"an empty link", HEAD "," KEY("7") ",,\n", SL_E_SYNTAX, 0, 2},
	{"a keyset that is no JSON", HEAD LINK ",rubbish,,\n", SL_E_SYNTAX, 0, 2},
	{"no keyset", HEAD LINK ",,,\n", SL_E_SYNTAX, 0, 2},
	{"a cell too few", HEAD LINK "," KEY("7") "\n", SL_E_SYNTAX, 0, 2},
	{"a cell too many", HEAD LINK "," KEY("7") ",,,\n", SL_E_SYNTAX, 0, 2},
	{"a bad expiry in line 4",
	 HEAD "\n" LINK "," KEY("7") ",,1\n" LINK "," KEY("7") ",,x\n",
	 SL_E_SYNTAX,
	 0,
	 4},
	{"an expiry too long", HEAD LINK "," KEY("7") ",,1234567890123456789\n", SL_E_SYNTAX, 0, 2},
	{"one link with two keysets",
	 HEAD LINK "," KEY("7") ",,\n" LINK "," KEY("8") ",,\n",
	 SL_E_EXISTS,
	 0,
	 3},
	{"a quote not closed", HEAD LINK ",\"{", SL_E_SYNTAX, 0, 2},
	{"text after a quote", HEAD LINK ",\"{\"x,,\n", SL_E_SYNTAX, 0, 2},
	{"a quote inside a cell", HEAD LINK ",{\"},,\n", SL_E_SYNTAX, 0, 2},
	{"seventeen columns", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", SL_E_SYNTAX, 0, 1},
};

static void files_of_others_are_read_or_refused_with_the_line(void)
{
	struct vault_dir d = vault_dir_new();

	for (size_t i = 0; i < sizeof(file_cases) / sizeof(file_cases[0]); i++) {
		const struct file_case *c = &file_cases[i];
		struct keys_file *keys = NULL;
		struct problem p = {0};

		write_file(&d, c->text, strlen(c->text));
		CHECK_EQUAL(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p), c->status);
		if (keys != NULL) {
			CHECK_EQUAL(keys_file_count(keys), c->count);
		} else {
			CHECK_EQUAL(p.line, c->line);
			CHECK(strstr(p.file, "other.key") != NULL);
			CHECK(p.what[0] != '\0');
		}
		keys_file_free(keys);
	}
	vault_dir_free(&d);
}

static void rubbish_is_refused(void)
{
	static char rubbish[200000];
	struct vault_dir d = vault_dir_new();
	struct keys_file *keys = NULL;
	struct problem p = {0};
	size_t head = strlen(HEAD);

	CHECK_EQUAL(keys_file_read(vault_dir_file(&d, "none"), &keys, &p), SL_E_NOT_FOUND);
	CHECK(keys_file_read(d.path, &keys, &p) != SL_OK); // a directory
	memset(rubbish, 0, sizeof(rubbish));
	write_file(&d, rubbish, sizeof(rubbish));
	CHECK(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p) != SL_OK);
	memcpy(rubbish, HEAD, head);
	memset(rubbish + head, 'a', sizeof(rubbish) - head);
	write_file(&d, rubbish, sizeof(rubbish));
	CHECK_EQUAL(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p), SL_E_TOO_BIG);
	rubbish[head] = '"';
	write_file(&d, rubbish, sizeof(rubbish));
	CHECK_EQUAL(keys_file_read(vault_dir_file(&d, "other.key"), &keys, &p), SL_E_TOO_BIG);
	CHECK(keys == NULL);
	keys_file_free(NULL);
	vault_dir_free(&d);
}

static const struct check_test tests[] = {
	{"the file is as the reference writes it", the_file_is_as_the_reference_writes_it},
	{"what was written is read again", what_was_written_is_read_again},
	{"files of others are read or refused with the line",
	 files_of_others_are_read_or_refused_with_the_line},
	{"a key that gave way is written once", a_key_that_gave_way_is_written_once},
	{"rubbish is refused", rubbish_is_refused},
};

CHECK_MAIN("control/keys_csv")
