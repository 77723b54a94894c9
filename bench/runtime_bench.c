#include "bench/give_up.h"
#include "bench/runtime_alone.h"
#include "dataplane/runtime/core.h"
#include "io/base/clock.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// A worker from the wire to the null sink, beside the turn alone over such events and the same (shared) key table; and two
// workers beside one.
//
// usage: runtime_bench [USERS [PIECES]]
//
// Events are of 512 bytes with three sealed fields, each of a user drawn at random. Worker n is on core n; egress, journal and
// generator are on the last core. Path and turn alone take turns in pieces of 30 ms, each fed as fast as it
// takes. Two workers and one are fed with events made ahead, 16,384 a worker, so that the generator is out of the way of the
// second. Times are sums of rounds, without the slowest: while those ran, the core was taken away. A ratio is the median of
// the pieces' ratios; figures are medians, with quartiles.

enum {
	PIECES = 100,
	FEED_US = 200,  // between two looks at the workers' rings
	REST_US = 5000, // until a worker that rests has seen that its probe is gone
	PIECES_MAX = 1000
};

static const double PIECE_S = 0.03;

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

static struct wave_plan plan_of(struct plane_rig *rig, bool has_checksum, uint64_t users)
{
	return (struct wave_plan){
		.pool = runtime_port(rig->runtime)->frames,
		.has_checksum = has_checksum,
		.users = users,
	};
}

/** Give every user a key. */
static void warm(struct plane_rig *rig, uint64_t users)
{
	uint64_t next = 0;
	struct wave_plan plan = plan_of(rig, false, users);

	plan.next = &next;
	while (next < users) {
		wave_prepare(&waves[0], &plan, WAVE_FRAMES / 8);
		offer(rig, 1);
	}
}

/** A piece of the path of worker 0. @return events */
static uint64_t run_path(struct plane_rig *rig, const struct wave_plan *plan)
{
	uint64_t limit = clock_monotonic_ns() + 10000000000u;
	uint64_t aim = settled(rig);
	uint64_t sent;

	runtime_probe(rig->runtime, 0, &probes[0]);
	sent = wave_stream(runtime_port(rig->runtime)->in[0], plan, PIECE_S);
	while (settled(rig) < aim + sent) {
		if (clock_monotonic_ns() > limit)
			give_up("events are missing");
		usleep(FEED_US);
	}
	runtime_probe(rig->runtime, 0, NULL);
	usleep(REST_US);
	return sent;
}

/** What is compared, piece by piece. */
struct comparison {
	double path[PIECES_MAX];
	double turn[PIECES_MAX];
	double ratio[PIECES_MAX];
	double wall[PIECES_MAX]; // events a second
	double stage[PROBE_STAGES][PIECES_MAX];
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
	struct wave_plan plan = plan_of(rig, has_checksum, users);
	struct round_cost path;
	struct round_cost turn;
	uint64_t sent;

	alone_run(alone, &plan, PIECE_S, 0, &rounds);
	turn = rounds_mean(&rounds);
	sent = run_path(rig, &plan);
	c->events += sent;
	c->wall[n] = (double)sent / PIECE_S;
	rounds_take(&rounds, &probes[0]);
	c->rounds += rounds.count;
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
	struct spread wall;

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
	for (uint32_t s = 0; s < PROBE_STAGES; s++) {
		double ns = spread_of(c.stage[s], count).median;

		printf("  %-5s %5.1f ns, %4.0f cycles of the time stamp\n",
		       names[s],
		       ns,
		       ns * 1e-9 * (double)rte_get_tsc_hz());
	}
	wall = spread_of(c.wall, count);
	printf("  by the wall %.2f M events/s (%.2f to %.2f)\n",
	       wall.median * 1e-6,
	       wall.quarter * 1e-6,
	       wall.three_quarters * 1e-6);
	printf("  %.0f %% of %llu events in full turns\n",
	       1e2 * (double)(c.rounds * BATCH_MAX) / (double)c.events,
	       (unsigned long long)c.events);
}

/** Events a second of so many workers together, each by its own rounds. */
static double rate_of(struct plane_rig *rig, uint32_t workers, uint64_t users)
{
	static struct rounds rounds;
	const struct wave_plan plan = plan_of(rig, false, users);
	double rate = 0;

	for (uint32_t w = 0; w < workers; w++) {
		wave_prepare(&waves[w], &plan, WAVE_FRAMES);
		runtime_probe(rig->runtime, w, &probes[w]);
	}
	offer(rig, workers);
	for (uint32_t w = 0; w < workers; w++)
		runtime_probe(rig->runtime, w, NULL);
	usleep(REST_US);
	for (uint32_t w = 0; w < workers; w++) {
		rounds_take(&rounds, &probes[w]);
		rate += 1e9 / rounds_mean(&rounds).sum;
	}
	return rate;
}

/** Two workers at once, and one of them. */
static void scale(struct plane_rig *rig, uint64_t users, uint32_t count)
{
	static double one[PIECES_MAX];
	static double two[PIECES_MAX];
	static double ratio[PIECES_MAX];
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
	uint32_t count = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : PIECES;
	uint32_t last = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1;
	struct settings settings = plane_rig_settings();
	struct plane_rig *rig;
	struct problem problem;
	struct alone *alone;

	if (users == 0 || count == 0 || count > PIECES_MAX)
		give_up("usage: runtime_bench [USERS [PIECES]]");
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
