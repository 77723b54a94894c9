#include "bench/load/histogram.h"

#include <math.h>
#include <string.h>

void histogram_reset(struct histogram *h)
{
	memset(h, 0, sizeof(*h));
}

uint32_t histogram_step(uint64_t ns)
{
	uint32_t power;

	if (ns < HISTOGRAM_PARTS)
		return (uint32_t)ns;
	// The bits below the highest PART_BITS + 1 are left out.
	power = 63 - (uint32_t)__builtin_clzll(ns) - HISTOGRAM_PART_BITS;
	return power * HISTOGRAM_PARTS + (uint32_t)(ns >> power);
}

uint64_t histogram_top(uint32_t step)
{
	uint32_t power;

	if (step < 2 * HISTOGRAM_PARTS)
		return step;
	power = step / HISTOGRAM_PARTS - 1;
	return ((uint64_t)(step - power * HISTOGRAM_PARTS) << power) + ((uint64_t)1 << power) - 1;
}

void histogram_record(struct histogram *h, uint64_t ns, uint64_t count)
{
	if (count == 0)
		return;
	if (h->count == 0 || ns < h->min_ns)
		h->min_ns = ns;
	if (ns > h->max_ns)
		h->max_ns = ns;
	h->count += count;
	h->sum_ns += (double)ns * (double)count;
	h->step[histogram_step(ns)] += count;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil(share * (double)h->count);
	uint64_t seen = 0;

	if (wanted == 0)
		wanted = 1;
	for (uint32_t step = 0; step < HISTOGRAM_STEPS; step++) {
		seen += h->step[step];
		if (seen >= wanted)
			return histogram_top(step) < h->max_ns ? histogram_top(step) : h->max_ns;
	}
	return h->max_ns;
}

double histogram_mean(const struct histogram *h)
{
	return h->count == 0 ? 0 : h->sum_ns / (double)h->count;
}
