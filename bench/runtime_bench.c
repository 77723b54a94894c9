#include "bench/give_up.h"
#include "bench/runtime_alone.h"
#include "dataplane/runtime/core.h"
#include "io/base/clock.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// Workers from the wire to the null sink, beside the turn alone over such events and the same (shared) key table; and two
// workers beside one.
//
// usage: runtime_bench [USERS [WAVES]]
//
// Events are of 512 bytes with three sealed fields, each of a user drawn at random. They are made ahead, in waves of 16,384
// frames a worker: while workers are timed nobody makes any, and nothing of them is in a worker's cache. Worker n is on
// core n; egress, journal and what puts frames on the ring are on the last core, and sleep most of the time. Path and turn,
// one worker and two, take turns wave by wave: a ratio is the median of the waves' ratios. Times are sums of rounds, without
// the slowest: while those ran, the core was taken away.

enum {
	WAVES = 60,
	FEED_US = 200,  // between two looks at the workers' rings
	REST_US = 2000, // until a worker that rests has seen that its probe is gone
	RATIOS_MAX = 1000
};

static const struct rig_stream streams[] = {
	{"bench", wave_contract, "{port: 7001, mode: plain}", "{null: true}"},
	{0},
};

static struct wave waves[2];
static struct probe probes[2];

/** Events that are through, one way or the other. */
static uint64_t settled(struct plane_rig *rig)
{
	return plane_rig_delivered(rig) + plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
}

/** Put waves on the workers' queues as there is room, until all is through. */
static void offer(struct plane_rig *rig, uint32_t workers)
{
	const struct port *port = runtime_port(rig->runtime);
	uint64_t aim = settled(rig);
	uint64_t limit = clock_monotonic_ns() + 10000000000u;

	for (uint32_t w = 0; w < workers; w++)
		aim += waves[w].count;
	while (settled(rig) < aim) {
		for (uint32_t w = 0; w < workers; w++)
			waves[w].sent += rte_ring_sp_enqueue_burst(
				port->in[w],
				(void **)(waves[w].frame + waves[w].sent),
				waves[w].count - waves[w].sent,
				NULL
			);
		if (clock_monotonic_ns() > limit)
			give_up("events are missing");
		usleep(FEED_US);
	}
}

static void prepare(struct plane_rig *rig, struct wave *wave, bool has_checksum, uint64_t users)
{
	const struct wave_plan plan = {
		.pool = runtime_port(rig->runtime)->frames,
		.has_checksum = has_checksum,
		.users = users,
	};

	wave_prepare(wave, &plan, WAVE_FRAMES);
}

/** Give every user a key. */
static void warm(struct plane_rig *rig, uint64_t users)
{
	uint64_t next = 0;
	const struct wave_plan plan = {
		.pool = runtime_port(rig->runtime)->frames,
		.users = users,
		.next = &next,
	};

	while (next < users) {
		wave_prepare(&waves[0], &plan, WAVE_FRAMES / 8);
		offer(rig, 1);
	}
}

/** Waves for so many workers, from the wire to the sink, under their probes. */
static void run_path(struct plane_rig *rig, uint32_t workers, bool has_checksum, uint64_t users)
{
	for (uint32_t w = 0; w < workers; w++) {
		prepare(rig, &waves[w], has_checksum, users);
		runtime_probe(rig->runtime, w, &probes[w]);
	}
	offer(rig, workers);
	for (uint32_t w = 0; w < workers; w++)
		runtime_probe(rig->runtime, w, NULL);
	usleep(REST_US);
}

/** What is compared, wave by wave. */
struct comparison {
	double path[RATIOS_MAX];
	double turn[RATIOS_MAX];
	double ratio[RATIOS_MAX];
	double stage[PROBE_STAGES][RATIOS_MAX];
	uint64_t rounds;
	uint64_t events;
};

static void compare_once(
	struct plane_rig *rig,
	struct alone *alone,
	bool has_checksum,
	uint64_t users,
	struct comparison *c,
	uint32_t n
)
{
	static struct rounds rounds;
	struct round_cost path;
	struct round_cost turn;

	prepare(rig, &waves[0], has_checksum, users);
	alone_run(alone, &waves[0], 0, &rounds);
	turn = rounds_mean(&rounds);
	run_path(rig, 1, has_checksum, users);
	rounds_take(&rounds, &probes[0]);
	c->rounds += rounds.count;
	c->events += WAVE_FRAMES;
	path = rounds_mean(&rounds);
	c->path[n] = path.sum;
	c->turn[n] = turn.sum;
	c->ratio[n] = path.sum / turn.sum;
	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		c->stage[s][n] = path.stage[s];
}

