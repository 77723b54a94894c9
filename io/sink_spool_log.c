#include "io/directory.h"
#include "io/fault.h"
#include "io/file_problem.h"
#include "io/sink_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

void spool_name_write(char ret_text[static 64], uint64_t segment)
{
	snprintf(ret_text, 64, "spool-%010llu.seg", (unsigned long long)segment);
}

bool spool_name_read(const char *text, uint64_t *ret_segment)
{
	unsigned long long segment;
	char again[64];

	if (sscanf(text, "spool-%19llu.seg", &segment) != 1 || segment == 0)
		return false;
	spool_name_write(again, segment);
	if (strcmp(again, text) != 0)
		return false;
	*ret_segment = segment;
	return true;
}

void spool_path(const struct spool_log *log, uint64_t segment, char ret_path[static SPOOL_PATH_MAX])
{
	char name[64];

	spool_name_write(name, segment);
	snprintf(ret_path, SPOOL_PATH_MAX, "%s/%s", log->directory, name);
}

enum sl_status spool_log_fail(struct spool_log *log, int error, const char *act)
{
	char path[SPOOL_PATH_MAX];

	spool_path(log, log->tail.segment, path);
	log->is_broken = true;
	return file_problem(&log->failure, error, path, act);
}

int spool_log_sync_directory(const struct spool_log *log)
{
	return log->sync_rule == SINK_SYNC_NEVER ? 0 : directory_sync(log->directory_fd);
}

static int sync_tail(const struct spool_log *log)
{
	int error;

	if (log->sync_rule == SINK_SYNC_NEVER || log->fd < 0)
		return 0;
	error = io_fault_of(IO_STEP_SYNC);
	return error == 0 && fdatasync(log->fd) != 0 ? errno : error;
}

