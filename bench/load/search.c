#include "bench/load/search.h"

void search_init(struct search *search, double rate_min, double rate_max, double resolution)
{
	*search = (struct search){
		.rate = rate_max,
		.rate_min = rate_min,
		.resolution = resolution,
	};
}

void search_tell(struct search *s, bool is_good, double delivered)
{
	const bool is_first = s->trial_count++ == 0;
	double middle;

	if (is_good)
		s->good = s->rate;
	else
		s->bad = s->rate;
	// The highest rate allowed was good, or the lowest allowed was not.
	s->is_done = s->bad == 0 || (!is_good && s->rate <= s->rate_min)
		|| s->bad - s->good <= s->bad * s->resolution;
	if (s->is_done)
		return;
	middle = (s->good + s->bad) / 2;
	s->rate = is_first && delivered > s->good && delivered < s->bad ? delivered : middle;
	if (s->rate < s->rate_min)
		s->rate = s->rate_min;
}
