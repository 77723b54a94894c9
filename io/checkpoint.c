#include "io/checkpoint.h"

#include "io/checkpoint_form.h"
#include "io/fault.h"
#include "io/file_problem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ANEW_SIZE_MIN = 1 << 20, // bytes of a file that is not yet worth to be written anew
	ANEW_RECORDS = 16        // of the newest one's size
};

struct checkpoint {
	char *path;
	char *path_new;
	int fd;
	int directory_fd;
	uint64_t end;
	uint64_t sequence; // of the newest record
	bool is_renamed;   // written anew; its name may not be durable
	bool is_long;      // what lies beyond end is to be cut off first
	uint8_t *bytes;    // [capacity]: the file at the open, a record later
	size_t capacity;
};

static enum sl_status problem_of(
	const struct checkpoint *c,
	int error,
	const char *act,
	struct problem *ret_problem
)
{
	return file_problem(ret_problem, error, c->path, act);
}

/** Room for size bytes; what was there is lost. Returns errno, or 0. */
static int have_room(struct checkpoint *c, size_t size)
{
	uint8_t *bytes;

	if (size <= c->capacity)
		return 0;
	bytes = malloc(size);
	if (bytes == NULL)
		return ENOMEM;
	free(c->bytes);
	c->bytes = bytes;
	c->capacity = size;
	return 0;
}

static int open_directory(struct checkpoint *c)
{
	char *slash = strrchr(c->path, '/');
	char *directory = slash == NULL ? strdup(".")
		: slash == c->path      ? strdup("/")
					: strndup(c->path, (size_t)(slash - c->path));

	if (directory == NULL)
		return ENOMEM;
	c->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	return c->directory_fd < 0 ? errno : 0;
}

static int open_locked(const char *path, int flags, int *ret_fd)
{
	int error = io_fault_of(IO_STEP_MAKE);
	struct stat held;
	struct stat named;

	if (error != 0)
		return error;
	*ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
	if (*ret_fd < 0)
		return errno;
	if (flock(*ret_fd, LOCK_EX | LOCK_NB) != 0 || fstat(*ret_fd, &held) != 0)
		return errno;
	// Its holder may have put another file in its place meanwhile, and let go of this one.
	return stat(path, &named) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev
		? 0
		: EWOULDBLOCK;
}

static int sync_fd(int fd)
{
	int error = io_fault_of(IO_STEP_SYNC);

	if (error == 0 && fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP)
		error = errno;
	return error;
}

