#include "control/server_inner.h"
#include "io/base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	ROW_COUNT = PLANE_STREAMS_MAX + 1
};

static uint64_t load(const counter_word *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

void counters_drop(struct server *s)
{
	if (s->counters.map != NULL)
		munmap((void *)s->counters.map, s->counters.size);
	s->counters = (struct server_counters){0};
}

enum sl_status counters_take(struct server *s, int fd, struct problem *ret_problem)
{
	struct stat about;
	void *map;
	int seals = fcntl(fd, F_GET_SEALS);

	// Memory that may shrink would end us by a signal.
	if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(fd, &about) != 0
	    || about.st_size <= 0)
		return problem_set(
			ret_problem, SL_E_CORRUPT, "its counters are not sealed against shrinking"
		);
	map = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return problem_set(ret_problem, SL_E_NOMEM, "its counters can not be mapped");
	if (counters_check(map, (size_t)about.st_size, ret_problem) != SL_OK) {
		munmap(map, (size_t)about.st_size);
		return SL_E_CORRUPT;
	}
	counters_drop(s);
	s->counters.map = map;
	s->counters.size = (size_t)about.st_size;
	s->counters.worker_count = s->counters.map->worker_count;
	if (s->counters.worker_count > COUNTERS_WORKERS_MAX
	    || counters_size(s->counters.worker_count) > s->counters.size) {
		// Written to between check and here.
		counters_drop(s);
		return problem_set(ret_problem, SL_E_CORRUPT, "its counters change their form");
	}
	counters_tick(s);
	return SL_OK;
}

static void add_row(const struct counters_row *row, struct sums *sums)
{
	for (int i = 0; i < COUNTER_COUNT; i++)
		sums->value[i] += load(&row->value[i]);
	for (int i = 0; i < COUNTERS_DROPS_MAX; i++)
		sums->event_drop[i] += load(&row->event_drop[i]);
	for (int i = 0; i < COUNTERS_FRAMES_MAX; i++)
		sums->frame_drop[i] += load(&row->frame_drop[i]);
}

void counters_sum_stream(const struct server_counters *c, uint32_t row, struct sums *ret_sums)
{
	memset(ret_sums, 0, sizeof(*ret_sums));
	for (uint32_t w = 0; c->map != NULL && w < c->worker_count; w++)
		add_row(&c->map->row[w * ROW_COUNT + row], ret_sums);
}

void counters_sum_worker(const struct server_counters *c, uint32_t worker, struct sums *ret_sums)
{
	memset(ret_sums, 0, sizeof(*ret_sums));
	for (uint32_t row = 0; c->map != NULL && row < ROW_COUNT; row++)
		add_row(&c->map->row[worker * ROW_COUNT + row], ret_sums);
	if (c->map != NULL)
		add_row(&c->map->gone[worker], ret_sums);
}

/** Least durations of the steps that a share of the counts lies at or below. */
static struct percentiles percentiles_of(const uint64_t counts[static COUNTERS_LATENCY_BUCKETS])
{
	struct percentiles p = {0};
	uint64_t seen = 0;

	for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS; i++)
		p.count += counts[i];
	for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS && p.count != 0; i++) {
		const uint64_t floor = counters_latency_floor(i);
		const uint64_t before = seen;

		if (counts[i] == 0)
			continue;
		seen += counts[i];
		if (before < (p.count + 1) / 2)
			p.p50_ns = floor;
		if (before < p.count - p.count / 100)
			p.p99_ns = floor;
		if (before < p.count - p.count / 1000)
			p.p999_ns = floor;
		p.max_ns = floor;
	}
	return p;
}

static void read_latency(
	const struct server_counters *c,
	uint32_t row,
	uint64_t ret_counts[static COUNTERS_LATENCY_BUCKETS]
)
{
	for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS; i++)
		ret_counts[i] = load(&c->map->sink[row].latency_ns[i]);
}

