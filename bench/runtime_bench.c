#include "dataplane/pipeline/json.h"
#include "dataplane/runtime/probe.h"
#include "io/base/clock.h"
#include "tests/support/packet.h"
#include "tests/support/plane_rig.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Workers from the wire to the null sink, beside the turn alone over the same events and the same (shared) key table.
//
// usage: runtime_bench [USERS [SECONDS [WORKERS]]]
//
// Events are of 512 bytes with three sealed fields, each of a user drawn at random. The generator is the main thread and
// writes every frame anew. Path and turn take turns in short pieces; of each, rounds of full turns count, without the
// slowest (the machine took the core away). Events a second are by the clock on the wall, whatever else ran.

enum {
	EVENT_SIZE = 512,
	BURST = 32,
	WINDOW =
		1024, // events under way to a worker, as in a device's receive ring; more wait in egress
	AHEAD_MAX = 5000, // events of a worker that are not delivered yet: egress may be late
	PIECES = 8,       // of a run
	SLOW_PART = 20,   // of the rounds, one in so many is left out: the slowest
	FRAME_SIZE_MAX = 1024,
	USER_DIGITS = 8
};

static const char contract[] = "contract: bench/event/1.0.0\n"
			       "key: user\n"
			       "undeclared: pass\n"
			       "time: {field: at, form: rfc3339}\n"
			       "fields:\n"
			       "  user: {type: string, personal: 0, required: true}\n"
			       "  mail: {type: string, personal: 0}\n"
			       "  comment: {type: string, personal: 0}\n"
			       "  at: string\n";

static const struct rig_stream streams[] = {
	{"bench", contract, "{port: 7001, mode: plain}", "{null: true}"},
	{0},
};

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (x ^ x >> 31) % limit;
}

/** An event as it goes out, and where its user stands. */
struct stock {
	struct packet packet;
	char *user;
	bool has_checksum;
	uint32_t sum; // of the datagram with a user of zeros
};

static void make_stock(struct stock *stock, bool has_checksum)
{
	static char text[EVENT_SIZE + 1];
	struct packet_plan plan = {.target_port = 7001, .has_no_checksum = !has_checksum};
	int size = snprintf(
		text,
		sizeof(text),
		"{\"user\":\"%0*d\",\"mail\":\"somebody-00000000@mail.example.net\",\"comment\":"
		"\"a comment of some thirty letters\","
		"\"at\":\"2026-11-21T10:00:00Z\",\"page\":\"Talk:Oswald "
		"Tilghman\",\"delta\":36,\"isNew\":false,\"note\":\"",
		USER_DIGITS,
		0
	);

	memset(text + size, 'x', EVENT_SIZE - size - 2);
	memcpy(text + EVENT_SIZE - 2, "\"}", 3);
	plan.payload = view_of(text, EVENT_SIZE);
	packet_build(&plan, &stock->packet);
	memset(stock->packet.bytes, 0, 6);
	stock->has_checksum = has_checksum;
	stock->sum = (uint16_t
	) ~(stock->packet.bytes[stock->packet.udp + 6] << 8
	    | stock->packet.bytes[stock->packet.udp + 7]);
	stock->user = (char *)stock->packet.bytes + stock->packet.payload + strlen("{\"user\":\"");
}

static void set_user(struct stock *stock, uint64_t user)
{
	uint32_t sum = stock->sum;
	uint32_t checksum;

	for (int n = USER_DIGITS - 1; n >= 0; n--, user /= 10) {
		stock->user[n] = (char)('0' + user % 10);
		// The digits begin at an odd byte: they are the low and the high halves of words, in turns.
		sum += (uint32_t)(user % 10) << (n % 2 == 0 ? 0 : 8);
	}
	if (!stock->has_checksum)
		return;
	sum = (sum & 0xffff) + (sum >> 16);
	checksum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	stock->packet.bytes[stock->packet.udp + 6] = (uint8_t)(checksum >> 8);
	stock->packet.bytes[stock->packet.udp + 7] = (uint8_t)checksum;
}

