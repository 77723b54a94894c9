#include "bench/load/follow.h"

#include <string.h>

static uint64_t delivered(const struct follow *f)
{
	const struct counters *c = f->counted->counters;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < f->row_count; i++)
		sum += atomic_load_explicit(
			&c->sink[f->row[i]].rows_delivered, memory_order_relaxed
		);
	return sum;
}

void follow_init(
	struct follow *follow,
	const struct counted *counted,
	const struct pace *pace,
	struct histogram *latency
)
{
	static const uint8_t nobody[16];

	*follow = (struct follow){0};
	if (counted == NULL || counted->source != COUNTED_BY_COUNTERS)
		return;
	follow->counted = counted;
	follow->pace = *pace;
	follow->latency = latency;
	for (uint32_t s = 0; s < PLANE_STREAMS_MAX; s++)
		if (memcmp(counted->counters->stream_id[s], nobody, sizeof(nobody)) != 0)
			follow->row[follow->row_count++] = (uint8_t)s;
	follow->before = delivered(follow);
}

void follow_look(struct follow *follow, uint64_t offered, uint64_t now_ns)
{
	uint64_t through;

	if (follow_is_through(follow, offered))
		return;
	through = delivered(follow) - follow->before;
	// Never more than there are: others may send, too.
	if (through > offered)
		through = offered;
	for (; follow->seen < through; follow->seen++) {
		uint64_t due_ns = pace_take(&follow->pace);

		histogram_record(follow->latency, now_ns > due_ns ? now_ns - due_ns : 0, 1);
	}
}
