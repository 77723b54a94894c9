#include "crypto/secret.h"
#include "tests/support/check.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	LINE_MAX_SIZE = 512
};

/** The address sanitizer turns mlock into nothing: then what is locked can not be seen. */
#ifdef __SANITIZE_ADDRESS__
static const bool has_mlock = false;
#else
static const bool has_mlock = true;
#endif

/** Run in a child and tell how it ended: its exit code, or 1000 + the signal. */
static int run_in_child(int (*run)(uint8_t *secret, size_t size), uint8_t *secret, size_t size)
{
	int status = 0;
	pid_t child = fork();

	CHECK_FATAL(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(run(secret, size));
	}
	CHECK_FATAL(waitpid(child, &status, 0) == child);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int read_beyond(uint8_t *secret, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t inner = (size + page - 1) / page * page;

	return *(volatile uint8_t *)(secret + inner) == 0 ? 1 : 2;
}

static void the_page_after_is_guarded(void)
{
	static const size_t sizes[] = {1, 4096, 4097, 100000};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *secret = secret_new(sizes[i]);

		CHECK_FATAL(secret != NULL);
		CHECK_EQUAL(run_in_child(read_beyond, secret, sizes[i]), 1000 + SIGSEGV);
		secret_free(secret, sizes[i]);
	}
}

/** The VmFlags line of the mapping that begins at address, or "". */
static void read_flags(const void *address, char flags[static LINE_MAX_SIZE])
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long long start;
	unsigned long long end;
	bool is_ours = false;
	char line[LINE_MAX_SIZE];

	flags[0] = '\0';
	CHECK_FATAL(maps != NULL);
	while (flags[0] == '\0' && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%llx-%llx ", &start, &end) == 2)
			is_ours = start == (unsigned long long)(uintptr_t)address;
		else if (is_ours && strncmp(line, "VmFlags:", 8) == 0)
			memcpy(flags, line, sizeof(line));
	}
	fclose(maps);
}

static void it_is_locked_and_in_no_core_file(void)
{
	uint8_t *secret = secret_new(4096);
	char flags[LINE_MAX_SIZE];

	CHECK_FATAL(secret != NULL);
	read_flags(secret, flags);
	CHECK(strstr(flags, " dd") != NULL);
	CHECK(strstr(flags, " wf") != NULL);
	CHECK(!has_mlock || (strstr(flags, " lo") != NULL) == secret_is_locked());
	secret_free(secret, 4096);
}

static int find_non_zero(uint8_t *secret, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (secret[i] != 0)
			return 1;
	return 0;
}

static void it_begins_zeroed_and_a_child_sees_zeros(void)
{
	uint8_t *secret = secret_new(5000);

	CHECK_FATAL(secret != NULL);
	CHECK_EQUAL(find_non_zero(secret, 5000), 0);
	memset(secret, 0x77, 5000);
	CHECK_EQUAL(run_in_child(find_non_zero, secret, 5000), 0);
	CHECK_EQUAL(secret[4999], 0x77);
	secret_free(secret, 5000);
}

/** The child has no right to lock a byte, and is told so. */
static int lock_nothing(uint8_t *secret, size_t size)
{
	struct rlimit none = {0, 0};
	uint8_t *other;

	(void)secret;
	if (setrlimit(RLIMIT_MEMLOCK, &none) != 0)
		return 1;
	if (geteuid() == 0 && setuid(65534) != 0)
		return 2;
	other = secret_new(size);
	if (other == NULL)
		return 3;
	other[size - 1] = 1;
	return secret_is_locked() ? 4 : 0;
}

static void a_lock_that_fails_is_told(void)
{
	if (has_mlock)
		CHECK_EQUAL(run_in_child(lock_nothing, NULL, 4096), 0);
}

static void odd_sizes(void)
{
	uint8_t *empty = secret_new(0);

	CHECK(empty != NULL);
	secret_free(empty, 0);
	secret_free(NULL, 10);
	CHECK(secret_new(SIZE_MAX) == NULL);
	CHECK(secret_new(SIZE_MAX / 2) == NULL);
}

static void equality_looks_at_every_byte(void)
{
	uint8_t a[33] = {0};
	uint8_t b[33] = {0};

	CHECK(bytes_equal_ct(a, b, sizeof(a)));
	CHECK(bytes_equal_ct(a, b, 0));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] = (uint8_t)(1u << bit % 8);
		CHECK(!bytes_equal_ct(a, b, sizeof(a)));
		b[bit / 8] = 0;
	}
	memset(a, 1, sizeof(a));
	bytes_wipe(a, sizeof(a));
	CHECK(bytes_equal_ct(a, b, sizeof(a)));
	bytes_wipe(NULL, 0);
}

static const struct check_test tests[] = {
	{"the page after is guarded", the_page_after_is_guarded},
	{"it is locked and in no core file", it_is_locked_and_in_no_core_file},
	{"it begins zeroed and a child sees zeros", it_begins_zeroed_and_a_child_sees_zeros},
	{"a lock that fails is told", a_lock_that_fails_is_told},
	{"odd sizes", odd_sizes},
	{"equality looks at every byte", equality_looks_at_every_byte},
};

CHECK_MAIN("crypto/secret")