/** Write the pieces at the tail's offset, all of them. */
static int write_pieces(const struct spool_log *log, struct iovec pieces[], int count)
{
	uint64_t offset = log->tail.offset;
	int error = io_fault_of(IO_STEP_WRITE);

	while (error == 0 && count > 0) {
		ssize_t n = pwritev(log->fd, pieces, count, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0 ? EIO : errno;
		offset += (uint64_t)n;
		for (; count > 0 && (size_t)n >= pieces[0].iov_len; pieces++, count--)
			n -= (ssize_t)pieces[0].iov_len;
		if (count > 0) {
			pieces[0].iov_base = (uint8_t *)pieces[0].iov_base + n;
			pieces[0].iov_len -= (size_t)n;
		}
	}
	return error;
}

/** Make the tail's segment, with its head. */
static int make_segment(struct spool_log *log)
{
	uint8_t head[SPOOL_HEAD_SIZE];
	struct iovec piece = {.iov_base = head, .iov_len = sizeof(head)};
	char name[64];
	int error = io_fault_of(IO_STEP_MAKE);

	if (error != 0)
		return error;
	spool_name_write(name, log->tail.segment);
	log->fd = openat(log->directory_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (log->fd < 0)
		return errno;
	log->is_new = true;
	spool_segment_head(head, log->tail.segment, log->tail.sequence);
	log->tail.offset = 0;
	error = write_pieces(log, &piece, 1);
	log->tail.offset = SPOOL_HEAD_SIZE;
	if (error == 0)
		log->bytes += SPOOL_HEAD_SIZE;
	return error;
}

/** The tail's segment is full: the next one. What is closed must be durable, for the next sync sees it no more. */
static int roll_segment(struct spool_log *log)
{
	int error = sync_tail(log);

	if (error != 0)
		return error;
	close(log->fd);
	log->fd = -1;
	log->tail.segment++;
	log->tail.offset = SPOOL_HEAD_SIZE;
	return 0;
}

enum sl_status spool_log_append(struct spool_log *log, const struct sink_parcel *parcel)
{
	struct spool_record r = {
		.sequence = log->tail.sequence,
		.rows = parcel->rows,
		.size = (uint32_t)parcel->bytes.size,
	};
	uint64_t size = spool_record_size(parcel->bytes.size);
	uint8_t head[SPOOL_HEAD_SIZE];
	uint8_t end[2 * SPOOL_TAIL_SIZE];
	struct iovec pieces[3] = {{.iov_base = head, .iov_len = sizeof(head)}};
	int error = 0;

	if (log->is_broken)
		return log->failure.status;
	if (log->bytes + size + SPOOL_HEAD_SIZE > log->bytes_max)
		return SL_E_FULL;
	if (log->fd >= 0 && log->tail.offset > SPOOL_HEAD_SIZE
	    && log->tail.offset + size > log->segment_bytes)
		error = roll_segment(log);
	if (error == 0 && log->fd < 0)
		error = make_segment(log);
	if (error != 0)
		return spool_log_fail(log, error, "be made");
	pieces[1] = (struct iovec){(void *)parcel->bytes.bytes, parcel->bytes.size};
	pieces[2].iov_base = end;
	spool_record_seal(
		&r, log->tail.segment, parcel->bytes.bytes, head, end, &pieces[2].iov_len
	);
	error = write_pieces(log, pieces, 3);
	if (error != 0)
		return spool_log_fail(log, error, "be written");
	log->tail.offset += size;
	log->tail.sequence++;
	log->bytes += size;
	return SL_OK;
}

enum sl_status spool_log_sync(struct spool_log *log)
{
	int error = 0;

	if (log->is_broken)
		return log->failure.status;
	if (log->tail.sequence != log->synced.sequence)
		error = sync_tail(log);
	if (error == 0 && log->is_new)
		error = spool_log_sync_directory(log);
	if (error != 0)
		return spool_log_fail(log, error, "be made durable");
	log->is_new = false;
	log->synced = log->tail;
	return SL_OK;
}

static uint64_t size_of(const struct spool_log *log, uint64_t segment)
{
	struct stat st;
	char name[64];

	spool_name_write(name, segment);
	return fstatat(log->directory_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0
		? (uint64_t)st.st_size
		: 0;
}

static int remove_segment(struct spool_log *log, uint64_t segment)
{
	uint64_t size = size_of(log, segment);
	char name[64];

	spool_name_write(name, segment);
	if (unlinkat(log->directory_fd, name, 0) != 0)
		return errno == ENOENT ? 0 : errno;
	log->bytes -= size < log->bytes ? size : log->bytes;
	return 0;
}

/** Open the segment that synced lies in, cut there. */
static int open_synced(struct spool_log *log)
{
	char name[64];
	int error = io_fault_of(IO_STEP_CUT);

	if (error != 0)
		return error;
	spool_name_write(name, log->synced.segment);
	log->fd = openat(log->directory_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (log->fd < 0)
		return errno;
	return ftruncate(log->fd, (off_t)log->synced.offset) == 0 ? 0 : errno;
}

enum sl_status spool_log_mend(struct spool_log *log)
{
	bool is_made = log->synced.offset > SPOOL_HEAD_SIZE;
	uint64_t segment = log->synced.segment + is_made;
	int error = 0;

	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
	for (; error == 0 && segment <= log->tail.segment; segment++)
		error = remove_segment(log, segment);
	if (error == 0 && is_made)
		error = open_synced(log);
	if (error != 0)
		return spool_log_fail(log, error, "be cut");
	log->tail = log->synced;
	log->is_broken = false;
	log->bytes = 0;
	for (segment = log->first_segment; segment <= log->tail.segment; segment++)
		log->bytes += size_of(log, segment);
	return SL_OK;
}

void spool_log_trim(struct spool_log *log, uint64_t segment, bool is_empty)
{
	if (is_empty && log->fd >= 0) {
		close(log->fd);
		log->fd = -1;
		log->tail.segment++;
		log->tail.offset = SPOOL_HEAD_SIZE;
		log->synced = log->tail;
		log->head = log->tail;
		segment = log->tail.segment;
	}
	// One that can not be removed now is tried again by the next trim.
	while (log->first_segment < segment && remove_segment(log, log->first_segment) == 0)
		log->first_segment++;
}
