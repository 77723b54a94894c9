#pragma once

#include <stdint.h>

// Durations in fixed memory, by the method of HdrHistogram: steps of a power of two, each cut into HISTOGRAM_PARTS, so
// that a value is known to 1/HISTOGRAM_PARTS of itself whatever its size.

enum {
	HISTOGRAM_PART_BITS = 7,
	HISTOGRAM_PARTS = 1 << HISTOGRAM_PART_BITS,
	HISTOGRAM_STEPS = (64 - HISTOGRAM_PART_BITS + 1) * HISTOGRAM_PARTS
};

struct histogram {
	uint64_t count;
	uint64_t min_ns; // meaningless while count is 0
	uint64_t max_ns;
	double sum_ns;
	uint64_t step[HISTOGRAM_STEPS];
};

void histogram_reset(struct histogram *h);

/** Count times the same value. */
void histogram_record(struct histogram *h, uint64_t ns, uint64_t count);

/** The least value that at least this share (0..1) of all are not above: the top of its step, never above the highest. */
uint64_t histogram_at(const struct histogram *h, double share);

double histogram_mean(const struct histogram *h);

/** Step that a value falls in, and the highest value of a step. */
uint32_t histogram_step(uint64_t ns);
uint64_t histogram_top(uint32_t step);
