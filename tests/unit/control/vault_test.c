#include "control/vault.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
	DAY = 20000
};

static void fill_vault(const struct vault_dir *d, size_t count)
{
	struct vault *v = vault_dir_vault(d);
	struct keyring *k = keyring_of(v, "g");
	struct key_entry e = {0};

	for (size_t i = 0; i < count; i++) {
		char value[32];

		snprintf(value, sizeof(value), "user-%zu", i);
		CHECK(claim_one(k, DAY, value, i + 1, &e));
	}
	keyring_end(k);
	vault_close(v);
}

static void a_new_vault_is_private(void)
{
	struct vault_dir d = vault_dir_new();
	struct stat st;

	vault_close(vault_dir_vault(&d));
	CHECK(stat(vault_dir_file(&d, "root.key"), &st) == 0);
	CHECK_EQUAL(st.st_mode & 07777, 0600);
	CHECK_EQUAL(st.st_size, 32);
	CHECK(stat(vault_dir_file(&d, "data.mdb"), &st) == 0);
	CHECK_EQUAL(st.st_mode & 07777, 0600);
	vault_dir_free(&d);
}

static void missing_folders_above_are_made(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault_dir above = d;
	struct vault_dir deep = d;
	struct stat st;

	strncat(above.path, "/a", sizeof(above.path) - strlen(above.path) - 1);
	strncat(deep.path, "/a/b", sizeof(deep.path) - strlen(deep.path) - 1);
	vault_close(vault_dir_vault(&deep));
	CHECK(stat(above.path, &st) == 0);
	CHECK_EQUAL(st.st_mode & 07777, 0700);
	vault_dir_free(&deep);
	vault_dir_free(&above);
	vault_dir_free(&d);
}

static void secrets_are_the_same_after_reopening(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	uint8_t hash_key[SIPHASH_KEY_SIZE];
	uint8_t mask_key[MASK_KEY_SIZE];

	memcpy(hash_key, vault_hash_key(v), sizeof(hash_key));
	memcpy(mask_key, vault_mask_key(v), sizeof(mask_key));
	vault_close(v);
	v = vault_dir_vault(&d);
	CHECK(memcmp(hash_key, vault_hash_key(v), sizeof(hash_key)) == 0);
	CHECK(memcmp(mask_key, vault_mask_key(v), sizeof(mask_key)) == 0);
	vault_close(v);
	vault_dir_free(&d);
}

static void write_file(const char *path, const void *bytes, size_t size, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	CHECK_FATAL(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fchmod(fd, mode) == 0);
	close(fd);
}

enum damage {
	OTHER_ROOT_KEY,
	SHORT_ROOT_KEY,
	OPEN_ROOT_KEY,
	NO_ROOT_KEY,
	NO_VAULT,
	RUBBISH_DATA,
	SHORT_DATA,
	EMPTY_DIR
};

static const struct refusal_case {
	const char *what;
	enum damage damage;
	enum sl_status status;
	const char *words; // in the sentence
} refusal_cases[] = {
	{"another root key", OTHER_ROOT_KEY, SL_E_FORGED, "does not open this vault"},
	{"a root key cut short", SHORT_ROOT_KEY, SL_E_CORRUPT, "no root key"},
	{"a root key that the group can read", OPEN_ROOT_KEY, SL_E_DENIED, "open to others"},
	{"a root key that is gone", NO_ROOT_KEY, SL_E_NOT_FOUND, "is missing"},
	{"no vault", NO_VAULT, SL_E_NOT_FOUND, "no vault"},
	{"a data file of rubbish", RUBBISH_DATA, SL_E_CORRUPT, "can not be opened"},
	{"a data file cut short", SHORT_DATA, SL_E_CORRUPT, "can not be opened"},
	{"an empty directory", EMPTY_DIR, SL_E_NOT_FOUND, "no vault"},
};

