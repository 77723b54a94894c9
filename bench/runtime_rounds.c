#include "bench/runtime_rounds.h"

#include <stdlib.h>

enum {
	SLOW_PART = 20 // of the rounds, one in so many is left out
};

static uint64_t total_of(const struct probe_round *round)
{
	uint64_t total = 0;

	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		total += round->cycles[s];
	return total;
}

static int compare_rounds(const void *a, const void *b)
{
	uint64_t one = total_of(a);
	uint64_t other = total_of(b);

	return one < other ? -1 : one > other;
}

void rounds_put(struct rounds *rounds, const struct probe_round *round)
{
	if (round->rows != BATCH_MAX)
		return;
	if (rounds->count == rounds->capacity) {
		rounds->capacity = 2 * rounds->capacity + 1024;
		rounds->round = realloc(rounds->round, rounds->capacity * sizeof(*rounds->round));
		if (rounds->round == NULL)
			abort();
	}
	rounds->round[rounds->count++] = *round;
}

void rounds_take(struct rounds *rounds, struct probe *probe)
{
	// Pairs with the release of the worker.
	uint64_t count = atomic_load_explicit(&probe->count, memory_order_acquire);

	for (uint64_t n = count < PROBE_ROUNDS ? 0 : count - PROBE_ROUNDS; n < count; n++)
		rounds_put(rounds, &probe->round[n % PROBE_ROUNDS]);
	atomic_store(&probe->count, 0);
}

struct round_cost rounds_mean(struct rounds *rounds)
{
	size_t all = rounds->count;
	size_t count = all - all / SLOW_PART;
	double scale = 1e9 / (double)rte_get_tsc_hz() / (double)(count * BATCH_MAX);
	struct round_cost cost = {0};

	rounds->count = 0;
	if (count == 0)
		return cost;
	qsort(rounds->round, all, sizeof(*rounds->round), compare_rounds);
	for (size_t n = 0; n < count; n++)
		for (uint32_t s = 0; s < PROBE_STAGES; s++)
			cost.stage[s] += (double)rounds->round[n].cycles[s] * scale;
	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		cost.sum += cost.stage[s];
	return cost;
}

static int compare_figures(const void *a, const void *b)
{
	double one = *(const double *)a;
	double other = *(const double *)b;

	return one < other ? -1 : one > other;
}

struct spread spread_of(double figures[], size_t count)
{
	if (count == 0)
		return (struct spread){0};
	qsort(figures, count, sizeof(*figures), compare_figures);
	return (struct spread){
		.least = figures[0],
		.quarter = figures[count / 4],
		.median = figures[count / 2],
		.three_quarters = figures[3 * count / 4],
		.most = figures[count - 1],
	};
}
