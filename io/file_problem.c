#include "io/file_problem.h"

#include <errno.h>
#include <string.h>

static const struct {
	int error;
	const char *remedy;
} remedies[] = {
	{ENOENT, "Check the name, and that its directory exists"},
	{ENOTDIR, "Check the name: a part of it is a file, not a directory"},
	{EACCES, "Give this user permission on the file and its directory, or run as another user"},
	{EPERM, "Give this user permission on the file and its directory, or run as another user"},
	{EROFS, "Choose a directory on a file system that is mounted for writing"},
	{EISDIR, "Name a file in that directory, not the directory itself"},
	{ENOSPC, "Free some space on that file system, or choose a directory on another"},
	{EDQUOT,
	 "Free some of this user's disk quota, or choose a directory on another file system"},
	{EFBIG, "Raise the limit of file sizes (ulimit -f), or choose another file system"},
	{EMFILE, "Raise the limit of open files (ulimit -n)"},
	{ENFILE, "Close other programs' files, or raise the sysctl fs.file-max"},
	{ENAMETOOLONG, "Choose a shorter name"},
	{ELOOP, "Name the file itself: its symbolic links go round in a circle"},
	{EPIPE, "Keep the program that reads this output running to the end"},
	{ENOMEM, "Give the process more memory, or smaller and fewer buffers"},
	{EIO, "Check the disk and the system's log"},
};

enum sl_status file_problem_of(
	struct problem *p,
	enum sl_status status,
	const char *file,
	const char *what,
	const char *remedy
)
{
	(void)!problem_set(p, status, "%s", what);
	problem_at_file(p, file);
	problem_remedy(p, "%s", remedy);
	return status;
}

enum sl_status file_problem(struct problem *p, int error, const char *file, const char *act)
{
	enum sl_status status = error == EISDIR ? SL_E_INVALID : status_of_errno(error);

	(void)!problem_set(p, status, "can not %s: %s", act, strerror(error));
	problem_at_file(p, file);
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (remedies[i].error == error)
			problem_remedy(p, "%s", remedies[i].remedy);
	return status;
}
