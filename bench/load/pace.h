#pragma once

#include <stdbool.h>
#include <stdint.h>

// When events are due: an open loop. The times follow from the rate alone; an event that could not be sent in time keeps
// the time it was due at, so that a stall is seen in every latency that it spoils.

struct pace {
	uint64_t start_ns;
	uint64_t count; // of events so far: the next one's number
	double gap_ns;  // mean
	double at_ns;   // of the next event, from the start
	bool is_poisson;
	uint64_t random;
};

/** @param rate events a second, above 0 */
void pace_init(struct pace *pace, double rate, bool is_poisson, uint64_t start_ns, uint64_t seed);

/** When the next event is due. */
static inline uint64_t pace_next_ns(const struct pace *pace)
{
	return pace->start_ns + (uint64_t)pace->at_ns;
}

/** On to the event after the next one. @return when the next one was due */
uint64_t pace_take(struct pace *pace);
