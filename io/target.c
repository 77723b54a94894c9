#include "io/target.h"

#include "io/fault.h"
#include "io/file_problem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
	NAME_TRIES = 100 // random names that may be taken already
};

/** A random name beside base; NULL = no memory. Long names are cut, so that it still fits. */
static char *name_partial(const char *base)
{
	uint64_t number = 0;
	char *name = NULL;

	// Only to be unlike other runs' names: O_EXCL and link find a clash.
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		number = (uint64_t)getpid();
	if (asprintf(&name, ".%.200s.%016llx.partial", base, (unsigned long long)number) < 0)
		return NULL;
	return name;
}

/** Split where path leads into directory and base. Returns errno, or 0. */
static int resolve(struct target *t, const char *path)
{
	struct stat st;
	char *real =
		lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : strdup(path);
	char *slash;

	if (real == NULL)
		return errno;
	slash = strrchr(real, '/');
	t->base = strdup(slash == NULL ? real : slash + 1);
	if (slash == NULL)
		t->directory = strdup(".");
	else
		t->directory = slash == real ? strdup("/") : strndup(real, (size_t)(slash - real));
	free(real);
	if (t->base == NULL || t->directory == NULL)
		return ENOMEM;
	return t->base[0] == '\0' ? EISDIR : 0;
}

static int open_named(struct target *t, mode_t mode)
{
	for (int i = 0; i < NAME_TRIES; i++) {
		t->partial = name_partial(t->base);
		if (t->partial == NULL)
			return ENOMEM;
		t->fd = openat(
			t->directory_fd, t->partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode
		);
		if (t->fd >= 0)
			return 0;
		free(t->partial);
		t->partial = NULL;
		if (errno != EEXIST)
			return errno;
	}
	return EEXIST;
}

static int open_file(struct target *t, const char *path, mode_t mode)
{
	int error = resolve(t, path);

	if (error != 0)
		return error;
	t->directory_fd = open(t->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->directory_fd < 0)
		return errno;
	error = io_fault_of(IO_STEP_UNNAMED);
	if (error == 0) {
		t->fd = openat(t->directory_fd, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
		if (t->fd >= 0)
			return 0;
		error = errno;
	}
	// What file systems and kernels say that have no unnamed files.
	if (error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOENT)
		return open_named(t, mode);
	return error;
}

static int open_stream(struct target *t, const char *path)
{
	t->is_stream = true;
	if (strcmp(path, "-") == 0)
		t->fd = STDOUT_FILENO;
	else
		t->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	return t->fd < 0 ? errno : 0;
}

enum sl_status target_open(
	struct target *t,
	const char *path,
	mode_t mode,
	struct problem *ret_problem
)
{
	bool is_stdout = strcmp(path, "-") == 0;
	const char *name = is_stdout ? "standard output" : path;
	struct stat st;
	int error;

	*t = (struct target){.fd = -1, .directory_fd = -1, .name = strdup(name)};
	if (t->name == NULL)
		error = ENOMEM;
	else if (is_stdout)
		error = open_stream(t, path);
	else if (path[0] == '\0')
		error = ENOENT;
	else if (stat(path, &st) != 0)
		error = errno == ENOENT ? open_file(t, path, mode) : errno;
	else if (S_ISDIR(st.st_mode))
		error = EISDIR;
	else
		error = S_ISREG(st.st_mode) ? open_file(t, path, mode) : open_stream(t, path);
	if (error == 0)
		return SL_OK;
	target_done(t);
	return file_problem(ret_problem, error, name, "be made");
}

void target_expect(const struct target *t, uint64_t size)
{
	struct stat st;

	// Memory file systems fill what is set aside with zeroes first: no gain there, only work.
	if (!t->is_stream && size != 0 && fstat(t->fd, &st) == 0 && major(st.st_dev) != 0)
		(void)!fallocate(t->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
}

enum sl_status target_sync(const struct target *t, uint64_t size, struct problem *ret_problem)
{
	int error = io_fault_of(IO_STEP_SYNC);

	if (error == 0 && !t->is_stream
	    && (ftruncate(t->fd, (off_t)size) != 0 || fsync(t->fd) != 0))
		error = errno;
	return error == 0 ? SL_OK : file_problem(ret_problem, error, t->name, "be made durable");
}

/** Give the unnamed file a name. Returns errno, or 0. */
static int link_file(const struct target *t, const char *name)
{
	char self[32];

	snprintf(self, sizeof(self), "/proc/self/fd/%d", t->fd);
	if (linkat(AT_FDCWD, self, t->directory_fd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return errno;
	// No /proc: this way needs a privilege, or a newer kernel.
	return linkat(t->fd, "", t->directory_fd, name, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

static int link_partial(struct target *t)
{
	int error = EEXIST;

	for (int i = 0; i < NAME_TRIES && error == EEXIST; i++) {
		t->partial = name_partial(t->base);
		if (t->partial == NULL)
			return ENOMEM;
		error = link_file(t, t->partial);
		if (error != 0) {
			free(t->partial);
			t->partial = NULL;
		}
	}
	return error;
}

static int give_name(struct target *t)
{
	int error = io_fault_of(IO_STEP_PUBLISH);

	if (error != 0)
		return error;
	// Nothing there to be replaced: a link is enough, and a death in between leaves nothing.
	if (t->partial == NULL) {
		error = link_file(t, t->base);
		if (error != EEXIST)
			return error;
		error = link_partial(t);
		if (error != 0)
			return error;
	}
	if (renameat(t->directory_fd, t->partial, t->directory_fd, t->base) != 0)
		return errno;
	free(t->partial);
	t->partial = NULL;
	return 0;
}

enum sl_status target_publish(struct target *t, struct problem *ret_problem)
{
	int error;

	if (t->is_stream)
		return SL_OK;
	error = give_name(t);
	if (error != 0)
		return file_problem(ret_problem, error, t->name, "be put under its name");
	error = io_fault_of(IO_STEP_SYNC);
	// Some file systems know no syncing of directories.
	if (error == 0 && fsync(t->directory_fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		error = errno;
	return error == 0 ? SL_OK : file_problem(ret_problem, error, t->name, "be made durable");
}

void target_done(struct target *t)
{
	if (t->partial != NULL)
		unlinkat(t->directory_fd, t->partial, 0);
	if (t->fd >= 0 && t->fd != STDOUT_FILENO)
		close(t->fd);
	if (t->directory_fd >= 0)
		close(t->directory_fd);
	free(t->partial);
	free(t->base);
	free(t->directory);
	free(t->name);
	*t = (struct target){.fd = -1, .directory_fd = -1};
}
