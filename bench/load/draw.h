#pragma once

#include "io/base/status.h"

#include <stdint.h>

// Whose event comes next: subjects 0..count drawn ahead, so that drawing costs nothing while it matters.

enum draw_kind {
	DRAW_UNIFORM, // each as likely as any
	DRAW_ZIPF,    // number n with a likelihood of 1 / (n + 1)^exponent
	DRAW_EACH     // one after the other in scattered order: all have come by when count have
};

enum {
	DRAW_COUNT_MAX = 100000000 // subjects: eight digits
};

struct draw {
	uint32_t *subject; // [count] owned
	uint32_t count;
	uint32_t at;
};

/** @param exponent of DRAW_ZIPF, 0.01..10 */
enum sl_status draw_init(
	struct draw *draw,
	enum draw_kind kind,
	double exponent,
	uint32_t subject_count,
	uint64_t seed
);
void draw_done(struct draw *draw);

/** They come again in the same order after some millions. */
static inline uint32_t draw_next(struct draw *draw)
{
	uint32_t subject = draw->subject[draw->at];

	draw->at = draw->at + 1 == draw->count ? 0 : draw->at + 1;
	return subject;
}
