#pragma once

#include <stdint.h>
#include <x86intrin.h>

/** The processor's time stamp: of constant rate, not the core's cycles. */
static inline uint64_t ticks_now(void)
{
	return __rdtsc();
}

/** The ticks since the last lap are this part's. */
static inline void ticks_lap(uint64_t *ticks, uint64_t *last)
{
	uint64_t now = ticks_now();

	*ticks = now - *last;
	*last = now;
}
