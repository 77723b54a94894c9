#include "bench/runtime_alone.h"

#include "bench/give_up.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/runtime/core.h"
#include "io/base/clock.h"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/** The turn and what it works on. */
struct alone {
	struct epoch_source source;
	struct turn turn;
	struct policy *policy;
	struct key_claim *claim;
	struct dead_letter_key dead;
	struct rte_ring *in;
	atomic_bool is_ended;              // nothing more comes
	struct rte_mbuf *ahead[BATCH_MAX]; // of the next turn
	uint32_t ahead_count;
	struct view ahead_text[BATCH_MAX];
	uint32_t core;
	struct rounds *rounds;
};

static struct key_claim *make_claim(struct plane_rig *rig, struct alone *a)
{
	const struct plane_stream *row = plane_streams(a->source.image);
	struct key_claim_options options = {
		.table = a->source.tables[0],
		.engine = a->turn.engine,
		.hash_key = a->source.image->hash_key,
		.purposes = a->policy->purposes,
		.purpose_count = a->policy->image->purposes.count,
		.scope = row->scope,
		.window_ms = row->window_ms,
	};
	struct key_claim *claim;

	if (key_maker_new(rig->ring, &options.maker) != SL_OK
	    || key_claim_new(&options, &claim) != SL_OK)
		give_up("no keys for the turn alone");
	return claim;
}

struct alone *alone_new(struct plane_rig *rig, const struct rig_stream streams[])
{
	struct alone *a = calloc(1, sizeof(*a));
	const struct engine_options options = {0};
	struct turn *turn = &a->turn;
	struct problem problem;
	size_t room;

	a->in = rte_ring_create(
		"bench_alone", PORT_RING_SIZE, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ
	);
	if (a->in == NULL)
		give_up("no ring for the turn alone");
	a->source = plane_rig_compile(rig, streams);
	if (policy_bind(plane_rig_policy(a->source.image, 0), &a->policy, &problem) != SL_OK
	    || engine_new(&options, &turn->engine, &problem) != SL_OK)
		give_up(problem.what);
	if (json_parser_new(JSON_AUTO, &turn->json) != SL_OK)
		give_up("no parser for the turn alone");
	a->claim = make_claim(rig, a);
	turn->policy = a->policy;
	turn->keys = key_claim_source(a->claim);
	turn->dead_key = &a->dead;
	turn->batch = calloc(1, sizeof(*turn->batch));
	turn->batch->scratch.capacity = turn_scratch_size();
	turn->batch->scratch.bytes = malloc(turn->batch->scratch.capacity);
	room = turn_out_max(a->policy, (size_t)BATCH_MAX * WAVE_EVENT_SIZE, BATCH_MAX);
	turn->out.sealed = (struct room){.bytes = malloc(room), .capacity = room};
	turn->out.dead = (struct room){.bytes = malloc(room), .capacity = room};
	return a;
}

static struct view event_of(const struct rte_mbuf *m)
{
	const uint8_t *end = rte_pktmbuf_mtod(m, const uint8_t *) + rte_pktmbuf_data_len(m);

	return view_of(end - WAVE_EVENT_SIZE, WAVE_EVENT_SIZE);
}

/**
 * The next events, and those after them for the turn to fetch ahead, as the path lets it.
 *
 * @return frames of the events
 */
static uint32_t take_rows(struct alone *a, struct rte_mbuf *ret_frames[])
{
	struct batch *b = a->turn.batch;

	b->row_count = a->ahead_count;
	for (uint32_t n = 0; n < b->row_count; n++) {
		ret_frames[n] = a->ahead[n];
		b->frame[n] = event_of(a->ahead[n]);
		b->number[n] = n;
	}
	a->ahead_count = rte_ring_sc_dequeue_burst(a->in, (void **)a->ahead, BATCH_MAX, NULL);
	for (uint32_t n = 0; n < a->ahead_count; n++)
		a->ahead_text[n] = event_of(a->ahead[n]);
	b->ahead = a->ahead_text;
	b->ahead_count = a->ahead_count;
	return b->row_count;
}

static void *work(void *self)
{
	struct alone *a = self;
	struct turn *turn = &a->turn;
	struct rte_mbuf *frames[BATCH_MAX];

	core_pin(a->core);
	(void)rte_thread_register();
	while (!atomic_load(&a->is_ended) || rte_ring_count(a->in) != 0 || a->ahead_count != 0) {
		struct probe_round round = {.rows = take_rows(a, frames)};
		uint64_t at;

		if (round.rows == 0)
			continue;
		turn->out.sealed.size = turn->out.dead.size = 0;
		turn->keys.now_ms = clock_wall_ms();
		at = rte_rdtsc();
		turn_run(turn);
		round.cycles[PROBE_TURN] = (uint32_t)(rte_rdtsc() - at);
		rounds_put(a->rounds, &round);
		rte_pktmbuf_free_bulk(frames, round.rows);
	}
	rte_thread_unregister();
	return NULL;
}

void alone_run(
	struct alone *alone,
	const struct wave_plan *plan,
	double seconds,
	uint32_t core,
	struct rounds *rounds
)
{
	pthread_t thread;

	alone->core = core;
	alone->rounds = rounds;
	atomic_store(&alone->is_ended, false);
	if (pthread_create(&thread, NULL, work, alone) != 0)
		give_up("no thread for the turn alone");
	(void)wave_stream(alone->in, plan, seconds);
	atomic_store(&alone->is_ended, true);
	pthread_join(thread, NULL);
}