/** Offer a burst; as many as there is room for. @param next users in order; NULL = at random */
static uint32_t send_burst(
	struct rte_mempool *pool,
	struct rte_ring *to,
	struct stock *stock,
	uint64_t users,
	uint64_t *next
)
{
	struct rte_mbuf *frames[BURST];
	unsigned sent;

	if (rte_ring_count(to) + BURST > WINDOW || rte_pktmbuf_alloc_bulk(pool, frames, BURST) != 0)
		return 0;
	for (uint32_t n = 0; n < BURST; n++) {
		set_user(stock, next != NULL ? (*next)++ % users : random_below(users));
		memcpy(rte_pktmbuf_append(frames[n], (uint16_t)stock->packet.size),
		       stock->packet.bytes,
		       stock->packet.size);
	}
	sent = rte_ring_sp_enqueue_burst(to, (void **)frames, BURST, NULL);
	rte_pktmbuf_free_bulk(frames + sent, BURST - sent);
	return sent;
}

/** Events that are through, one way or the other. */
static uint64_t settled(struct plane_rig *rig)
{
	return plane_rig_delivered(rig) + plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
}

static bool has_settled(struct plane_rig *rig, uint64_t rows)
{
	return settled(rig) >= rows;
}

/** Rounds of full turns that were looked at. */
struct rounds {
	struct probe_round *round;
	size_t count;
	size_t capacity;
};

static uint64_t total_of(const struct probe_round *round)
{
	uint64_t total = 0;

	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		total += round->cycles[s];
	return total;
}

static int compare_rounds(const void *a, const void *b)
{
	uint64_t one = total_of(a);
	uint64_t other = total_of(b);

	return one < other ? -1 : one > other;
}

static void put_round(struct rounds *rounds, const struct probe_round *round)
{
	if (round->rows != BATCH_MAX)
		return;
	if (rounds->count == rounds->capacity) {
		rounds->capacity = 2 * rounds->capacity + 1024;
		rounds->round = realloc(rounds->round, rounds->capacity * sizeof(*rounds->round));
		if (rounds->round == NULL)
			abort();
	}
	rounds->round[rounds->count++] = *round;
}

/** Nanoseconds an event of each stage, and their sum. The slowest rounds are left out. */
static double mean_of(struct rounds *rounds, double ret_stage[PROBE_STAGES])
{
	size_t count = rounds->count - rounds->count / SLOW_PART;
	double scale = 1e9 / (double)rte_get_tsc_hz() / (double)(count * BATCH_MAX);
	double sum = 0;

	qsort(rounds->round, rounds->count, sizeof(*rounds->round), compare_rounds);
	for (uint32_t s = 0; s < PROBE_STAGES; s++) {
		uint64_t cycles = 0;

		for (size_t n = 0; n < count; n++)
			cycles += rounds->round[n].cycles[s];
		ret_stage[s] = (double)cycles * scale;
		sum += ret_stage[s];
	}
	return sum;
}

/** Of rounds in order: mean_of has sorted them. */
static double median_of(const struct rounds *rounds)
{
	if (rounds->count == 0)
		return 0;
	return (double)total_of(&rounds->round[rounds->count / 2]) * 1e9 / (double)rte_get_tsc_hz()
		/ BATCH_MAX;
}

/** What a run of the path has done. */
struct path_run {
	struct rounds rounds;
	uint64_t offered;
	double seconds;
};

static void take_rounds(struct path_run *run, struct probe *probe)
{
	// Pairs with the release of the worker.
	uint64_t count = atomic_load_explicit(&probe->count, memory_order_acquire);

	for (uint64_t n = count < PROBE_ROUNDS ? 0 : count - PROBE_ROUNDS; n < count; n++)
		put_round(&run->rounds, &probe->round[n % PROBE_ROUNDS]);
	atomic_store(&probe->count, 0);
}

/** Offer as fast as it goes for so long, to all workers; until everything is out. */
static void run_path(
	struct plane_rig *rig,
	struct stock *stock,
	uint64_t users,
	double seconds,
	struct path_run *run
)
{
	static struct probe probes[SETTINGS_WORKERS_MAX];
	uint32_t workers = rig->settings.worker_count;
	const struct port *port = runtime_port(rig->runtime);
	uint64_t begin = clock_monotonic_ns();
	uint64_t before = settled(rig);
	uint64_t sent = 0;

	for (uint32_t w = 0; w < workers; w++)
		runtime_probe(rig->runtime, w, &probes[w]);
	while (clock_monotonic_ns() < begin + (uint64_t)(seconds * 1e9))
		for (uint32_t w = 0; w < workers; w++)
			if (before + sent < settled(rig) + AHEAD_MAX * workers)
				sent += send_burst(port->frames, port->in[w], stock, users, NULL);
	run->seconds += (double)(clock_monotonic_ns() - begin) * 1e-9;
	(void)plane_rig_wait(has_settled, rig, before + sent);
	for (uint32_t w = 0; w < workers; w++)
		runtime_probe(rig->runtime, w, NULL);
	usleep(2000);
	for (uint32_t w = 0; w < workers; w++)
		take_rounds(run, &probes[w]);
	run->offered += sent;
}

