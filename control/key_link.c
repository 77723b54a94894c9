#include "control/key_link.h"

#include <string.h>

enum {
	COUNTER_BITS = 50,
	SEED_BITS =
		40, // a new millisecond starts below this, which leaves room for 2^50 - 2^40 steps
	TAIL_SIZE = 3 // bytes, random
};

static const uint64_t COUNTER_END = (uint64_t)1 << COUNTER_BITS;
static const uint64_t SEED_MASK = ((uint64_t)1 << SEED_BITS) - 1;

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
	uint64_t c;

	memcpy(&seed, random, KEY_LINK_RANDOM_SIZE - TAIL_SIZE);
	if (now > maker->ms) {
		maker->ms = now;
		maker->counter = seed & SEED_MASK;
	} else {
		maker->counter += 1 + (seed & 0xff);
		if (maker->counter >= COUNTER_END) {
			maker->ms++;
			maker->counter = seed & SEED_MASK;
		}
	}
	c = maker->counter;
	for (int i = 0; i < 6; i++)
		ret_link[i] = (uint8_t)(maker->ms >> (40 - 8 * i));
	ret_link[6] = (uint8_t)(0x70 | c >> 46);
	ret_link[7] = (uint8_t)(c >> 38);
	ret_link[8] = (uint8_t)(0x80 | (c >> 32 & 0x3f));
	for (int i = 0; i < 4; i++)
		ret_link[9 + i] = (uint8_t)(c >> (24 - 8 * i));
	memcpy(ret_link + KEY_LINK_SIZE - TAIL_SIZE,
	       random + KEY_LINK_RANDOM_SIZE - TAIL_SIZE,
	       TAIL_SIZE);
}