static void do_damage(struct vault_dir *d, enum damage damage)
{
	static const uint8_t rubbish[65536] = {[100] = 7, [5000] = 9};

	switch (damage) {
	case OTHER_ROOT_KEY:
		write_file(vault_dir_file(d, "root.key"), rubbish, 32, 0600);
		break;
	case SHORT_ROOT_KEY:
		CHECK(truncate(vault_dir_file(d, "root.key"), 31) == 0);
		break;
	case OPEN_ROOT_KEY:
		CHECK(chmod(vault_dir_file(d, "root.key"), 0640) == 0);
		break;
	case NO_ROOT_KEY:
		CHECK(unlink(vault_dir_file(d, "root.key")) == 0);
		break;
	case RUBBISH_DATA:
		write_file(vault_dir_file(d, "data.mdb"), rubbish, sizeof(rubbish), 0600);
		break;
	case SHORT_DATA:
		CHECK(truncate(vault_dir_file(d, "data.mdb"), 3 * 4096) == 0);
		break;
	case NO_VAULT:
		strcat(d->path, "/none");
		break;
	case EMPTY_DIR:
		CHECK(unlink(vault_dir_file(d, "data.mdb")) == 0);
		break;
	default:
		break;
	}
}

static void what_is_not_right_is_refused_with_a_reason(void)
{
	for (size_t i = 0; i < sizeof(refusal_cases) / sizeof(refusal_cases[0]); i++) {
		const struct refusal_case *c = &refusal_cases[i];
		struct vault_dir d = vault_dir_new();
		struct vault_dir damaged = d;
		const struct vault_options options = {
			.dir = damaged.path,
			.may_create = c->damage != NO_VAULT && c->damage != EMPTY_DIR,
		};
		struct vault *v = NULL;
		struct problem p = {0};

		fill_vault(&d, 2000);
		do_damage(&damaged, c->damage);
		CHECK_EQUAL(vault_open(&options, &v, &p), c->status);
		CHECK(strstr(p.what, c->words) != NULL);
		CHECK(p.remedy[0] != '\0');
		CHECK(v == NULL);
		if (c->damage == NO_ROOT_KEY) // and none was made in its place
			CHECK(access(vault_dir_file(&d, "root.key"), F_OK) != 0);
		vault_dir_free(&d);
	}
}

static void the_root_key_may_lie_elsewhere(void)
{
	struct vault_dir d = vault_dir_new();
	char file[128];
	const struct vault_options options = {
		.dir = d.path,
		.root_key_file = file,
		.may_create = true,
	};
	struct vault *v = NULL;
	struct problem p;

	snprintf(file, sizeof(file), "%s/other.key", d.path);
	CHECK_FATAL(vault_open(&options, &v, &p) == SL_OK);
	vault_close(v);
	CHECK(access(file, F_OK) == 0);
	CHECK(access(vault_dir_file(&d, "root.key"), F_OK) != 0);
	CHECK_FATAL(vault_open(&options, &v, &p) == SL_OK);
	vault_close(v);
	vault_dir_free(&d);
}

static void a_second_opener_is_told_who_is_first(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct vault *second = NULL;
	struct problem p = {0};
	char pid[32];

	CHECK_EQUAL(vault_dir_open(&d, &second, &p), SL_E_BUSY);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	CHECK(strstr(p.what, pid) != NULL);
	CHECK(second == NULL);
	vault_close(v);
	CHECK_EQUAL(vault_dir_open(&d, &second, &p), SL_OK);
	vault_close(second);
	vault_dir_free(&d);
}

static enum sl_status open_as(const struct vault_dir *d, bool is_appliance, bool may_create)
{
	const struct vault_options options = {
		.dir = d->path,
		.may_create = may_create,
		.is_appliance = is_appliance,
	};
	struct vault *v = NULL;
	struct problem p = {0};
	enum sl_status status = vault_open(&options, &v, &p);

	if (status == SL_OK)
		vault_close(v);
	else
		CHECK(strstr(p.what, "appliance's") != NULL && p.remedy[0] != '\0');
	return status;
}

/** One that has ended, and whose number nobody has yet. */
static uint32_t dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	CHECK_FATAL(pid > 0 && waitpid(pid, NULL, 0) == pid);
	return (uint32_t)pid;
}

static void a_marked_vault_is_kept_from_jobs(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct problem p = {0};

	CHECK_EQUAL(vault_unmark(v, &p), SL_OK);
	CHECK_EQUAL(vault_mark(v, dead_pid(), &p), SL_OK);
	CHECK_EQUAL(vault_mark(v, (uint32_t)getpid(), &p), SL_OK);
	CHECK_EQUAL(vault_mark(v, (uint32_t)getpid(), &p), SL_OK);
	// Whoever comes later does not make forgotten who lives.
	CHECK_EQUAL(vault_mark(v, dead_pid(), &p), SL_OK);
	CHECK_EQUAL(vault_unmark(v, &p), SL_E_BUSY);
	vault_close(v);
	CHECK_EQUAL(open_as(&d, false, true), SL_E_BUSY);
	CHECK_EQUAL(open_as(&d, false, false), SL_OK);
	CHECK_EQUAL(open_as(&d, true, true), SL_OK);
	vault_dir_free(&d);
}

