#include "io/fault.h"
#include "io/sink_spool.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const uint64_t segment_magic = 0x316c6f6f70736c73; // "slspool1"
static const uint32_t record_magic = 0x63726c73;          // "slrc"

struct segment_head {
	uint64_t magic;
	uint64_t segment;
	uint64_t sequence; // of its first record
	uint64_t sum;      // of the three before
};

struct record_head {
	uint32_t magic;
	uint32_t size; // of the bytes
	uint64_t sequence;
	uint64_t rows;
	uint64_t sum; // of those before, seeded with the segment
};

static_assert(sizeof(struct segment_head) == SPOOL_HEAD_SIZE, "as documented");
static_assert(sizeof(struct record_head) == SPOOL_HEAD_SIZE, "as documented");

/** Never 0, so that an end of zeros is one that was not written. */
static uint64_t sum_of(const void *bytes, size_t size, uint64_t seed)
{
	uint64_t sum = XXH3_64bits_withSeed(bytes, size, seed);

	return sum == 0 ? 1 : sum;
}

static uint64_t padding_of(uint64_t size)
{
	return (8 - size % 8) % 8;
}

uint64_t spool_record_size(uint64_t size)
{
	return SPOOL_HEAD_SIZE + size + padding_of(size) + SPOOL_TAIL_SIZE;
}

void spool_segment_head(
	uint8_t ret_head[static SPOOL_HEAD_SIZE],
	uint64_t segment,
	uint64_t sequence
)
{
	struct segment_head h = {.magic = segment_magic, .segment = segment, .sequence = sequence};

	h.sum = sum_of(&h, offsetof(struct segment_head, sum), 0);
	memcpy(ret_head, &h, sizeof(h));
}

void spool_record_seal(
	const struct spool_record *r,
	uint64_t segment,
	const uint8_t *bytes,
	uint8_t ret_head[static SPOOL_HEAD_SIZE],
	uint8_t ret_end[static 2 * SPOOL_TAIL_SIZE],
	size_t *ret_end_size
)
{
	struct record_head h = {
		.magic = record_magic,
		.size = r->size,
		.sequence = r->sequence,
		.rows = r->rows,
	};
	uint64_t sum = sum_of(bytes, r->size, r->sequence);
	size_t padding = padding_of(r->size);

	h.sum = sum_of(&h, offsetof(struct record_head, sum), segment);
	memcpy(ret_head, &h, sizeof(h));
	memset(ret_end, 0, padding);
	memcpy(ret_end + padding, &sum, sizeof(sum));
	*ret_end_size = padding + sizeof(sum);
}

/** Read exactly size bytes. */
static enum sl_status read_bytes(int fd, uint64_t offset, uint8_t *bytes, size_t size)
{
	int error = io_fault_of(IO_STEP_READ);

	while (error == 0 && size != 0) {
		ssize_t n = pread(fd, bytes, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return SL_E_IO;
		bytes += n;
		size -= (size_t)n;
		offset += (uint64_t)n;
	}
	return error == 0 ? SL_OK : SL_E_IO;
}

/** Whether only zeros are left of the segment: room that was given, never written. */
static enum sl_status check_zeros(int fd, uint64_t offset, uint64_t limit)
{
	uint8_t piece[4096];

	while (offset < limit) {
		size_t size =
			limit - offset < sizeof(piece) ? (size_t)(limit - offset) : sizeof(piece);

		SL_TRY(read_bytes(fd, offset, piece, size));
		for (size_t i = 0; i < size; i++)
			if (piece[i] != 0)
				return SL_E_CORRUPT;
		offset += size;
	}
	return SL_E_TRUNCATED;
}

enum sl_status spool_segment_check(int fd, uint64_t segment, uint64_t *ret_sequence)
{
	struct segment_head h;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return SL_E_IO;
	if ((uint64_t)st.st_size < sizeof(h))
		return SL_E_TRUNCATED;
	SL_TRY(read_bytes(fd, 0, (uint8_t *)&h, sizeof(h)));
	if (h.magic != segment_magic || h.segment != segment || h.sequence == 0
	    || h.sum != sum_of(&h, offsetof(struct segment_head, sum), 0))
		return check_zeros(fd, offsetof(struct segment_head, sum), (uint64_t)st.st_size);
	*ret_sequence = h.sequence;
	return SL_OK;
}

static bool is_head(const struct record_head *h, const struct spool_at *at)
{
	return h->magic == record_magic && h->size <= SPOOL_PARCEL_MAX
		&& h->sequence == at->sequence
		&& h->sum == sum_of(h, offsetof(struct record_head, sum), at->segment);
}

static bool is_whole(const uint8_t *bytes, const struct record_head *h)
{
	uint64_t padding = padding_of(h->size);
	uint64_t sum;

	for (uint64_t i = 0; i < padding; i++)
		if (bytes[h->size + i] != 0)
			return false;
	memcpy(&sum, bytes + h->size + padding, sizeof(sum));
	return sum == sum_of(bytes, h->size, h->sequence);
}

static enum sl_status have_room(struct spool_bytes *b, size_t size)
{
	uint8_t *bytes;

	if (size <= b->capacity)
		return SL_OK;
	bytes = malloc(size);
	if (bytes == NULL)
		return SL_E_NOMEM;
	free(b->bytes);
	b->bytes = bytes;
	b->capacity = size;
	return SL_OK;
}

enum sl_status spool_record_read(
	int fd,
	uint64_t limit,
	struct spool_at *at,
	struct spool_bytes *bytes,
	struct spool_record *ret_record
)
{
	uint64_t left = at->offset < limit ? limit - at->offset : 0;
	uint64_t after = at->offset + SPOOL_HEAD_SIZE;
	struct record_head h;
	size_t size;

	if (left == 0)
		return SL_E_NOT_FOUND;
	if (left < SPOOL_HEAD_SIZE)
		return SL_E_TRUNCATED;
	SL_TRY(read_bytes(fd, at->offset, (uint8_t *)&h, sizeof(h)));
	if (!is_head(&h, at)) {
		// Its last word is never 0: zeros from there on are a head that was not written whole.
		return check_zeros(fd, after - sizeof(h.sum), limit);
	}
	if (left < spool_record_size(h.size))
		return SL_E_TRUNCATED;
	size = (size_t)spool_record_size(h.size) - SPOOL_HEAD_SIZE;
	SL_TRY(have_room(bytes, size));
	SL_TRY(read_bytes(fd, after, bytes->bytes, size));
	if (!is_whole(bytes->bytes, &h))
		return check_zeros(fd, after + size - SPOOL_TAIL_SIZE, limit);
	*ret_record = (struct spool_record){.sequence = h.sequence, .rows = h.rows, .size = h.size};
	at->offset += spool_record_size(h.size);
	at->sequence++;
	return SL_OK;
}
