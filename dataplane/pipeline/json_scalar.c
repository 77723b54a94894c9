#include "dataplane/pipeline/json_block.h"
#include "dataplane/pipeline/utf8.h"

#include <string.h>

// Stage 1 without vector code: the level for CPUs that have nothing better, and the plainest to read.

enum class_bit {
	CLASS_QUOTE = 1 << 0,
	CLASS_BACKSLASH = 1 << 1,
	CLASS_OP = 1 << 2,
	CLASS_SPACE = 1 << 3,
	CLASS_CONTROL = 1 << 4
};

static const uint8_t classes[256] = {
	[0x00 ... 0x08] = CLASS_CONTROL,
	['\t'] = CLASS_CONTROL | CLASS_SPACE,
	['\n'] = CLASS_CONTROL | CLASS_SPACE,
	[0x0b ... 0x0c] = CLASS_CONTROL,
	['\r'] = CLASS_CONTROL | CLASS_SPACE,
	[0x0e ... 0x1f] = CLASS_CONTROL,
	[' '] = CLASS_SPACE,
	['"'] = CLASS_QUOTE,
	['\\'] = CLASS_BACKSLASH,
	['{'] = CLASS_OP,
	['}'] = CLASS_OP,
	['['] = CLASS_OP,
	[']'] = CLASS_OP,
	[':'] = CLASS_OP,
	[','] = CLASS_OP,
};

static struct json_bits classify(const uint8_t block[static JSON_BLOCK])
{
	struct json_bits b = {0};

	for (unsigned i = 0; i < JSON_BLOCK; i++) {
		uint64_t class = classes[block[i]];

		b.quote |= (class & 1) << i;
		b.backslash |= (class >> 1 & 1) << i;
		b.op |= (class >> 2 & 1) << i;
		b.space |= (class >> 3 & 1) << i;
		b.control |= (class >> 4 & 1) << i;
	}
	return b;
}

static uint64_t prefix_xor(uint64_t bits)
{
	for (unsigned shift = 1; shift < 64; shift *= 2)
		bits ^= bits << shift;
	return bits;
}

void json_index_scalar(const uint8_t *text, uint32_t size, struct json_index *ret_index)
{
	struct json_carry carry = json_carry_start();
	uint32_t *next = ret_index->at;

	for (uint32_t at = 0; at < size; at += JSON_BLOCK) {
		uint8_t block[JSON_BLOCK];
		uint32_t left = size - at;
		struct json_bits bits;
		uint64_t quotes;
		uint64_t ops;

		memset(block, ' ', sizeof(block));
		memcpy(block, text + at, left < JSON_BLOCK ? left : JSON_BLOCK);
		bits = classify(block);
		quotes = json_quotes(&bits, &carry);
		ops = json_ops(&bits, quotes, prefix_xor(quotes), &carry);
		for (; ops != 0; ops &= ops - 1)
			*next++ = at + (uint32_t)__builtin_ctzll(ops);
	}
	ret_index->count = (uint32_t)(next - ret_index->at);
	ret_index->is_utf8 = utf8_is_valid(view_of(text, size));
	json_carry_end(&carry, size, ret_index);
}
