#include "io/file_problem.h"
#include "io/sink_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Implementation notes. All records that are to be replayed are read and checked when the spool is opened: damage is a
// matter for a person, and better said then than in the night. A mark:
//
//	| magic | head: segment, offset, sequence | tail: the same | mark of the inner sink |

static const uint64_t mark_magic = 0x316b72616d6c7073; // "splmark1"

enum {
	MARK_HEAD_SIZE = 7 * 8
};

/** Which segments are there. */
struct segments {
	uint64_t lowest; // 0 = none
	uint64_t highest;
};

static uint8_t *put_at(uint8_t *to, const struct spool_at *at)
{
	const uint64_t numbers[] = {at->segment, at->offset, at->sequence};

	memcpy(to, numbers, sizeof(numbers));
	return to + sizeof(numbers);
}

void spool_mark_write(struct sink_spool *s, struct spool_mark *ret_mark)
{
	uint8_t *to = ret_mark->bytes;

	ret_mark->head = s->log.head;
	ret_mark->tail = s->log.synced;
	memcpy(to, &mark_magic, sizeof(mark_magic));
	to = put_at(put_at(to + sizeof(mark_magic), &s->log.head), &s->log.synced);
	memcpy(to, s->inner_mark, s->inner_mark_size);
	ret_mark->size = MARK_HEAD_SIZE + s->inner_mark_size;
}

static struct spool_at take_at(const uint8_t *from)
{
	uint64_t numbers[3];

	memcpy(numbers, from, sizeof(numbers));
	return (struct spool_at){numbers[0], numbers[1], numbers[2]};
}

static bool is_place(const struct spool_at *at)
{
	return at->segment > 0 && at->segment < INT64_MAX && at->offset >= SPOOL_HEAD_SIZE
		&& at->offset < INT64_MAX && at->sequence > 0;
}

/** What a mark says. */
struct told {
	bool is_ours; // else it is the inner sink's alone
	struct spool_at head;
	struct spool_at tail;
	struct view inner;
};

static enum sl_status read_mark(struct view mark, struct told *ret_told)
{
	struct told told = {.inner = mark};
	uint64_t magic = 0;

	if (mark.size >= sizeof(magic))
		memcpy(&magic, mark.bytes, sizeof(magic));
	told.is_ours = magic == mark_magic;
	if (told.is_ours) {
		if (mark.size < MARK_HEAD_SIZE)
			return SL_E_CORRUPT;
		told.head = take_at(mark.bytes + 8);
		told.tail = take_at(mark.bytes + 32);
		told.inner = view_of(mark.bytes + MARK_HEAD_SIZE, mark.size - MARK_HEAD_SIZE);
		if (!is_place(&told.head) || !is_place(&told.tail)
		    || told.head.sequence > told.tail.sequence
		    || told.head.segment > told.tail.segment)
			return SL_E_CORRUPT;
	}
	if (told.inner.size > SINK_MARK_MAX - MARK_HEAD_SIZE)
		return SL_E_CORRUPT;
	*ret_told = told;
	return SL_OK;
}

enum sl_status sink_spool_left(struct view mark, struct view *ret_inner_mark)
{
	struct told told;

	SL_TRY(read_mark(mark, &told));
	if (told.head.sequence != told.tail.sequence)
		return SL_E_BUSY;
	*ret_inner_mark = told.inner;
	return SL_OK;
}

/** @param ret_is_ours out: else the mark is the inner sink's alone */
static enum sl_status take_mark(struct sink_spool *s, struct view mark, bool *ret_is_ours)
{
	struct told told;

	SL_TRY(read_mark(mark, &told));
	if (told.is_ours) {
		s->log.head = told.head;
		s->log.tail = told.tail;
	}
	if (told.inner.size != 0)
		memcpy(s->inner_mark, told.inner.bytes, told.inner.size);
	s->inner_mark_size = told.inner.size;
	*ret_is_ours = told.is_ours;
	return SL_OK;
}

