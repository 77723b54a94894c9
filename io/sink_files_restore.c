#include "io/file_problem.h"
#include "io/sink_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Implementation notes. What a mark tells of a file, and what is there when it is given again:
//
//	in work   hidden, as long as then or longer: cut, and taken up again
//	ended     hidden: cut, and published; under its name: it was published after the mark; neither: published, and a
//	          reader has taken it away
//	nothing   hidden: begun after the mark, removed; with no mark at all nobody knows, and it is set aside
//
// Anything else is damage. With a sync rule of never that is what a power cut may do: the file is set aside and that is
// said. Otherwise nobody but a person may decide that events are lost.

static enum sl_status problem_of(
	const struct files *f,
	int error,
	const struct files_name *name,
	const char *act,
	struct problem *ret_problem
)
{
	char text[FILES_NAME_MAX];
	char path[sizeof(f->directory) + FILES_NAME_MAX];

	files_name_write(text, f->prefix, name, true);
	snprintf(path, sizeof(path), "%s/%s", f->directory, text);
	return file_problem(ret_problem, error, path, act);
}

static enum sl_status bear_damage(
	struct files *f,
	const struct files_name *name,
	const char *what,
	struct problem *ret_problem
)
{
	char text[FILES_NAME_MAX];
	char aside[FILES_NAME_MAX + 16];
	char path[sizeof(f->directory) + FILES_NAME_MAX];
	struct problem p;

	files_name_write(text, f->prefix, name, true);
	snprintf(path, sizeof(path), "%s/%s", f->directory, text);
	(void)!file_problem_of(
		&p,
		SL_E_CORRUPT,
		path,
		what,
		"Put the file back as it was; or, to go on without its events, move the checkpoint "
		"and this sink's hidden files away"
	);
	if (f->sync_rule == SINK_SYNC_ALWAYS) {
		*ret_problem = p;
		return SL_E_CORRUPT;
	}
	files_say(f, &p);
	snprintf(aside, sizeof(aside), "%s.damaged", text);
	if (renameat(f->directory_fd, text, f->directory_fd, aside) != 0 && errno != ENOENT)
		return file_problem(ret_problem, errno, path, "be set aside");
	return SL_OK;
}

/** The file's size; -1 when it is not there. */
static int64_t size_of(const struct files *f, const struct files_name *name, bool is_partial)
{
	char text[FILES_NAME_MAX];
	struct stat st;

	files_name_write(text, f->prefix, name, is_partial);
	return fstatat(f->directory_fd, text, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)
		? (int64_t)st.st_size
		: -1;
}

/** Open a hidden file that is long enough, and cut it. */
static enum sl_status open_cut(
	struct files *f,
	const struct files_part *part,
	int64_t size,
	int *ret_fd,
	struct problem *ret_problem
)
{
	int error = files_open_partial(f, &part->name, true, ret_fd);

	if (error != 0)
		return problem_of(f, error, &part->name, "be opened", ret_problem);
	if ((uint64_t)size == part->size)
		return SL_OK;
	error = files_cut(*ret_fd, part->size);
	if (error == 0 && f->sync_rule == SINK_SYNC_ALWAYS && fdatasync(*ret_fd) != 0)
		error = errno;
	if (error == 0)
		return SL_OK;
	close(*ret_fd);
	*ret_fd = -1;
	return problem_of(f, error, &part->name, "be cut", ret_problem);
}

static enum sl_status restore_ended(
	struct files *f,
	const struct files_part *part,
	struct problem *ret_problem
)
{
	int64_t size = size_of(f, &part->name, true);
	int64_t published = size_of(f, &part->name, false);
	int error;
	int fd;

	if (size < 0 && published >= 0 && (uint64_t)published != part->size)
		return bear_damage(
			f, &part->name, "was published with another size than it had", ret_problem
		);
	if (size < 0)
		return SL_OK;
	if ((uint64_t)size < part->size)
		return bear_damage(
			f, &part->name, "is shorter than the checkpoint says", ret_problem
		);
	SL_TRY(open_cut(f, part, size, &fd, ret_problem));
	close(fd);
	error = files_publish(f, &part->name);
	if (error != 0)
		return problem_of(f, error, &part->name, "be put under its name", ret_problem);
	return SL_OK;
}

