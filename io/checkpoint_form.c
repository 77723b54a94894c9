#include "io/checkpoint_form.h"

#include "io/checkpoint.h"

#include <string.h>
#include <xxhash.h>

static const uint64_t record_magic = 0x3174706b63686c73; // "slhckpt1"

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

static uint64_t padded(uint64_t size)
{
	return (size + 7) / 8 * 8;
}

uint64_t checkpoint_record_size(uint64_t state_size)
{
	return CHECKPOINT_HEAD_SIZE + padded(state_size) + CHECKPOINT_TAIL_SIZE;
}

void checkpoint_record_seal(uint8_t *record, uint32_t state_size, uint64_t sequence)
{
	struct head head = {.magic = record_magic, .size = state_size, .sequence = sequence};
	uint64_t sum = sum_of(record + sizeof(head), state_size, sequence);

	head.sum = sum_of(&head, offsetof(struct head, sum), 0);
	memcpy(record, &head, sizeof(head));
	memset(record + sizeof(head) + state_size, 0, padded(state_size) - state_size);
	memcpy(record + sizeof(head) + padded(state_size), &sum, sizeof(sum));
}

static bool is_zeros(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
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
	const uint8_t *state = at + sizeof(*head);
	uint64_t padding = padded(head->size) - head->size;
	uint64_t sum;

	memcpy(&sum, state + head->size + padding, sizeof(sum));
	return sum == sum_of(state, head->size, head->sequence)
		&& is_zeros(state + head->size, padding);
}

enum sl_status checkpoint_find(
	struct view file,
	struct checkpoint_found *ret_found,
	uint64_t *ret_at
)
{
	struct checkpoint_found found = {0};
	uint64_t written = file.size; // bytes up to the last that is not zero

	while (written > 0 && file.bytes[written - 1] == 0)
		written--;
	while (written > found.end) {
		const uint8_t *at = file.bytes + found.end;
		uint64_t left = file.size - found.end;
		struct head head;
		uint64_t size;

		*ret_at = found.end;
		if (left < sizeof(head))
			break;
		if (!read_head(at, found.sequence, &head)) {
			// Zeros from within the head on: it was never written whole.
			if (written < found.end + sizeof(head))
				break;
			return SL_E_CORRUPT;
		}
		size = checkpoint_record_size(head.size);
		if (left < size || written <= found.end + size - CHECKPOINT_TAIL_SIZE)
			break;
		if (!is_whole(at, &head))
			return SL_E_CORRUPT;
		found.state = view_of(at + sizeof(head), head.size);
		found.sequence = head.sequence;
		found.end += size;
	}
	*ret_found = found;
	return SL_OK;
}
