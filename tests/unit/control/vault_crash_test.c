#include "control/vault_inner.h"
#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
	DAY = 20000,
	ROUNDS = 20,
	KEYS_MAX = 1 << 20
};

#define DURABLE_NS_MAX UINT64_C(20000000000)

/** What a child told before it was killed. */
struct told {
	atomic_size_t durable; // keys 0..durable-1 were reported durable
	uint8_t link[KEYS_MAX][KEY_LINK_SIZE];
};

static bool claim_number(struct keyring *k, size_t number, struct key_entry *ret_entry)
{
	char value[32];

	snprintf(value, sizeof(value), "user-%zu", number);
	return claim_one(k, DAY, value, number % 50 + 1, ret_entry);
}

/** Claim keys and tell of those that are durable, until killed. */
static _Noreturn void run_child(const struct vault_dir *d, struct told *told)
{
	struct vault *v = vault_dir_vault(d);
	struct keyring *k = keyring_of(v, "g");

	for (size_t first = 0; first < KEYS_MAX; first += 500) {
		for (size_t i = first; i < first + 500; i++) {
			struct key_entry e = {0};

			if (!claim_number(k, i, &e))
				_exit(1);
			memcpy(told->link[i], e.link, KEY_LINK_SIZE);
		}
		if (keyring_wait_durable(k, keyring_position(k)) != SL_OK)
			_exit(1);
		atomic_store(&told->durable, first + 500);
		if (first % 5000 == 0 && vault_index(v, &(struct problem){0}) != SL_OK)
			_exit(1);
	}
	_exit(0);
}

/** All children claim the same names in the same order: the vault's keys are those of the first so many names. */
static size_t check_after_kill(const struct vault_dir *d, struct told *told)
{
	size_t durable = atomic_load(&told->durable);
	struct vault *v = vault_dir_vault(d);
	struct keyring *k = keyring_of(v, "g");
	size_t count = vault_key_count(v);
	size_t wrong = count < durable;

	for (size_t i = 0; i < count; i++) {
		struct key_entry e = {0};

		wrong += !claim_number(k, i, &e);
		wrong += i < durable && memcmp(e.link, told->link[i], KEY_LINK_SIZE) != 0;
	}
	// Nothing was made: every name is found, so none has two links.
	wrong += keyring_created_count(k) != 0;
	keyring_end(k);
	wrong += vault_key_count(v) != count;
	vault_close(v);
	return wrong;
}

/** Whatever the disk is busy with. */
static void wait_durable(const struct told *told)
{
	const uint64_t end_ns = clock_monotonic_ns() + DURABLE_NS_MAX;

	while (atomic_load(&told->durable) == 0 && clock_monotonic_ns() < end_ns)
		usleep(1000);
}

/** Every key that was reported durable is there, under its name, and never made twice. */
static void killed_at_random_moments_it_keeps_every_durable_key(void)
{
	struct vault_dir d = vault_dir_new();
	struct told *told =
		mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
		);
	unsigned seed = 12345;
	size_t wrong = 0;
	size_t most = 0;

	CHECK_FATAL(told != MAP_FAILED);
	for (int round = 0; round < ROUNDS; round++) {
		int status;
		pid_t child;

		atomic_store(&told->durable, 0);
		child = fork();
		CHECK_FATAL(child >= 0);
		if (child == 0)
			run_child(&d, told);
		usleep(5000 + (useconds_t)(rand_r(&seed) % 120000));
		if (round == ROUNDS - 1 && most == 0)
			wait_durable(told);
		kill(child, SIGKILL);
		CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
		if (atomic_load(&told->durable) > most)
			most = atomic_load(&told->durable);
		wrong += check_after_kill(&d, told);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK(most > 0);
	munmap(told, sizeof(*told));
	vault_dir_free(&d);
}

/** In a child, because the limit can not be lifted again. 0: as it should be. */
static int fill_to_the_limit(const struct vault_dir *d, rlim_t size_max)
{
	struct vault *v = vault_dir_vault(d);
	struct keyring *k = keyring_of(v, "g");
	const struct rlimit limit = {size_max, size_max};
	struct key_entry e = {0};
	struct problem p = {0};
	size_t given = 0;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	while (given < KEYS_MAX && claim_number(k, given, &e))
		given++;
	if (given == KEYS_MAX || keyring_status(k, &p) != SL_E_NO_SPACE || p.what[0] == '\0')
		return 2;
	if (claim_number(k, given + 1, &e)) // sticky
		return 3;
	if (keyring_wait_durable(k, keyring_position(k)) != SL_E_NO_SPACE)
		return 4;
	if (keyring_close(k, &p) != SL_E_NO_SPACE)
		return 5;
	vault_close(v);
	return 0;
}

