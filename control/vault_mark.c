#include "control/vault_inner.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// DIR/appliance: whose dataplanes have a journal for the vault. Each line is a boot of the machine and the number of a
// process in it: `BOOT PID`. Its keys are not in the vault yet, and their links must be above all that are there.

enum {
	BOOT_SIZE = 37,  // a UUID as text
	LINE_SIZE = 100, // more than a line of ours
	PATH_SIZE = 4096
};

/** What is read of a mark. */
struct marked {
	bool is_there;
	bool has_pid;        // the process asked for is named
	uint32_t living_pid; // one that is named and lives; 0 = none
};

static void find_path(const struct vault *v, char ret_path[static PATH_SIZE])
{
	snprintf(ret_path, PATH_SIZE, "%s/appliance", v->dir);
}

/** Numbers of processes are those of one boot. */
static void read_boot(char ret_boot[static BOOT_SIZE])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (file == NULL || fgets(ret_boot, BOOT_SIZE, file) == NULL)
		snprintf(ret_boot, BOOT_SIZE, "-");
	if (file != NULL)
		fclose(file);
}

/** One that has ended and was not waited for by its parent has ended. When in doubt it lives. */
static bool lives(uint32_t pid)
{
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0), .events = POLLIN};
	bool has_ended;

	if (p.fd < 0)
		return errno != ESRCH && errno != EINVAL;
	has_ended = poll(&p, 1, 0) == 1;
	close(p.fd);
	return !has_ended;
}

/** @return 0, or -1 with errno */
static int read_mark(const char *path, const char *boot, uint32_t pid, struct marked *ret_marked)
{
	FILE *file = fopen(path, "re");
	char line[LINE_SIZE];

	*ret_marked = (struct marked){.is_there = file != NULL};
	if (file == NULL)
		return errno == ENOENT ? 0 : -1;
	while (fgets(line, sizeof(line), file) != NULL) {
		char its_boot[BOOT_SIZE];
		uint32_t its_pid;

		if (sscanf(line, "%36s %u", its_boot, &its_pid) != 2 || strcmp(its_boot, boot) != 0)
			continue;
		ret_marked->has_pid = ret_marked->has_pid || its_pid == pid;
		if (lives(its_pid))
			ret_marked->living_pid = its_pid;
	}
	fclose(file);
	return 0;
}

/** @return 0, or -1 with errno */
static int write_mark(const struct vault *v, const char *path, const char *line, int how)
{
	const size_t size = strlen(line);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | how, 0600);
	int error = 0;
	ssize_t written;

	if (fd < 0)
		return -1;
	written = write(fd, line, size);
	if (written != (ssize_t)size)
		error = written < 0 ? errno : ENOSPC;
	else if (fsync(fd) != 0)
		error = errno;
	close(fd);
	if (error == 0)
		return store_sync_dir(v->dir);
	errno = error;
	return -1;
}

static enum sl_status fail(const char *path, const char *verb, struct problem *ret_problem)
{
	enum sl_status status = status_of_errno(errno);

	(void)!problem_set(
		ret_problem,
		status,
		"the mark that the vault is an appliance's can not be %s: %m",
		verb
	);
	problem_at_file(ret_problem, path);
	return status;
}

enum sl_status vault_mark(struct vault *vault, uint32_t pid, struct problem *ret_problem)
{
	char path[PATH_SIZE];
	char boot[BOOT_SIZE];
	char line[LINE_SIZE];
	struct marked m;

	find_path(vault, path);
	read_boot(boot);
	if (read_mark(path, boot, pid, &m) != 0)
		return fail(path, "read", ret_problem);
	if (m.has_pid)
		return SL_OK;
	snprintf(line, sizeof(line), "%s %u\n", boot, pid);
	// Those that are named have ended, or may come back.
	if (write_mark(vault, path, line, m.living_pid == 0 ? O_TRUNC : O_APPEND) != 0)
		return fail(path, "written", ret_problem);
	return SL_OK;
}

enum sl_status vault_unmark(struct vault *vault, struct problem *ret_problem)
{
	char path[PATH_SIZE];
	char boot[BOOT_SIZE];
	struct marked m;

	find_path(vault, path);
	read_boot(boot);
	if (read_mark(path, boot, 0, &m) != 0)
		return fail(path, "read", ret_problem);
	if (m.living_pid != 0)
		return problem_set(
			ret_problem,
			SL_E_BUSY,
			"the dataplane of pid %u lives and may still have keys for the vault: jobs "
			"are kept from it",
			m.living_pid
		);
	if (m.is_there && (unlink(path) != 0 || store_sync_dir(vault->dir) != 0))
		return fail(path, "taken away", ret_problem);
	return SL_OK;
}

enum sl_status mark_check(
	const struct vault *v,
	const struct vault_options *options,
	struct problem *ret_problem
)
{
	char path[PATH_SIZE];

	// Who may not make a vault makes no keys in one either.
	if (options->is_appliance || !options->may_create)
		return SL_OK;
	find_path(v, path);
	if (access(path, F_OK) != 0)
		return SL_OK;
	(void)!problem_set(
		ret_problem,
		SL_E_BUSY,
		"the vault is an appliance's, whose dataplane may still have keys for it"
	);
	problem_at_file(ret_problem, v->dir);
	problem_remedy(
		ret_problem,
		"start sealane-control, then end both with sealane stop; or give the job a vault "
		"of "
		"its own"
	);
	return SL_E_BUSY;
}
