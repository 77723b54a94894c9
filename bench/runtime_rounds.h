#pragma once

#include "dataplane/runtime/probe.h"

#include <stddef.h>

// Rounds of a worker, summed up: nanoseconds an event, by stage.

/** Rounds of full turns that were looked at. */
struct rounds {
	struct probe_round *round; // [count] owned
	size_t count;
	size_t capacity;
};

/** Nanoseconds an event. */
struct round_cost {
	double stage[PROBE_STAGES];
	double sum;
};

/** Add a round; one that is not full is left out. */
void rounds_put(struct rounds *rounds, const struct probe_round *round);

/** Add all rounds that a probe has seen, and forget them there. The worker rests. */
void rounds_take(struct rounds *rounds, struct probe *probe);

/** The mean without the slowest twentieth: while these ran, the machine took the core away. Forgets the rounds. */
struct round_cost rounds_mean(struct rounds *rounds);

/** Least, quartiles, most. */
struct spread {
	double least;
	double quarter;
	double median;
	double three_quarters;
	double most;
};

/** Of count figures, which are put in order. */
struct spread spread_of(double figures[], size_t count);