/** The turn and what it works on. */
struct alone {
	struct epoch_source source;
	struct turn turn;
	struct policy *policy;
	struct key_claim *claim;
	struct dead_letter_key dead;
	struct rte_ring *in;
	atomic_bool is_ended;
	uint8_t frames[BATCH_MAX][FRAME_SIZE_MAX];
	struct rounds rounds;
};

static struct alone *alone_new(struct plane_rig *rig)
{
	struct alone *a = calloc(1, sizeof(*a));
	const struct engine_options options = {0};
	struct turn *turn = &a->turn;
	const struct plane_stream *row;
	struct key_maker *maker;
	struct problem problem;
	size_t room;

	a->in = rte_ring_create(
		"bench_alone", PORT_RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ
	);
	if (a->in == NULL)
		abort();
	a->source = plane_rig_compile(rig, streams);
	row = plane_streams(a->source.image);
	if (policy_bind(plane_rig_policy(a->source.image, 0), &a->policy, &problem) != SL_OK
	    || engine_new(&options, &turn->engine, &problem) != SL_OK
	    || json_parser_new(JSON_AUTO, &turn->json) != SL_OK
	    || key_maker_new(rig->ring, &maker) != SL_OK)
		abort();
	const struct key_claim_options keys = {
		.maker = maker,
		.table = a->source.tables[0],
		.engine = turn->engine,
		.hash_key = a->source.image->hash_key,
		.purposes = a->policy->purposes,
		.purpose_count = a->policy->image->purposes.count,
		.scope = row->scope,
		.window_ms = row->window_ms,
	};
	if (key_claim_new(&keys, &a->claim) != SL_OK)
		abort();
	turn->policy = a->policy;
	turn->keys = key_claim_source(a->claim);
	turn->dead_key = &a->dead;
	turn->batch = calloc(1, sizeof(*turn->batch));
	turn->batch->scratch.capacity = turn_scratch_size();
	turn->batch->scratch.bytes = malloc(turn->batch->scratch.capacity);
	room = turn_out_max(a->policy, (size_t)BATCH_MAX * EVENT_SIZE, BATCH_MAX);
	turn->out.sealed = (struct room){.bytes = malloc(room), .capacity = room};
	turn->out.dead = (struct room){.bytes = malloc(room), .capacity = room};
	return a;
}

/** Copy a burst of events to where the turn has had the ones before. */
static void take_rows(struct alone *a)
{
	struct batch *b = a->turn.batch;
	struct rte_mbuf *frames[BATCH_MAX];
	uint32_t count = rte_ring_sc_dequeue_burst(a->in, (void **)frames, BATCH_MAX, NULL);

	for (uint32_t n = 0; n < count; n++) {
		uint32_t size = rte_pktmbuf_data_len(frames[n]);

		memcpy(a->frames[n], rte_pktmbuf_mtod(frames[n], void *), size);
		b->frame[n] = view_of(a->frames[n] + size - EVENT_SIZE, EVENT_SIZE);
		b->number[n] = n;
	}
	rte_pktmbuf_free_bulk(frames, count);
	b->row_count = count;
}

static void *work_alone(void *self)
{
	struct alone *a = self;
	struct turn *turn = &a->turn;

	(void)rte_thread_register();
	while (!atomic_load(&a->is_ended)) {
		struct probe_round round = {0};
		uint64_t at;

		take_rows(a);
		if (turn->batch->row_count == 0)
			continue;
		round.rows = turn->batch->row_count;
		turn->out.sealed.size = turn->out.dead.size = 0;
		turn->keys.now_ms = clock_wall_ms();
		at = rte_rdtsc();
		turn_run(turn);
		round.cycles[PROBE_TURN] = (uint32_t)(rte_rdtsc() - at);
		put_round(&a->rounds, &round);
	}
	rte_thread_unregister();
	return NULL;
}

/**
 * The turn over the same keys, its frames warm, its output over the same memory again and again. Beside the same generator
 * on the other core, at the turn's pace: cores that share what is behind them are slower together.
 */
