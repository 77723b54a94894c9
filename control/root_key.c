#include "control/root_key.h"

#include "crypto/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	PATH_MAX_ = 4096
};

static enum sl_status fail(struct problem *p, const char *file, int error, const char *what)
{
	enum sl_status status =
		problem_set(p, status_of_errno(error), "%s: %s", what, strerror(error));

	problem_at_file(p, file);
	return status;
}

static enum sl_status check_file(int fd, const char *file, struct problem *ret_problem)
{
	struct stat st;
	enum sl_status status;

	if (fstat(fd, &st) != 0)
		return fail(ret_problem, file, errno, "the root key can not be read");
	if (!S_ISREG(st.st_mode) || st.st_size != ROOT_KEY_SIZE) {
		status = problem_set(
			ret_problem,
			SL_E_CORRUPT,
			"this is no root key: it must be a file of %d bytes",
			ROOT_KEY_SIZE
		);
		problem_at_file(ret_problem, file);
		problem_remedy(ret_problem, "name the root key file that was made with the vault");
		return status;
	}
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
		status = problem_set(
			ret_problem,
			SL_E_DENIED,
			"the root key is open to others (mode %04o)",
			(unsigned)st.st_mode & 07777
		);
		problem_at_file(ret_problem, file);
		problem_remedy(
			ret_problem,
			"run `chmod 600 %s`, and think about who may have read it",
			file
		);
		return status;
	}
	return SL_OK;
}

enum sl_status root_key_read(
	const char *file,
	uint8_t ret_key[static ROOT_KEY_SIZE],
	struct problem *ret_problem
)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum sl_status status;

	if (fd < 0)
		return fail(ret_problem, file, errno, "the root key can not be opened");
	status = check_file(fd, file, ret_problem);
	if (status == SL_OK && read(fd, ret_key, ROOT_KEY_SIZE) != ROOT_KEY_SIZE)
		status = fail(ret_problem, file, EIO, "the root key can not be read");
	close(fd);
	return status;
}

static int sync_parent(const char *file)
{
	char copy[PATH_MAX_];
	int fd;
	int error = 0;

	snprintf(copy, sizeof(copy), "%s", file);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		error = errno;
	close(fd);
	return error;
}

enum sl_status root_key_make(
	const char *file,
	struct engine *engine,
	uint8_t ret_key[static ROOT_KEY_SIZE],
	struct problem *ret_problem
)
{
	char fresh[PATH_MAX_];
	uint8_t key[ROOT_KEY_SIZE];
	int error = 0;
	int fd;

	if (snprintf(fresh, sizeof(fresh), "%s.new", file) >= (int)sizeof(fresh))
		return fail(ret_problem, file, ENAMETOOLONG, "the root key can not be made");
	unlink(fresh); // left over by one that was killed; it never was in use
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(ret_problem, file, errno, "the root key can not be made");
	engine_random(engine, key, sizeof(key));
	errno = EIO;
	if (write(fd, key, sizeof(key)) != sizeof(key) || fsync(fd) != 0)
		error = errno;
	close(fd);
	// link, not rename: a root key that is there is never replaced
	if (error == 0 && link(fresh, file) != 0)
		error = errno;
	unlink(fresh);
	if (error == 0)
		error = sync_parent(file);
	if (error == 0)
		memcpy(ret_key, key, sizeof(key));
	bytes_wipe(key, sizeof(key));
	return error == 0 ? SL_OK : fail(ret_problem, file, error, "the root key can not be made");
}
