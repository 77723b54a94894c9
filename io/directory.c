#include "io/directory.h"

#include "io/fault.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int directory_make(const char *path)
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
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return errno;
		*slash = '/';
	}
	return mkdir(part, 0755) == 0 || errno == EEXIST ? 0 : errno;
}

int directory_sync(int fd)
{
	int error = io_fault_of(IO_STEP_SYNC);

	// Some file systems know no syncing of directories.
	if (error == 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		error = errno;
	return error;
}
