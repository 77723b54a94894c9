#include "io/directory.h"
#include "io/fault.h"
#include "io/sink_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int lock(const struct files *f, int directory_fd, int *ret_fd)
{
	char name[FILES_NAME_MAX];
	int error;
	int fd;

	snprintf(name, sizeof(name), ".%s.lock", f->prefix);
	fd = openat(directory_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	error = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
	if (error != 0)
		close(fd);
	else
		*ret_fd = fd;
	return error;
}

int files_open_directory(struct files *f)
{
	int error = directory_make(f->directory, 0750);
	int lock_fd = -1;
	int fd;

	if (error != 0)
		return error;
	fd = open(f->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = lock(f, fd, &lock_fd);
	if (error != 0) {
		close(fd);
		return error;
	}
	if (f->directory_fd >= 0)
		close(f->directory_fd);
	if (f->lock_fd >= 0)
		close(f->lock_fd);
	f->directory_fd = fd;
	f->lock_fd = lock_fd;
	return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

int files_find_directory(struct files *f)
{
	struct stat held;
	struct stat named;

	if (fstat(f->directory_fd, &held) != 0)
		return errno;
	if (stat(f->directory, &named) == 0 && is_same(&named, &held))
		return ENOENT;
	return files_open_directory(f);
}

int files_check_current(const struct files *f)
{
	char text[FILES_NAME_MAX];
	struct stat held;
	struct stat named;

	files_name_write(text, f->prefix, &f->at.current.name, true);
	if (fstat(f->fd, &held) != 0
	    || fstatat(f->directory_fd, text, &named, AT_SYMLINK_NOFOLLOW) != 0)
		return errno;
	return is_same(&named, &held) ? 0 : ENOENT;
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
	fd = openat(f->directory_fd, text, flags, 0640);
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