/** The path of one worker, and the turn alone. */
static void compare(
	struct plane_rig *rig,
	struct alone *alone,
	bool has_checksum,
	uint64_t users,
	uint32_t count
)
{
	static const char *const names[] = {"poll", "parse", "take", "turn", "free", "rest"};
	static struct comparison c;
	struct spread path;
	struct spread turn;
	struct spread ratio;

	static_assert(sizeof(names) / sizeof(names[0]) == PROBE_STAGES, "a name for each");
	c.rounds = c.events = 0;
	for (uint32_t n = 0; n < count; n++)
		compare_once(rig, alone, has_checksum, users, &c, n);
	path = spread_of(c.path, count);
	turn = spread_of(c.turn, count);
	ratio = spread_of(c.ratio, count);
	printf("UDP checksums %s\n", has_checksum ? "verified in software" : "none");
	printf("  path  %4.0f ns an event (%.0f to %.0f): %.2f M events/s of a worker\n",
	       path.median,
	       path.quarter,
	       path.three_quarters,
	       1e3 / path.median);
	printf("  turn  %4.0f ns an event (%.0f to %.0f) alone\n",
	       turn.median,
	       turn.quarter,
	       turn.three_quarters);
	printf("  ratio %.2f (%.2f to %.2f)\n", ratio.median, ratio.quarter, ratio.three_quarters);
	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		printf("  %-5s %5.1f ns\n", names[s], spread_of(c.stage[s], count).median);
	printf("  %.0f %% of %llu events in full turns\n",
	       1e2 * (double)(c.rounds * BATCH_MAX) / (double)c.events,
	       (unsigned long long)c.events);
}

/** Events a second of so many workers together, each by its own rounds. */
static double rate_of(struct plane_rig *rig, uint32_t workers, uint64_t users)
{
	static struct rounds rounds;
	double rate = 0;

	run_path(rig, workers, false, users);
	for (uint32_t w = 0; w < workers; w++) {
		rounds_take(&rounds, &probes[w]);
		rate += 1e9 / rounds_mean(&rounds).sum;
	}
	return rate;
}

/** Two workers at once, and one of them. */
static void scale(struct plane_rig *rig, uint64_t users, uint32_t count)
{
	static double one[RATIOS_MAX];
	static double two[RATIOS_MAX];
	static double ratio[RATIOS_MAX];
	struct spread s;

	for (uint32_t n = 0; n < count; n++) {
		one[n] = rate_of(rig, 1, users);
		two[n] = rate_of(rig, 2, users);
		ratio[n] = two[n] / one[n];
	}
	s = spread_of(ratio, count);
	printf("two workers at once, by their own rounds\n");
	printf("  one %.2f M events/s, two %.2f M events/s\n",
	       spread_of(one, count).median * 1e-6,
	       spread_of(two, count).median * 1e-6);
	printf("  ratio %.2f (%.2f to %.2f)\n", s.median, s.quarter, s.three_quarters);
}

int main(int argc, char **argv)
{
	uint64_t users = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : WAVES;
	uint32_t last = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	struct settings settings = plane_rig_settings();
	struct plane_rig *rig;
	struct problem problem;
	struct alone *alone;

	if (users == 0 || count == 0 || count > RATIOS_MAX)
		give_up("usage: runtime_bench [USERS [WAVES]]");
	core_pin(last);
	settings.worker_count = 2;
	settings.worker_core[0] = 0;
	settings.worker_core[1] = 1;
	settings.egress_core = last;
	settings.parcels = 64;
	settings.idle_us_max = 2000; // a worker that rests disturbs nobody
	settings.frames = 2 * WAVE_FRAMES + 4095;
	settings.use_huge_pages = 1;
	rig = plane_rig_new_with(&settings, 2 * users);
	if (plane_rig_apply(rig, streams, &problem) != SL_OK)
		give_up(problem.what);
	warm(rig, users);
	printf("2 workers, egress, journal and feeding on %u cores\n", last + 1);
	alone = alone_new(rig, streams);
	compare(rig, alone, false, users, count);
	compare(rig, alone, true, users, count);
	scale(rig, users, count);
	printf("%llu events dropped\n",
	       (unsigned long long)plane_rig_frame_drops(rig, FRAME_DROP_BUSY));
	plane_rig_free(rig);
	return EXIT_SUCCESS;
}
