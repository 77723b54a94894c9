#include "io/directory.h"
#include "io/fault.h"
#include "io/sink_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

int files_lock(struct files *f)
{
	char name[FILES_NAME_MAX];

	snprintf(name, sizeof(name), ".%s.lock", f->prefix);
	f->lock_fd = openat(f->directory_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock_fd < 0)
		return errno;
	return flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

int files_sync_directory(const struct files *f)
{
	return f->sync_rule == SINK_SYNC_NEVER ? 0 : directory_sync(f->directory_fd);
}

int files_cut(int fd, uint64_t size)
{
	int error = io_fault_of(IO_STEP_CUT);

	if (error != 0)
		return error;
	return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}

int files_open_partial(
	const struct files *f,
	const struct files_name *name,
	bool is_there,
	int *ret_fd
)
{
	char text[FILES_NAME_MAX];
	int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (is_there ? 0 : O_CREAT | O_EXCL);
	int error = is_there ? 0 : io_fault_of(IO_STEP_MAKE);
	int fd;

	if (error != 0)
		return error;
	files_name_write(text, f->prefix, name, true);
	fd = openat(f->directory_fd, text, flags, 0644);
	if (fd < 0)
		return errno;
	*ret_fd = fd;
	return 0;
}

int files_publish(const struct files *f, const struct files_name *name)
{
	char from[FILES_NAME_MAX];
	char to[FILES_NAME_MAX];
	int error = io_fault_of(IO_STEP_PUBLISH);

	if (error != 0)
		return error;
	files_name_write(from, f->prefix, name, true);
	files_name_write(to, f->prefix, name, false);
	if (renameat2(f->directory_fd, from, f->directory_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	// Not every file system can refuse to replace; numbers are given once, so nothing is there.
	if (errno != EINVAL)
		return errno;
	return renameat(f->directory_fd, from, f->directory_fd, to) == 0 ? 0 : errno;
}

int files_remove(const struct files *f, const struct files_name *name)
{
	char text[FILES_NAME_MAX];

	files_name_write(text, f->prefix, name, true);
	return unlinkat(f->directory_fd, text, 0) == 0 || errno == ENOENT ? 0 : errno;
}
