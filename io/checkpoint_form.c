#include "io/checkpoint_form.h"

#include "io/checkpoint.h"

#include <string.h>
#include <xxhash.h>

static const uint64_t record_magic = 0x3274706b63686c73; // "slhckpt2"

struct head {
	uint64_t magic;
	uint64_t size; // of the state
	uint64_t sequence;
	uint64_t sum; // of the three before
};

/** Never 0, so that an end of zeros is one that was not written. */
static uint64_t sum_of(const void *bytes, size_t size, uint64_t seed)
{
	uint64_t sum = XXH3_64bits_withSeed(bytes, size, seed);

	return sum == 0 ? 1 : sum;
}

uint64_t checkpoint_record_size(uint64_t state_size)
{
	uint64_t size = CHECKPOINT_HEAD_SIZE + state_size + CHECKPOINT_TAIL_SIZE;

	return (size + CHECKPOINT_PAGE_SIZE - 1) / CHECKPOINT_PAGE_SIZE * CHECKPOINT_PAGE_SIZE;
}

/** Bytes of state and zeros. */
static size_t filled(uint64_t record_size)
{
	return (size_t)record_size - CHECKPOINT_HEAD_SIZE - CHECKPOINT_TAIL_SIZE;
}

/** A number of splitmix64. */
static uint64_t random_of(uint64_t sequence, uint64_t index)
{
	uint64_t z = sequence + (index + 1) * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void checkpoint_mask(uint8_t *state, size_t size, uint64_t sequence)
{
	for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
		size_t part = size - at < sizeof(uint64_t) ? size - at : sizeof(uint64_t);
		uint64_t random = random_of(sequence, at / sizeof(uint64_t));
		uint64_t word = 0;

		memcpy(&word, state + at, part);
		word ^= random;
		memcpy(state + at, &word, part);
	}
}

void checkpoint_record_seal(uint8_t *record, uint32_t state_size, uint64_t sequence)
{
	struct head head = {.magic = record_magic, .size = state_size, .sequence = sequence};
	size_t size = filled(checkpoint_record_size(state_size));
	uint8_t *state = record + sizeof(head);
	uint64_t sum;

	head.sum = sum_of(&head, offsetof(struct head, sum), 0);
	memcpy(record, &head, sizeof(head));
	memset(state + state_size, 0, size - state_size);
	checkpoint_mask(state, size, sequence);
	sum = sum_of(state, size, sequence);
	memcpy(state + size, &sum, sizeof(sum));
}

static bool is_zeros(const uint8_t *bytes, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static bool read_head(const uint8_t *at, uint64_t sequence_before, struct head *ret_head)
{
	memcpy(ret_head, at, sizeof(*ret_head));
	return ret_head->magic == record_magic
		&& ret_head->sum == sum_of(ret_head, offsetof(struct head, sum), 0)
		&& ret_head->size <= CHECKPOINT_MAX
		&& (sequence_before == 0 ? ret_head->sequence != 0
					 : ret_head->sequence == sequence_before + 1);
}

static bool is_whole(const uint8_t *at, const struct head *head)
{
	size_t size = filled(checkpoint_record_size(head->size));
	uint64_t sum;

	memcpy(&sum, at + sizeof(*head) + size, sizeof(sum));
	return sum == sum_of(at + sizeof(*head), size, head->sequence);
}

/** Is there a sector, or an end, that was never written? Records begin at whole sectors. */
static bool has_hole(const uint8_t *bytes, uint64_t size)
{
	if (is_zeros(bytes + size - CHECKPOINT_TAIL_SIZE, CHECKPOINT_TAIL_SIZE))
		return true;
	for (uint64_t i = 0; i < size; i += CHECKPOINT_SECTOR_SIZE) {
		uint64_t left = size - i;

		if (is_zeros(
			    bytes + i, left < CHECKPOINT_SECTOR_SIZE ? left : CHECKPOINT_SECTOR_SIZE
		    ))
			return true;
	}
	return false;
}

/** Does a later record begin in here? Then nothing before it is what a crash leaves: each is durable before the next. */
static bool has_record(const uint8_t *bytes, uint64_t size)
{
	struct head head;

	for (uint64_t i = 0; i + sizeof(head) <= size; i += CHECKPOINT_PAGE_SIZE) {
		memcpy(&head, bytes + i, sizeof(head));
		if (head.magic == record_magic
		    && head.sum == sum_of(&head, offsetof(struct head, sum), 0))
			return true;
	}
	return false;
}

/** Is what follows the last whole record the torn beginning of one? */
static bool is_torn(const uint8_t *bytes, uint64_t size, uint64_t sequence_before)
{
	uint64_t first = size < CHECKPOINT_SECTOR_SIZE ? size : CHECKPOINT_SECTOR_SIZE;
	const size_t sum_at = offsetof(struct head, sum);
	struct head head;
	uint64_t record;

	if (size < sizeof(head) || is_zeros(bytes + sum_at, size - sum_at))
		return true;
	if (!read_head(bytes, sequence_before, &head))
		return is_zeros(bytes, first) && !has_record(bytes, size);
	record = checkpoint_record_size(head.size);
	if (size <= record)
		return size < record || has_hole(bytes, size);
	return has_hole(bytes, record) && is_zeros(bytes + record, size - record);
}

enum sl_status checkpoint_find(
	struct view file,
	struct checkpoint_found *ret_found,
	uint64_t *ret_at
)
{
	struct checkpoint_found found = {0};

	while (found.end < file.size) {
		const uint8_t *at = file.bytes + found.end;
		uint64_t left = file.size - found.end;
		struct head head;
		uint64_t size;

		if (left < CHECKPOINT_PAGE_SIZE || !read_head(at, found.sequence, &head))
			break;
		size = checkpoint_record_size(head.size);
		if (left < size || !is_whole(at, &head))
			break;
		found.state = view_of(at + sizeof(head), head.size);
		found.sequence = head.sequence;
		found.end += size;
	}
	*ret_at = found.end;
	if (found.end < file.size
	    && !is_torn(file.bytes + found.end, file.size - found.end, found.sequence))
		return SL_E_CORRUPT;
	*ret_found = found;
	return SL_OK;
}
