#include "bench/load/pace.h"

#include "bench/load/random.h"

#include <math.h>

/** The subjects are drawn from the same seed, and must have nothing to do with the gaps. */
static const uint64_t seed_of_gaps = 0x7061636500000000;

/** To the next event. Of constant gaps the times come from the number, so that no error adds up. */
static void advance(struct pace *pace)
{
	if (pace->is_poisson)
		pace->at_ns += -log(1 - random_unit(&pace->random)) * pace->gap_ns;
	else
		pace->at_ns = (double)pace->count * pace->gap_ns;
}

void pace_init(struct pace *pace, double rate, bool is_poisson, uint64_t start_ns, uint64_t seed)
{
	*pace = (struct pace){
		.start_ns = start_ns,
		.gap_ns = 1e9 / rate,
		.is_poisson = is_poisson,
		.random = seed ^ seed_of_gaps,
	};
	advance(pace);
}

uint64_t pace_take(struct pace *pace)
{
	uint64_t due_ns = pace_next_ns(pace);

	pace->count++;
	advance(pace);
	return due_ns;
}