static void run_alone(
	struct plane_rig *rig,
	struct alone *a,
	struct stock *stock,
	uint64_t users,
	double seconds
)
{
	uint64_t end = clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
	pthread_t thread;

	atomic_store(&a->is_ended, false);
	if (pthread_create(&thread, NULL, work_alone, a) != 0)
		abort();
	while (clock_monotonic_ns() < end)
		(void)send_burst(runtime_port(rig->runtime)->frames, a->in, stock, users, NULL);
	while (rte_ring_count(a->in) != 0)
		usleep(100);
	atomic_store(&a->is_ended, true);
	pthread_join(thread, NULL);
}

/** Offer checksummed datagrams or others for so long, the turn alone in between. */
static void compare(
	struct plane_rig *rig,
	struct alone *alone,
	bool has_checksum,
	uint64_t users,
	double seconds
)
{
	static const char *const names[] = {"poll", "parse", "take", "turn", "free", "rest"};
	struct stock stock;
	struct path_run run = {0};
	double stage[PROBE_STAGES];
	double unused[PROBE_STAGES];
	uint64_t delivered = plane_rig_delivered(rig);
	uint64_t dropped = plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
	uint64_t events = plane_rig_count(rig, COUNTER_EVENTS_IN);
	uint64_t turns = plane_rig_count(rig, COUNTER_TURNS);
	double path;
	double turn;
	double path_median;
	double turn_median;

	static_assert(sizeof(names) / sizeof(names[0]) == PROBE_STAGES, "a name for each");
	make_stock(&stock, has_checksum);
	alone->rounds.count = 0;
	for (uint32_t piece = 0; piece < PIECES; piece++) {
		run_alone(rig, alone, &stock, users, seconds / 2 / PIECES);
		run_path(rig, &stock, users, seconds / PIECES, &run);
	}
	delivered = plane_rig_delivered(rig) - delivered;
	dropped = plane_rig_frame_drops(rig, FRAME_DROP_BUSY) - dropped;
	events = plane_rig_count(rig, COUNTER_EVENTS_IN) - events;
	turns = plane_rig_count(rig, COUNTER_TURNS) - turns;
	path = mean_of(&run.rounds, stage);
	turn = mean_of(&alone->rounds, unused);
	path_median = median_of(&run.rounds);
	turn_median = median_of(&alone->rounds);
	printf("UDP checksums %s\n", has_checksum ? "verified in software" : "none");
	printf("  path %.0f ns, turn alone %.0f ns an event: the path is %.2f turns, %.2f M "
	       "events/s "
	       "of a worker\n",
	       path,
	       turn,
	       path / turn,
	       1e3 / path);
	printf("  median: path %.0f ns, turn alone %.0f ns: %.2f turns, %.2f M events/s of a "
	       "worker\n",
	       path_median,
	       turn_median,
	       path_median / turn_median,
	       1e3 / path_median);
	for (uint32_t s = 0; s < PROBE_STAGES; s++)
		printf("  %-5s %6.1f ns\n", names[s], stage[s]);
	printf("  by the wall %.2f M events/s, %.1f rows a turn, %zu full turns\n",
	       (double)run.offered * 1e-6 / run.seconds,
	       (double)events / (double)turns,
	       run.rounds.count);
	printf("  offered %llu = delivered %llu + dropped %llu: %s\n",
	       (unsigned long long)run.offered,
	       (unsigned long long)delivered,
	       (unsigned long long)dropped,
	       run.offered == delivered + dropped ? "yes" : "NO");
	free(run.rounds.round);
}

int main(int argc, char **argv)
{
	uint64_t users = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	uint32_t workers = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1;
	struct plane_rig *rig;
	struct stock stock;
	struct problem problem;
	const struct port *port;
	struct alone *alone;
	uint64_t next = 0;

	if (workers < 1 || workers > SETTINGS_WORKERS_MAX)
		workers = 1;
	rig = plane_rig_new_sized(2 * users, workers);
	make_stock(&stock, false);
	if (plane_rig_apply(rig, streams, &problem) != SL_OK) {
		problem_print(stderr, &problem);
		return EXIT_FAILURE;
	}
	port = runtime_port(rig->runtime);
	while (next < users)
		if (next > settled(rig) + AHEAD_MAX
		    || send_burst(
			       port->frames, port->in[next / BURST % workers], &stock, users, &next
		       ) == 0)
			usleep(20);
	(void)plane_rig_wait(has_settled, rig, next);
	printf("%u workers, the generator, egress and the journal on %ld cores\n",
	       workers,
	       sysconf(_SC_NPROCESSORS_ONLN));
	alone = alone_new(rig);
	compare(rig, alone, false, users, seconds);
	compare(rig, alone, true, users, seconds);
	plane_rig_free(rig);
	return EXIT_SUCCESS;
}
