#include "io/sink_spool.h"
// Targets: spool_segment_check, spool_record_read, files_mark_read

#include "io/sink_files.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static volatile uint64_t sum; // of every byte that a record names

/** Read records until there is an end; returns how many. */
static uint64_t walk(int fd, uint64_t limit)
{
	struct spool_at at = {.segment = 1, .offset = SPOOL_HEAD_SIZE, .sequence = 1};
	struct spool_bytes room = {0};
	struct spool_record r;
	enum sl_status status;

	if (spool_segment_check(fd, 1, &at.sequence) != SL_OK)
		at.sequence = 1;
	do {
		uint64_t before = at.offset;

		status = spool_record_read(fd, limit, &at, &room, &r);
		if (status != SL_OK && at.offset != before)
			abort();
		for (uint32_t i = 0; status == SL_OK && i < r.size; i++)
			sum += room.bytes[i];
	} while (status == SL_OK);
	if (at.offset > limit && at.offset != SPOOL_HEAD_SIZE)
		abort();
	free(room.bytes);
	return at.sequence;
}

static void write_record(
	int fd,
	uint64_t offset,
	const uint8_t *bytes,
	size_t size,
	uint64_t sequence
)
{
	struct spool_record r = {.sequence = sequence, .rows = 1, .size = (uint32_t)size};
	uint8_t head[SPOOL_HEAD_SIZE];
	uint8_t end[2 * SPOOL_TAIL_SIZE];
	size_t end_size;

	spool_record_seal(&r, 1, bytes, head, end, &end_size);
	if (pwrite(fd, head, sizeof(head), (off_t)offset) < 0
	    || pwrite(fd, bytes, size, (off_t)(offset + sizeof(head))) < 0
	    || pwrite(fd, end, end_size, (off_t)(offset + sizeof(head) + size)) < 0)
		abort();
}

/** The bytes as a segment; and as what two whole records hold and what follows them. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	uint64_t whole = spool_record_size(size);
	int fd = memfd_create("segment", MFD_CLOEXEC);
	uint8_t head[SPOOL_HEAD_SIZE];
	struct files_mark mark;

	if (fd < 0)
		return 0;
	if (files_mark_read(view_of(bytes, size), &mark) == SL_OK
	    && mark.ended_count > FILES_ENDED_MAX)
		abort();
	if (pwrite(fd, bytes, size, 0) < 0)
		abort();
	(void)walk(fd, size);
	spool_segment_head(head, 1, 1);
	if (ftruncate(fd, 0) != 0 || pwrite(fd, head, sizeof(head), 0) < 0)
		abort();
	write_record(fd, SPOOL_HEAD_SIZE, bytes, size, 1);
	write_record(fd, SPOOL_HEAD_SIZE + whole, bytes, size, 2);
	if (pwrite(fd, bytes, size, (off_t)(SPOOL_HEAD_SIZE + 2 * whole)) < 0)
		abort();
	if (walk(fd, SPOOL_HEAD_SIZE + 2 * whole + size) < 3)
		abort();
	close(fd);
	return 0;
}