struct percentiles counters_latency(const struct server_counters *c, uint32_t row)
{
	uint64_t counts[COUNTERS_LATENCY_BUCKETS];

	if (c->map == NULL)
		return (struct percentiles){0};
	read_latency(c, row, counts);
	return percentiles_of(counts);
}

/** How much more, a second; a counter that went back has begun anew. */
static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now < before || seconds <= 0 ? 0 : (double)(now - before) / seconds;
}

static uint64_t all_drops(const struct sums *sums)
{
	uint64_t drops = 0;

	for (int i = 0; i < COUNTERS_DROPS_MAX; i++)
		drops += sums->event_drop[i];
	for (int i = 0; i < COUNTERS_FRAMES_MAX; i++)
		drops += sums->frame_drop[i];
	return drops;
}

static void tick_latency(const struct server_counters *c, uint32_t row, struct stream_rates *r)
{
	uint64_t now[COUNTERS_LATENCY_BUCKETS];
	uint64_t grown[COUNTERS_LATENCY_BUCKETS];

	read_latency(c, row, now);
	for (uint32_t i = 0; i < COUNTERS_LATENCY_BUCKETS; i++)
		grown[i] = now[i] >= r->last_latency[i] ? now[i] - r->last_latency[i] : 0;
	memcpy(r->last_latency, now, sizeof(now));
	r->recent = percentiles_of(grown);
}

static void tick_stream(struct server_counters *c, uint32_t row, double seconds)
{
	struct stream_rates *r = &c->stream[row];
	struct sums now;
	uint64_t delivered = 0;

	// A row that another stream has got.
	if (row < PLANE_STREAMS_MAX && memcmp(r->id, c->map->stream_id[row], 16) != 0) {
		memset(r, 0, sizeof(*r));
		memcpy(r->id, c->map->stream_id[row], 16);
		seconds = 0;
	}
	counters_sum_stream(c, row, &now);
	for (int i = 0; i < COUNTER_COUNT; i++)
		r->per_s[i] = rate(now.value[i], r->last.value[i], seconds);
	r->drops_per_s = rate(all_drops(&now), all_drops(&r->last), seconds);
	r->last = now;
	if (row == PLANE_STREAMS_MAX)
		return;
	delivered = load(&c->map->sink[row].rows_delivered);
	r->delivered_per_s = rate(delivered, r->last_delivered, seconds);
	r->last_delivered = delivered;
	tick_latency(c, row, r);
}

static void tick_worker(struct server_counters *c, uint32_t w, double seconds)
{
	const uint64_t busy = load(&c->map->busy_cycles[w]);
	const uint64_t idle = load(&c->map->idle_cycles[w]);
	const uint64_t busy_grown = busy - c->worker_busy_last[w];
	const uint64_t all_grown = busy_grown + idle - c->worker_idle_last[w];
	struct sums now;

	counters_sum_worker(c, w, &now);
	c->worker_events_per_s[w] = rate(
		now.value[COUNTER_EVENTS_IN], c->worker_last[w].value[COUNTER_EVENTS_IN], seconds
	);
	c->worker_busy[w] = all_grown == 0 ? 0 : (double)busy_grown / (double)all_grown;
	c->worker_last[w] = now;
	c->worker_busy_last[w] = busy;
	c->worker_idle_last[w] = idle;
}

void counters_tick(struct server *s)
{
	static const uint8_t none[16];
	struct server_counters *c = &s->counters;
	const uint64_t now_ns = clock_monotonic_ns();
	const double seconds = c->last_ns == 0 ? 0 : (double)(now_ns - c->last_ns) / 1e9;

	if (c->map == NULL)
		return;
	for (uint32_t row = 0; row < ROW_COUNT; row++)
		if (row == PLANE_STREAMS_MAX || memcmp(c->map->stream_id[row], none, 16) != 0)
			tick_stream(c, row, seconds);
	for (uint32_t w = 0; w < c->worker_count; w++)
		tick_worker(c, w, seconds);
	c->last_ns = now_ns;
}