/** Find the segments; remove those outside [from, to]. */
static int sweep(struct spool_log *log, uint64_t from, uint64_t to, struct segments *ret_segments)
{
	int fd = openat(log->directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct segments found = {0};
	int error = d == NULL ? errno : 0;

	if (d == NULL && fd >= 0)
		close(fd);
	while (error == 0) {
		struct dirent *e = readdir(d);
		uint64_t segment;

		if (e == NULL)
			break;
		if (!spool_name_read(e->d_name, &segment))
			continue;
		if (segment < from || segment > to) {
			error = unlinkat(log->directory_fd, e->d_name, 0) == 0 ? 0 : errno;
			continue;
		}
		if (found.lowest == 0 || segment < found.lowest)
			found.lowest = segment;
		if (segment > found.highest)
			found.highest = segment;
	}
	if (d != NULL)
		closedir(d);
	*ret_segments = found;
	return error;
}

static enum sl_status damage_of(
	const struct spool_log *log,
	const struct spool_at *at,
	enum sl_status status,
	struct problem *ret_problem
)
{
	char path[SPOOL_PATH_MAX];
	char what[128];

	spool_path(log, at->segment, path);
	if (status == SL_E_NOMEM)
		return file_problem(ret_problem, ENOMEM, path, "be read");
	snprintf(
		what,
		sizeof(what),
		"is damaged: no whole record at byte %llu, where the spool goes on",
		(unsigned long long)at->offset
	);
	return file_problem_of(
		ret_problem,
		SL_E_CORRUPT,
		path,
		what,
		"Put the segment back as it was; or, to go on without its events, move the spool's "
		"directory "
		"and the checkpoint away"
	);
}

/**
 * Check the records of one segment from a place on (sequence 0: whatever its head says); move there to the last one's
 * end.
 *
 * @param limit bytes that there must be; UINT64_MAX = as many as there are whole
 */
static enum sl_status walk_segment(
	struct spool_log *log,
	uint64_t limit,
	struct spool_at *at,
	struct spool_bytes *bytes
)
{
	bool is_start = at->offset == SPOOL_HEAD_SIZE;
	enum sl_status status = SL_OK;
	uint64_t sequence = 0;
	struct spool_record record;
	char name[64];
	struct stat st;
	int fd;

	spool_name_write(name, at->segment);
	fd = openat(log->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return SL_E_CORRUPT;
	if (fstat(fd, &st) != 0 || (limit != UINT64_MAX && (uint64_t)st.st_size < limit))
		status = SL_E_CORRUPT;
	else if (limit == UINT64_MAX)
		limit = (uint64_t)st.st_size;
	if (status == SL_OK)
		status = spool_segment_check(fd, at->segment, &sequence);
	if (status == SL_OK && is_start && at->sequence == 0)
		at->sequence = sequence;
	if (status == SL_OK && is_start && sequence != at->sequence)
		status = SL_E_CORRUPT;
	while (status == SL_OK)
		status = spool_record_read(fd, limit, at, bytes, &record);
	close(fd);
	return status;
}

/** Check all from head to tail. */
static enum sl_status walk_marked(
	struct spool_log *log,
	struct spool_bytes *bytes,
	struct problem *ret_problem
)
{
	struct spool_at at = log->head;

	for (;;) {
		bool is_last = at.segment == log->tail.segment;
		enum sl_status status =
			walk_segment(log, is_last ? log->tail.offset : UINT64_MAX, &at, bytes);

		if (status != SL_E_NOT_FOUND || (is_last && at.sequence != log->tail.sequence))
			return damage_of(log, &at, status, ret_problem);
		if (is_last)
			return SL_OK;
		at.segment++;
		at.offset = SPOOL_HEAD_SIZE;
	}
}

/** The number of the first record that is there. */
static uint64_t first_sequence(const struct spool_log *log)
{
	uint64_t sequence = log->tail.sequence;
	char name[64];
	int fd;

	spool_name_write(name, log->head.segment);
	fd = openat(log->directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || spool_segment_check(fd, log->head.segment, &sequence) != SL_OK)
		sequence = log->tail.sequence;
	if (fd >= 0)
		close(fd);
	return sequence;
}

/** Without a mark: all that is whole, up to what a crash has left at the end. */
static enum sl_status walk_unmarked(
	struct spool_log *log,
	const struct segments *found,
	struct spool_bytes *bytes,
	struct problem *ret_problem
)
{
	struct spool_at at = {found->lowest, SPOOL_HEAD_SIZE, 0};

	log->head = at;
	for (;;) {
		bool is_last = at.segment == found->highest;
		enum sl_status status = walk_segment(log, UINT64_MAX, &at, bytes);

		if (status != SL_E_NOT_FOUND && !(is_last && status == SL_E_TRUNCATED))
			return damage_of(log, &at, status, ret_problem);
		if (is_last)
			break;
		at.segment++;
		at.offset = SPOOL_HEAD_SIZE;
	}
	log->tail = at;
	if (log->tail.sequence == 0)
		log->tail.sequence = 1; // a head that is not whole, and nothing before it
	log->head.sequence = first_sequence(log);
	return SL_OK;
}

/** Where an empty log goes on: in a segment that was never there. */
static void begin_anew(struct spool_log *log, uint64_t segment, uint64_t sequence)
{
	log->tail = (struct spool_at){segment, SPOOL_HEAD_SIZE, sequence};
	log->head = log->tail;
}

static enum sl_status restore_log(
	struct spool_log *log,
	bool is_marked,
	bool is_ours,
	struct problem *ret_problem
)
{
	bool is_empty = is_marked && (!is_ours || log->head.sequence == log->tail.sequence);
	struct spool_bytes bytes = {0};
	struct segments found;
	enum sl_status status = SL_OK;
	int error;

	if (is_empty)
		error = sweep(log, UINT64_MAX, 0, &found);
	else if (is_marked)
		error = sweep(log, log->head.segment, log->tail.segment, &found);
	else
		error = sweep(log, 0, UINT64_MAX, &found);
	if (error != 0)
		return file_problem(ret_problem, error, log->directory, "be read");
	if (is_empty)
		begin_anew(log, log->tail.segment + 1, is_ours ? log->tail.sequence : 1);
	else if (is_marked)
		status = walk_marked(log, &bytes, ret_problem);
	else if (found.lowest == 0)
		begin_anew(log, 1, 1);
	else
		status = walk_unmarked(log, &found, &bytes, ret_problem);
	free(bytes.bytes);
	return status;
}

enum sl_status spool_restore(struct sink_spool *s, struct view mark, struct problem *ret_problem)
{
	struct spool_log *log = &s->log;
	bool is_ours;

	if (take_mark(s, mark, &is_ours) != SL_OK)
		return file_problem_of(
			ret_problem,
			SL_E_CORRUPT,
			log->directory,
			"what the checkpoint says of this spool is damaged",
			"Put back a whole copy of the checkpoint"
		);
	SL_TRY(restore_log(log, mark.size != 0, is_ours, ret_problem));
	log->first_segment = log->head.segment;
	log->synced = log->tail;
	s->next = log->head;
	// Opens the tail's segment and cuts it.
	if (spool_log_mend(log) != SL_OK) {
		*ret_problem = log->failure;
		return log->failure.status;
	}
	if (spool_log_sync_directory(log) != 0)
		return file_problem(ret_problem, EIO, log->directory, "be made durable");
	return SL_OK;
}
