#pragma once

#include "bench/load/counted.h"
#include "bench/load/histogram.h"
#include "bench/load/pace.h"

#include <stdbool.h>
#include <stdint.h>

// How long events take from the time that they were due at, where nothing comes back but a dataplane's count of delivered
// events: when the count reaches n, the nth event is through. So a stall counts for every event that was due meanwhile,
// whether it waited here, on its way or over there. Right where events keep their order, that is with one worker, and
// none is lost; with more workers it is near.

struct follow {
	const struct counted *counted; // NULL = nothing is followed
	struct pace pace; // once more from the start: when those were due that come through
	struct histogram *latency; // borrowed
	uint64_t before;           // delivered before the trial
	uint64_t seen;             // events of the trial that are through
	uint32_t row_count;
	uint8_t row[PLANE_STREAMS_MAX]; // of the counters, that are some stream's
};

/** @param counted NULL or without counters: nothing is followed @param pace as it is before its first event */
void follow_init(
	struct follow *follow,
	const struct counted *counted,
	const struct pace *pace,
	struct histogram *latency
);

/** Look how far the other side is, as often as can be. @param offered events so far */
void follow_look(struct follow *follow, uint64_t offered, uint64_t now_ns);

/** Nothing is followed, or all of them are through. */
static inline bool follow_is_through(const struct follow *follow, uint64_t offered)
{
	return follow->counted == NULL || follow->seen >= offered;
}
