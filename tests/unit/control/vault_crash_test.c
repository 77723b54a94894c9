#include "control/vault.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
	DAY = 20000,
	ROUNDS = 20,
	KEYS_MAX = 1 << 20
};

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

static const struct check_test tests[] = {
	{"killed at random moments it keeps every durable key",
	 killed_at_random_moments_it_keeps_every_durable_key},
	{"a full disk stops claims and spares the vault",
	 a_full_disk_stops_claims_and_spares_the_vault},
};

CHECK_MAIN("control/vault_crash")