/** Its age goes on from the time in its name. */
static void restore_age(struct files *f)
{
	int64_t age_ms = f->clock.wall_ms() - f->at.current.name.begun_s * 1000;
	uint64_t now_ms = files_now_ms(f);

	if (age_ms < 0)
		age_ms = 0;
	if ((uint64_t)age_ms > f->roll_ms)
		age_ms = (int64_t)f->roll_ms;
	f->born_ms = now_ms - (uint64_t)age_ms;
}

static enum sl_status restore_current(struct files *f, struct problem *ret_problem)
{
	struct files_part *part = &f->at.current;
	int64_t size = size_of(f, &part->name, true);

	if (size < 0 || (uint64_t)size < part->size) {
		bool is_published = size < 0 && size_of(f, &part->name, false) >= 0;

		f->at.has_current = false;
		return bear_damage(
			f,
			&part->name,
			is_published       ? "was published later than the checkpoint was made"
				: size < 0 ? "is not there, but the checkpoint tells of it"
					   : "is shorter than the checkpoint says",
			ret_problem
		);
	}
	SL_TRY(open_cut(f, part, size, &f->fd, ret_problem));
	if (part->name.is_zstd == f->is_zstd) {
		f->written = part->size;
		f->text_taken = part->text_size;
		restore_age(f);
		return SL_OK;
	}
	// The other form now: the next mark tells that this one has ended.
	close(f->fd);
	f->fd = -1;
	f->at.has_current = false;
	f->at.ended[f->at.ended_count++] = *part;
	return SL_OK;
}

static bool is_told(const struct files_mark *m, uint64_t number)
{
	if (m->has_current && m->current.name.number == number)
		return true;
	for (uint32_t i = 0; i < m->ended_count; i++)
		if (m->ended[i].name.number == number)
			return true;
	return false;
}

/** A file of a life that left no checkpoint: perhaps its events were acknowledged. Returns errno, or 0. */
static int set_aside(struct files *f, const struct files_name *name)
{
	char text[FILES_NAME_MAX];
	char aside[FILES_NAME_MAX + 16];

	if (size_of(f, name, true) == 0)
		return files_remove(f, name);
	if (name->number >= f->at.next_number)
		f->at.next_number = name->number + 1;
	files_name_write(text, f->prefix, name, true);
	snprintf(aside, sizeof(aside), "%s.orphan", text);
	return renameat(f->directory_fd, text, f->directory_fd, aside) == 0 ? 0 : errno;
}

/** Remove hidden files that the mark knows nothing of; learn what numbers and times are taken. */
static enum sl_status sweep(struct files *f, bool is_marked, struct problem *ret_problem)
{
	int fd = openat(f->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct files_mark m = f->at;
	int error = d == NULL ? errno : 0;

	if (d == NULL && fd >= 0)
		close(fd);
	while (error == 0) {
		struct dirent *e = readdir(d);
		struct files_name name;
		bool is_partial;

		if (e == NULL)
			break;
		if (!files_name_read(e->d_name, f->prefix, &name, &is_partial))
			continue;
		if (is_partial && !is_told(&m, name.number)) {
			error = is_marked ? files_remove(f, &name) : set_aside(f, &name);
			continue;
		}
		if (name.number >= f->at.next_number)
			f->at.next_number = name.number + 1;
		if (name.begun_s > f->at.last_begun_s)
			f->at.last_begun_s = name.begun_s;
	}
	if (d != NULL)
		closedir(d);
	return error == 0 ? SL_OK : file_problem(ret_problem, error, f->directory, "be read");
}

enum sl_status files_restore(struct files *f, struct view mark, struct problem *ret_problem)
{
	struct files_mark m;
	int error;

	if (files_mark_read(mark, &m) != SL_OK)
		return file_problem_of(
			ret_problem,
			SL_E_CORRUPT,
			f->directory,
			"what the checkpoint says of this sink is not of a sink of files",
			"Give the sink the spool back that it had, or restore the checkpoint"
		);
	f->at = m;
	SL_TRY(sweep(f, mark.size != 0, ret_problem));
	f->at.ended_count = 0;
	for (uint32_t i = 0; i < m.ended_count; i++)
		SL_TRY(restore_ended(f, &m.ended[i], ret_problem));
	if (f->at.has_current)
		SL_TRY(restore_current(f, ret_problem));
	error = files_sync_directory(f);
	return error == 0 ? SL_OK
			  : file_problem(ret_problem, error, f->directory, "be made durable");
}