static void a_mark_of_the_dead_can_be_taken_away(void)
{
	static const char rubbish[] = "\n\n1\nx y z\n- 0\n- 4294967295\n- 99999999999999999999\n";
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct problem p = {0};

	CHECK_EQUAL(vault_mark(v, dead_pid(), &p), SL_OK);
	CHECK_EQUAL(vault_unmark(v, &p), SL_OK);
	CHECK(access(vault_dir_file(&d, "appliance"), F_OK) != 0);
	write_file(vault_dir_file(&d, "appliance"), rubbish, sizeof(rubbish), 0600);
	vault_close(v);
	CHECK_EQUAL(open_as(&d, false, true), SL_E_BUSY);
	v = NULL;
	CHECK_FATAL(vault_open(&(struct vault_options){.dir = d.path}, &v, &p) == SL_OK);
	CHECK_EQUAL(vault_unmark(v, &p), SL_OK);
	vault_close(v);
	CHECK_EQUAL(open_as(&d, false, true), SL_OK);
	vault_dir_free(&d);
}

static void a_flipped_bit_anywhere_in_the_head_is_noticed(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	uint8_t *data;
	struct stat st;
	size_t tried = 0;
	size_t unnoticed = 0;
	int fd;

	vault_close(v);
	fd = open(vault_dir_file(&d, "data.mdb"), O_RDWR);
	CHECK_FATAL(fd >= 0 && fstat(fd, &st) == 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK_FATAL(data != MAP_FAILED);
	for (size_t i = 8192; i + 5 < (size_t)st.st_size; i++) {
		if (memcmp(data + i, "vault", 5) != 0)
			continue;
		for (size_t at = 5; at < 5 + 144; at += 9) { // the record follows its key
			struct problem p;

			data[i + at] ^= 1;
			if (vault_dir_open(&d, &v, &p) == SL_OK) {
				vault_close(v);
				unnoticed++;
			}
			data[i + at] ^= 1;
			tried++;
		}
		break;
	}
	munmap(data, (size_t)st.st_size);
	close(fd);
	CHECK(tried > 10);
	CHECK_EQUAL(unnoticed, 0);
	vault_close(vault_dir_vault(&d));
	vault_dir_free(&d);
}

static void contracts_and_scopes_are_kept(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	char text[VAULT_TEXT_MAX + 1];
	uint64_t scopes[20];
	uint64_t scope;
	uint8_t *source = NULL;
	size_t size = 0;
	struct problem p;
	bool is_new;

	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 20; i++) {
			snprintf(text, sizeof(text), "group %d", i);
			CHECK_EQUAL(
				vault_scope(
					v,
					view_of_text(text),
					view_of_text("a/b"),
					&scope,
					&is_new,
					&p
				),
				SL_OK
			);
			CHECK_EQUAL(is_new, round == 0);
			if (round == 0)
				scopes[i] = scope;
			CHECK_EQUAL(scope, scopes[i]);
		}
		vault_close(v);
		v = vault_dir_vault(&d);
	}
	CHECK_EQUAL(vault_scope_text(v, scopes[3], text), strlen("group 3") + 1 + strlen("a/b"));
	CHECK(memcmp(text, "group 3\0a/b", 12) == 0);
	CHECK_EQUAL(vault_scope_text(v, 999, text), 0);
	CHECK_EQUAL(
		vault_put_contract(v, view_of_text("a/b/1.0.0"), view_of_text("x: 1"), &p), SL_OK
	);
	CHECK_EQUAL(vault_put_contract(v, view_of(NULL, 0), view_of_text("x"), &p), SL_E_TOO_BIG);
	CHECK_EQUAL(vault_find_contract(v, view_of_text("a/b/1.0.0"), &source, &size), SL_OK);
	CHECK(size == 4 && memcmp(source, "x: 1", 5) == 0);
	free(source);
	CHECK_EQUAL(
		vault_find_contract(v, view_of_text("a/b/1.0.1"), &source, &size), SL_E_NOT_FOUND
	);
	CHECK_EQUAL(vault_find_contract(v, view_of(NULL, 0), &source, &size), SL_E_NOT_FOUND);
	vault_close(v);
	vault_dir_free(&d);
}

