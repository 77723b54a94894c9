#pragma once

#include "dataplane/pipeline/frame.h"

// Who may send to a stream, and how fast: a stream's source allow-list and rate limit.

enum {
	ADMIT_NETS_MAX = 64
};

/** A network: the first prefix bits of address (IPv4: 96 + its prefix). */
struct admit_net {
	struct frame_address address;
	uint32_t prefix; // 0..128
};

struct admit_rules {
	struct admit_net net[ADMIT_NETS_MAX];
	uint32_t net_count;    // 0 = everybody
	uint64_t events_per_s; // 0 = no limit; of one worker: the limit divided by the workers
	uint64_t burst_events; // that may come at once; 0 counts as 1
};

/** A token bucket; one a worker and stream. All zeros: full at the first call. */
struct admit_bucket {
	uint64_t tokens; // billionths of an event
	uint64_t debt;   // likewise: of what was larger than a burst; tokens are 0 then
	uint64_t at_ns;  // of the last refill, monotonic
};

bool admit_source(const struct admit_rules *rules, const struct frame_address *source);

/**
 * Take events from the bucket, all or none of them. More than a burst may go when the bucket is full: it is paid for before
 * anything else goes.
 */
bool admit_all(
	const struct admit_rules *rules,
	struct admit_bucket *bucket,
	uint32_t count,
	uint64_t now_ns
);
