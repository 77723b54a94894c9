#include "bench/load/pace.h"

#include "bench/load/random.h"

#include <math.h>

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
		.random = seed,
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
