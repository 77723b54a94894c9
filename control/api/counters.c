#include "control/api/counters.h"

#include <stddef.h>

static const struct counter_texts {
	const char *key;
	const char *unit;
	const char *help;
} texts[COUNTER_COUNT] = {

#define COUNTER(name, key, unit, help) {key, unit, help},
#include "control/api/counters.def"
#undef COUNTER
};

const char *counter_key(enum counter counter)
{
	return counter < COUNTER_COUNT ? texts[counter].key : "unknown";
}

const char *counter_unit(enum counter counter)
{
	return counter < COUNTER_COUNT ? texts[counter].unit : "";
}

const char *counter_help(enum counter counter)
{
	return counter < COUNTER_COUNT ? texts[counter].help : "";
}

// A bucket's number is the place of the highest bit and the four bits behind it.

enum {
	STEP_BITS = 4,
	STEP_MASK = COUNTERS_LATENCY_STEPS - 1
};

static_assert(COUNTERS_LATENCY_STEPS == 1 << STEP_BITS, "steps of a power of two");

uint32_t counters_latency_bucket(uint64_t ns)
{
	uint32_t high = 63 - (uint32_t)__builtin_clzll(ns | 1);
	uint64_t step = high >= STEP_BITS ? ns >> (high - STEP_BITS) : ns << (STEP_BITS - high);

	return high * COUNTERS_LATENCY_STEPS + (uint32_t)(step & STEP_MASK);
}

uint64_t counters_latency_floor(uint32_t bucket)
{
	uint32_t high = bucket / COUNTERS_LATENCY_STEPS;
	uint64_t step = bucket % COUNTERS_LATENCY_STEPS;
	uint64_t base = UINT64_C(1) << (high & 63);

	if (bucket == 0)
		return 0;
	if (high >= STEP_BITS)
		return base + step * (base >> STEP_BITS);
	return base + (step << high >> STEP_BITS);
}

size_t counters_size(uint32_t worker_count)
{
	return sizeof(struct counters)
		+ (size_t)worker_count * (PLANE_STREAMS_MAX + 1) * sizeof(struct counters_row);
}

enum sl_status counters_check(const void *bytes, size_t size, struct problem *ret_problem)
{
	const struct counters *c = bytes;

	if (size < sizeof(*c) || (uintptr_t)bytes % _Alignof(struct counters) != 0
	    || c->magic != COUNTERS_MAGIC || c->version != COUNTERS_VERSION)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "counters: they are none, or of another version"
		);
	if (c->worker_count == 0 || c->worker_count > COUNTERS_WORKERS_MAX
	    || counters_size(c->worker_count) != c->size || c->size > size)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "counters: their size is not what they say"
		);
	return SL_OK;
}
