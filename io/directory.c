#include "io/directory.h"

#include "io/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** Make the entry of a path durable that lies behind a slash of it, or nowhere. Returns errno, or 0. */
static int sync_parent(const char *path)
{
	char parent[PATH_MAX];
	const char *slash;
	size_t size = strlen(path);
	int error;
	int fd;

	while (size > 1 && path[size - 1] == '/')
		size--;
	slash = memrchr(path, '/', size);
	if (slash == NULL)
		snprintf(parent, sizeof(parent), ".");
	else
		snprintf(
			parent,
			sizeof(parent),
			"%.*s",
			slash == path ? 1 : (int)(slash - path),
			path
		);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = directory_sync(fd);
	close(fd);
	return error;
}

static int make_one(const char *path, mode_t mode)
{
	if (mkdir(path, mode) == 0)
		return sync_parent(path);
	return errno == EEXIST ? 0 : errno;
}

int directory_make(const char *path, mode_t mode)
{
	char part[PATH_MAX];
	int error = io_fault_of(IO_STEP_MAKE);

	if (error != 0)
		return error;
	if (strlen(path) >= sizeof(part))
		return ENAMETOOLONG;
	if (path[0] == '\0')
		return ENOENT;
	snprintf(part, sizeof(part), "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL && error == 0;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		error = make_one(part, mode);
		*slash = '/';
	}
	if (error != 0)
		return error;
	if (mkdir(part, mode) != 0 && errno != EEXIST)
		return errno;
	// Also when it is there: who made it may have died before this.
	error = sync_parent(part);
	return error == EACCES ? 0 : error;
}

int directory_sync(int fd)
{
	int error = io_fault_of(IO_STEP_SYNC);

	// Some file systems know no syncing of directories.
	if (error == 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		error = errno;
	return error;
}
