#include "control/api/key_link.h"

#include <string.h>

enum {
	COUNTER_BITS = 50,
	SEED_BITS =
		40, // a new millisecond starts below this, which leaves room for 2^50 - 2^40 steps
	TAIL_SIZE = 3 // bytes, random
};

// A maker leaves the counters behind its last one free, for key_link_beside.
static const uint64_t COUNTER_END = ((uint64_t)1 << COUNTER_BITS) - KEY_LINK_BESIDES;
static const uint64_t SEED_MASK = ((uint64_t)1 << SEED_BITS) - 1;

static void write_link(
	uint64_t ms,
	uint64_t counter,
	const uint8_t random[static KEY_LINK_RANDOM_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
)
{
	for (int i = 0; i < 6; i++)
		ret_link[i] = (uint8_t)(ms >> (40 - 8 * i));
	ret_link[6] = (uint8_t)(0x70 | counter >> 46);
	ret_link[7] = (uint8_t)(counter >> 38);
	ret_link[8] = (uint8_t)(0x80 | (counter >> 32 & 0x3f));
	for (int i = 0; i < 4; i++)
		ret_link[9 + i] = (uint8_t)(counter >> (24 - 8 * i));
	memcpy(ret_link + (KEY_LINK_SIZE - TAIL_SIZE),
	       random + (KEY_LINK_RANDOM_SIZE - TAIL_SIZE),
	       TAIL_SIZE);
}

void key_link_init(struct key_link_maker *maker, const uint8_t last[KEY_LINK_SIZE])
{
	*maker = (struct key_link_maker){0};
	if (last == NULL)
		return;
	for (int i = 0; i < 6; i++)
		maker->ms = maker->ms << 8 | last[i];
	maker->counter = (uint64_t)(last[6] & 0x0f) << 46 | (uint64_t)last[7] << 38
		| (uint64_t)(last[8] & 0x3f) << 32 | (uint64_t)last[9] << 24
		| (uint64_t)last[10] << 16 | (uint64_t)last[11] << 8 | last[12];
}

void key_link_next(
	struct key_link_maker *maker,
	int64_t now_ms,
	const uint8_t random[static KEY_LINK_RANDOM_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
)
{
	uint64_t now = now_ms < 0 ? 0 : (uint64_t)now_ms;
	uint64_t seed = 0;

	memcpy(&seed, random, KEY_LINK_RANDOM_SIZE - TAIL_SIZE);
	if (now > maker->ms) {
		maker->ms = now;
		maker->counter = seed & SEED_MASK;
	} else {
		maker->counter += KEY_LINK_BESIDES + 1 + (seed & 0xff);
		if (maker->counter >= COUNTER_END) {
			maker->ms++;
			maker->counter = seed & SEED_MASK;
		}
	}
	write_link(maker->ms, maker->counter, random, ret_link);
}

void key_link_beside(
	const uint8_t last[static KEY_LINK_SIZE],
	const uint8_t random[static KEY_LINK_RANDOM_SIZE],
	uint8_t ret_link[static KEY_LINK_SIZE]
)
{
	struct key_link_maker maker;

	key_link_init(&maker, last);
	if (++maker.counter >> COUNTER_BITS != 0) {
		maker.ms++;
		maker.counter = 0;
	}
	write_link(maker.ms, maker.counter, random, ret_link);
}