static int read_file(struct checkpoint *c, size_t *ret_size)
{
	struct stat st;
	size_t size;
	size_t at = 0;
	int error;

	if (fstat(c->fd, &st) != 0)
		return errno;
	size = (size_t)st.st_size;
	error = have_room(c, size + 1);
	while (error == 0 && at < size) {
		ssize_t n = pread(c->fd, c->bytes + at, size - at, (off_t)at);

		if (n < 0 && errno != EINTR)
			error = errno;
		if (n == 0)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	*ret_size = at;
	return error;
}

static enum sl_status open_file(struct checkpoint *c, struct problem *ret_problem)
{
	int error = open_directory(c);

	if (error == 0)
		error = open_locked(c->path, 0, &c->fd);
	if (error == EWOULDBLOCK)
		return file_problem_of(
			ret_problem,
			SL_E_BUSY,
			c->path,
			"is in use by another process",
			"Stop the other process, or give one of the two another directory"
		);
	if (error == 0 && unlink(c->path_new) != 0 && errno != ENOENT)
		error = errno;
	if (error == 0)
		error = sync_fd(c->directory_fd);
	return error == 0 ? SL_OK : problem_of(c, error, "be opened", ret_problem);
}

static enum sl_status find_state(
	struct checkpoint *c,
	struct view *ret_state,
	struct problem *ret_problem
)
{
	struct checkpoint_found found;
	uint64_t at = 0;
	char what[96];
	size_t size = 0;
	int error = read_file(c, &size);

	if (error != 0)
		return problem_of(c, error, "be read", ret_problem);
	if (checkpoint_find(view_of(c->bytes, size), &found, &at) != SL_OK) {
		snprintf(
			what,
			sizeof(what),
			"is damaged: the record at byte %llu is not whole",
			(unsigned long long)at
		);
		return file_problem_of(
			ret_problem,
			SL_E_CORRUPT,
			c->path,
			what,
			"Put back a whole copy of the file; without it, what was acknowledged but "
			"not published is lost"
		);
	}
	c->end = found.end;
	c->sequence = found.sequence;
	c->is_long = size > found.end;
	if (found.state.size != 0)
		checkpoint_mask((uint8_t *)found.state.bytes, found.state.size, found.sequence);
	*ret_state = found.state;
	return SL_OK;
}

enum sl_status checkpoint_open(
	const char *path,
	struct checkpoint **ret_checkpoint,
	struct view *ret_state,
	struct problem *ret_problem
)
{
	struct checkpoint *c = calloc(1, sizeof(*c));
	enum sl_status status;

	if (c == NULL)
		return file_problem(ret_problem, ENOMEM, path, "be opened");
	c->fd = -1;
	c->directory_fd = -1;
	c->path = strdup(path);
	if (c->path == NULL || asprintf(&c->path_new, "%s.new", path) < 0) {
		c->path_new = NULL;
		status = file_problem(ret_problem, ENOMEM, path, "be opened");
	} else {
		status = open_file(c, ret_problem);
	}
	if (status == SL_OK)
		status = find_state(c, ret_state, ret_problem);
	if (status != SL_OK) {
		checkpoint_close(c);
		return status;
	}
	*ret_checkpoint = c;
	return SL_OK;
}

static int write_all(int fd, const uint8_t *bytes, size_t size, uint64_t offset)
{
	int error = io_fault_of(IO_STEP_WRITE);

	while (error == 0 && size != 0) {
		ssize_t n = pwrite(fd, bytes, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? EIO : errno;
		bytes += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return error;
}

static int append(struct checkpoint *c, size_t size, bool is_synced)
{
	int error = c->is_renamed ? sync_fd(c->directory_fd) : 0;

	if (error != 0)
		return error;
	c->is_renamed = false;
	if (c->is_long) {
		error = io_fault_of(IO_STEP_CUT);
		if (error == 0 && ftruncate(c->fd, (off_t)c->end) != 0)
			error = errno;
		// Or a crash may leave a mixture of what was there and what is written now.
		if (error == 0 && is_synced)
			error = sync_fd(c->fd);
		if (error != 0)
			return error;
	}
	c->is_long = true; // until all went well
	error = write_all(c->fd, c->bytes, size, c->end);
	if (error == 0 && is_synced)
		error = io_fault_of(IO_STEP_SYNC);
	if (error == 0 && is_synced && fdatasync(c->fd) != 0)
		error = errno;
	if (error != 0)
		return error;
	c->is_long = false;
	c->end += size;
	c->sequence++;
	return 0;
}

/** A file with this record alone takes the place of the old one. Always durable: it is rare. */
static int write_anew(struct checkpoint *c, size_t size)
{
	int fd = -1;
	int error = open_locked(c->path_new, O_TRUNC | O_NOFOLLOW, &fd);

	if (error == 0)
		error = write_all(fd, c->bytes, size, 0);
	if (error == 0)
		error = sync_fd(fd);
	if (error == 0)
		error = io_fault_of(IO_STEP_PUBLISH);
	if (error == 0 && rename(c->path_new, c->path) != 0)
		error = errno;
	if (error != 0) {
		if (fd >= 0)
			close(fd);
		unlink(c->path_new);
		return error;
	}
	// From here on the new file counts, whether its name is durable or not.
	close(c->fd);
	c->fd = fd;
	c->end = size;
	c->is_long = false;
	c->sequence++;
	error = sync_fd(c->directory_fd);
	c->is_renamed = error != 0;
	return error;
}

enum sl_status checkpoint_put(
	struct checkpoint *c,
	struct view state,
	bool is_synced,
	struct problem *ret_problem
)
{
	size_t size = checkpoint_record_size(state.size);
	uint64_t limit = (uint64_t)size * ANEW_RECORDS;
	int error;

	if (state.size > CHECKPOINT_MAX)
		return file_problem_of(
			ret_problem, SL_E_TOO_BIG, c->path, "has no room for as large a state", ""
		);
	limit = limit < ANEW_SIZE_MIN ? ANEW_SIZE_MIN : limit;
	error = have_room(c, size);
	if (error == 0) {
		if (state.size != 0)
			memcpy(c->bytes + CHECKPOINT_HEAD_SIZE, state.bytes, state.size);
		checkpoint_record_seal(c->bytes, (uint32_t)state.size, c->sequence + 1);
		error = c->end + size > limit ? write_anew(c, size) : append(c, size, is_synced);
	}
	if (error != 0)
		return problem_of(c, error, "be written", ret_problem);
	return SL_OK;
}

void checkpoint_close(struct checkpoint *c)
{
	if (c == NULL)
		return;
	if (c->fd >= 0)
		close(c->fd);
	if (c->directory_fd >= 0)
		close(c->directory_fd);
	free(c->bytes);
	free(c->path);
	free(c->path_new);
	free(c);
}
