#pragma once

#include <stdbool.h>

// The highest rate without loss, found as RFC 2544 §26.1 does: a trial at the highest rate, then between the highest that
// was good and the lowest that was not, until they are near each other. The first trial that fails says what came
// through, which is a better guess than the middle.

struct search {
	double good;       // highest rate that was loss-free; 0 = none so far
	double bad;        // lowest rate that was not; 0 = none so far
	double rate;       // of the next trial
	double rate_min;   // events/s: below it nothing is sought
	double resolution; // the search ends when bad - good is at most this share of bad
	int trial_count;
	bool is_done;
};

/** @param rate_max events/s; @param resolution 0.0001..0.5 */
void search_init(struct search *search, double rate_min, double rate_max, double resolution);

/**
 * Tell of the trial at search.rate; then search.rate is the next one's, or search.is_done.
 *
 * @param is_good    it was loss-free, within the tolerance
 * @param delivered  events/s that came through
 */
void search_tell(struct search *search, bool is_good, double delivered);