static void a_small_map_grows(void)
{
	struct vault_dir d = vault_dir_new();
	const struct vault_options options = {
		.dir = d.path, .may_create = true, .map_size = 1 << 20};
	struct key_entry e = {0};
	struct keyring *k;
	struct vault *v;
	struct problem p;

	CHECK_FATAL(vault_open(&options, &v, &p) == SL_OK);
	k = keyring_of(v, "g");
	for (size_t i = 0; i < 20000; i++) {
		char value[32];

		snprintf(value, sizeof(value), "user-%zu", i);
		CHECK_FATAL(claim_one(k, DAY, value, 1, &e));
	}
	keyring_end(k);
	CHECK_EQUAL(vault_key_count(v), 20000);
	vault_close(v);
	vault_dir_free(&d);
}

static bool contains(const uint8_t *data, size_t size, const void *marker, size_t marker_size)
{
	return memmem(data, size, marker, marker_size) != NULL;
}

static void nothing_is_in_clear_in_the_files(void)
{
	static const char *const names[] = {"data.mdb", "lock.mdb", "lock"};
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	uint8_t secrets[2][KEY_SIZE];
	struct vault_key key;
	struct key_entry e = {0};
	struct engine *engine;
	struct problem p;
	uint8_t root[32];
	int fd;

	CHECK(claim_one(k, DAY, "marker-of-a-person", 5, &e));
	keyring_end(k);
	CHECK_FATAL(engine_new(&(struct engine_options){0}, &engine, &p) == SL_OK);
	CHECK_FATAL(vault_read_key(v, engine, e.link, &key) == SL_OK);
	engine_free(engine);
	memcpy(secrets[0], key.dek, KEY_SIZE);
	memcpy(secrets[1], vault_mask_key(v), KEY_SIZE);
	fd = open(vault_dir_file(&d, "root.key"), O_RDONLY);
	CHECK_FATAL(read(fd, root, sizeof(root)) == sizeof(root));
	close(fd);
	for (size_t i = 0; i < 3; i++) {
		static uint8_t data[1 << 20];
		ssize_t size;

		fd = open(vault_dir_file(&d, names[i]), O_RDONLY);
		size = read(fd, data, sizeof(data));
		close(fd);
		CHECK_FATAL(size > 0 && size < (ssize_t)sizeof(data));
		CHECK(i != 0 || contains(data, (size_t)size, e.link, KEY_LINK_SIZE));
		CHECK(!contains(data, (size_t)size, "marker-of-a-person", 18));
		CHECK(!contains(data, (size_t)size, root, 16));
		CHECK(!contains(data, (size_t)size, vault_hash_key(v), SIPHASH_KEY_SIZE));
		for (size_t s = 0; s < 2; s++)
			CHECK(!contains(data, (size_t)size, secrets[s], 16));
		for (size_t s = 0; s < 3; s++)
			CHECK(!contains(data, (size_t)size, e.key[s], 16));
	}
	vault_close(v);
	vault_dir_free(&d);
}

static const struct check_test tests[] = {
	{"a new vault is private", a_new_vault_is_private},
	{"missing folders above are made", missing_folders_above_are_made},
	{"secrets are the same after reopening", secrets_are_the_same_after_reopening},
	{"what is not right is refused with a reason", what_is_not_right_is_refused_with_a_reason},
	{"the root key may lie elsewhere", the_root_key_may_lie_elsewhere},
	{"a second opener is told who is first", a_second_opener_is_told_who_is_first},
	{"a marked vault is kept from jobs", a_marked_vault_is_kept_from_jobs},
	{"a mark of the dead can be taken away", a_mark_of_the_dead_can_be_taken_away},
	{"a flipped bit anywhere in the head is noticed",
	 a_flipped_bit_anywhere_in_the_head_is_noticed},
	{"contracts and scopes are kept", contracts_and_scopes_are_kept},
	{"a small map grows", a_small_map_grows},
	{"nothing is in clear in the files", nothing_is_in_clear_in_the_files},
};

CHECK_MAIN("control/vault")
