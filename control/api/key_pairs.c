#include "control/api/key_pairs.h"

#include <stdlib.h>
#include <string.h>

enum {
	PAIRS = 16384 // a power of two
};

struct pair {
	uint8_t link[KEY_LINK_SIZE];
	uint64_t subject;
	uint64_t position; // 0: no pair
};

struct key_pairs {
	struct pair pair[PAIRS]; // each has one place
};

struct key_pairs *key_pairs_new(void)
{
	return calloc(1, sizeof(struct key_pairs));
}

void key_pairs_free(struct key_pairs *pairs)
{
	free(pairs);
}

/** The end of a link is random, and so is a subject's fingerprint. */
static size_t place_of(const uint8_t link[static KEY_LINK_SIZE], uint64_t subject)
{
	uint64_t h;

	memcpy(&h, link + (KEY_LINK_SIZE - sizeof(h)), sizeof(h));
	h = (h ^ subject) * 0x9e3779b97f4a7c15u;
	return h >> 32 & (PAIRS - 1);
}

uint64_t key_pairs_find(
	const struct key_pairs *pairs,
	const uint8_t link[static KEY_LINK_SIZE],
	uint64_t subject
)
{
	const struct pair *p = &pairs->pair[place_of(link, subject)];

	return p->subject == subject && memcmp(p->link, link, KEY_LINK_SIZE) == 0 ? p->position : 0;
}

void key_pairs_put(
	struct key_pairs *pairs,
	const uint8_t link[static KEY_LINK_SIZE],
	uint64_t subject,
	uint64_t position
)
{
	struct pair *p = &pairs->pair[place_of(link, subject)];

	memcpy(p->link, link, KEY_LINK_SIZE);
	p->subject = subject;
	p->position = position;
}
