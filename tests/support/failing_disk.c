#undef _FILE_OFFSET_BITS // else pwrite is but another name of pwrite64

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

// Preloaded into a program: while the file FAILING_DISK names is there, writes that are to reach the disk at once (O_DSYNC, as
// those of LMDB's head are) fail, as on a disk that breaks.

typedef ssize_t pwrite_fn(int, const void *, size_t, off_t);

static ssize_t fail_or(const char *real, int fd, const void *bytes, size_t size, off_t at)
{
	const char *marker = getenv("FAILING_DISK");
	int flags = fcntl(fd, F_GETFL);
	pwrite_fn *next;

	if (flags >= 0 && (flags & O_DSYNC) != 0 && marker != NULL && access(marker, F_OK) == 0) {
		errno = EIO;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, real);
	return next(fd, bytes, size, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
	return fail_or("pwrite", fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
	return fail_or("pwrite64", fd, bytes, size, at);
}