static void a_full_disk_stops_claims_and_spares_the_vault(void)
{
	static const rlim_t limits[] = {64 << 10, 200 << 10, 1 << 20, 3 << 20};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct vault_dir d = vault_dir_new();
		struct keyring *k;
		struct vault *v;
		struct key_entry e = {0};
		uint64_t count;
		int status = 1;
		pid_t child;

		vault_close(vault_dir_vault(&d));
		child = fork();
		CHECK_FATAL(child >= 0);
		if (child == 0)
			_exit(fill_to_the_limit(&d, limits[i]));
		CHECK(waitpid(child, &status, 0) == child);
		CHECK(WIFEXITED(status));
		CHECK_EQUAL(WEXITSTATUS(status), 0);
		v = vault_dir_vault(&d);
		count = vault_key_count(v);
		k = keyring_of(v, "g");
		for (size_t n = 0; n < count + 10; n++)
			CHECK_FATAL(claim_number(k, n, &e));
		CHECK_EQUAL(keyring_created_count(k), 10);
		keyring_end(k);
		vault_close(v);
		vault_dir_free(&d);
	}
}

/** In a process of its own: the limit is the process's. */
static int open_without_room(const struct vault_dir *d)
{
	const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
	struct vault *v = NULL;
	uint64_t scope;
	bool is_new;
	struct problem p;

	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &none) != 0)
		return 1;
	if (vault_dir_open(d, &v, &p) != SL_OK)
		return 2;
	if (vault_key_count(v) != 1)
		return 3;
	if (vault_scope(v, view_of_text("known"), view_of_text("acme/x"), &scope, &is_new, &p)
		    != SL_OK
	    || is_new)
		return 4;
	if (vault_scope(v, view_of_text("new"), view_of_text("acme/x"), &scope, &is_new, &p)
	    != SL_E_NO_SPACE)
		return 5;
	return 0;
}

static void a_vault_on_a_full_disk_is_read(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct key_entry e = {0};
	uint64_t scope;
	bool is_new;
	struct problem p;
	int status = -1;
	pid_t child;

	CHECK(claim_number(k, 1, &e));
	keyring_end(k);
	CHECK_EQUAL(
		vault_scope(v, view_of_text("known"), view_of_text("acme/x"), &scope, &is_new, &p),
		SL_OK
	);
	vault_close(v);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0)
		_exit(open_without_room(&d));
	waitpid(child, &status, 0);
	CHECK_EQUAL(status, 0);
	vault_dir_free(&d);
}

enum {
	SYNCS_MAX = 256
};

static ino_t synced[SYNCS_MAX];
static size_t sync_count;

/** In place of libc's: remembers what was synced. */
int fsync(int fd)
{
	struct stat about;

	if (fstat(fd, &about) == 0 && sync_count < SYNCS_MAX)
		synced[sync_count++] = about.st_ino;
	return (int)syscall(SYS_fsync, fd);
}

static bool is_synced(const char *path)
{
	struct stat about;

	if (stat(path, &about) != 0)
		return false;
	for (size_t i = 0; i < sync_count; i++)
		if (synced[i] == about.st_ino)
			return true;
	return false;
}

/** A power cut right after the first key: the vault must have a name, and so must the folders above it. */
static void a_new_vault_has_its_name_for_good(void)
{
	struct vault_dir root = vault_dir_new();
	struct vault_dir d;
	char outer[64];
	const char *root_key = vault_dir_file(&root, "root.key");
	const struct vault_options options = {
		.dir = d.path, .root_key_file = root_key, .may_create = true};
	struct vault *v = NULL;
	struct problem p;

	snprintf(outer, sizeof(outer), "%.40s/a", root.path);
	snprintf(d.path, sizeof(d.path), "%.50s/b", outer);
	sync_count = 0;
	CHECK_EQUAL(vault_open(&options, &v, &p), SL_OK);
	CHECK(is_synced(d.path));
	CHECK(is_synced(outer));
	CHECK(is_synced(root.path));
	vault_close(v);
	vault_dir_free(&d);
	rmdir(outer);
	vault_dir_free(&root);
}

/** What a disk did that failed at a commit is no reason to go back to a backup. */
static void a_failed_write_is_no_damage(void)
{
	const struct vault v = {.dir = (char *)"/v"};
	struct problem p;

	CHECK_EQUAL(store_problem(&p, &v, MDB_PANIC, "keys"), SL_E_IO);
	CHECK(strstr(p.remedy, "disk") != NULL && strstr(p.remedy, "backup") == NULL);
	CHECK_EQUAL(store_problem(&p, &v, MDB_CORRUPTED, "keys"), SL_E_CORRUPT);
	CHECK(strstr(p.remedy, "backup") != NULL);
}

static const struct check_test tests[] = {
	{"killed at random moments it keeps every durable key",
	 killed_at_random_moments_it_keeps_every_durable_key},
	{"a full disk stops claims and spares the vault",
	 a_full_disk_stops_claims_and_spares_the_vault},
	{"a vault on a full disk is read", a_vault_on_a_full_disk_is_read},
	{"a failed write is no damage", a_failed_write_is_no_damage},
	{"a new vault has its name for good", a_new_vault_has_its_name_for_good},
};

CHECK_MAIN("control/vault_crash")
