#include "dataplane/pipeline/admit.h"

#include <string.h>

enum {
	TOKENS_PER_EVENT = 1000000000 // so that a nanosecond at n events/s is n tokens
};

static bool is_inside(const struct admit_net *net, const struct frame_address *address)
{
	const uint32_t whole = net->prefix / 8;
	const uint32_t bits = net->prefix % 8;

	if (memcmp(net->address.bytes, address->bytes, whole) != 0)
		return false;
	return bits == 0 || (net->address.bytes[whole] ^ address->bytes[whole]) >> (8 - bits) == 0;
}

bool admit_source(const struct admit_rules *rules, const struct frame_address *source)
{
	if (rules->net_count == 0)
		return true;
	for (uint32_t i = 0; i < rules->net_count; i++)
		if (is_inside(&rules->net[i], source))
			return true;
	return false;
}

static uint64_t capacity_of(const struct admit_rules *rules)
{
	const uint64_t events = rules->burst_events != 0 ? rules->burst_events : 1;
	uint64_t tokens;

	return __builtin_mul_overflow(events, TOKENS_PER_EVENT, &tokens) ? UINT64_MAX : tokens;
}

/** New tokens pay the debt first. */
static void gain(struct admit_bucket *bucket, uint64_t gained, uint64_t capacity)
{
	const uint64_t paid = gained < bucket->debt ? gained : bucket->debt;

	bucket->debt -= paid;
	if (__builtin_add_overflow(bucket->tokens, gained - paid, &bucket->tokens)
	    || bucket->tokens > capacity)
		bucket->tokens = capacity;
}

static void refill(const struct admit_rules *rules, struct admit_bucket *bucket, uint64_t now_ns)
{
	uint64_t gained;

	if (bucket->at_ns != 0 && now_ns <= bucket->at_ns)
		return;
	// More than there can be debt and capacity, too.
	if (bucket->at_ns == 0
	    || __builtin_mul_overflow(now_ns - bucket->at_ns, rules->events_per_s, &gained))
		gained = UINT64_MAX;
	gain(bucket, gained, capacity_of(rules));
	bucket->at_ns = now_ns;
}

bool admit_all(
	const struct admit_rules *rules,
	struct admit_bucket *bucket,
	uint32_t count,
	uint64_t now_ns
)
{
	const uint64_t wanted = (uint64_t)count * TOKENS_PER_EVENT;
	const uint64_t capacity = capacity_of(rules);
	const uint64_t needed = wanted < capacity ? wanted : capacity;

	if (rules->events_per_s == 0)
		return true;
	refill(rules, bucket, now_ns);
	if (bucket->tokens < needed || bucket->debt != 0)
		return false;
	bucket->tokens -= needed;
	bucket->debt = wanted - needed;
	return true;
}
