#include "bench/runtime_alone.h"

#include "bench/give_up.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/runtime/core.h"
#include "io/base/clock.h"

#include <rte_mbuf.h>

#include <pthread.h>
#include <stdlib.h>

/** The turn and what it works on. */
struct alone {
	struct epoch_source source;
	struct turn turn;
	struct policy *policy;
	struct key_claim *claim;
	struct dead_letter_key dead;
	struct wave *wave; // at hand
	struct view ahead[BATCH_MAX];
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

/** The next events, and those after them for the turn to fetch ahead, as the path lets it. */
static void take_rows(struct alone *a)
{
	struct batch *b = a->turn.batch;
	struct wave *wave = a->wave;
	uint32_t next;

	b->row_count = b->ahead_count = 0;
	for (; b->row_count < BATCH_MAX && wave->sent < wave->count; b->row_count++) {
		b->frame[b->row_count] = event_of(wave->frame[wave->sent++]);
		b->number[b->row_count] = b->row_count;
	}
	for (next = wave->sent; b->ahead_count < BATCH_MAX && next < wave->count; next++)
		a->ahead[b->ahead_count++] = event_of(wave->frame[next]);
	b->ahead = a->ahead;
}

static void *work(void *self)
{
	struct alone *a = self;
	struct turn *turn = &a->turn;

	core_pin(a->core);
	for (take_rows(a); turn->batch->row_count != 0; take_rows(a)) {
		struct probe_round round = {.rows = turn->batch->row_count};
		uint64_t at;

		turn->out.sealed.size = turn->out.dead.size = 0;
		turn->keys.now_ms = clock_wall_ms();
		at = rte_rdtsc();
		turn_run(turn);
		round.cycles[PROBE_TURN] = (uint32_t)(rte_rdtsc() - at);
		rounds_put(a->rounds, &round);
	}
	return NULL;
}

void alone_run(struct alone *alone, struct wave *wave, uint32_t core, struct rounds *rounds)
{
	pthread_t thread;

	alone->wave = wave;
	alone->core = core;
	alone->rounds = rounds;
	if (pthread_create(&thread, NULL, work, alone) != 0)
		give_up("no thread for the turn alone");
	pthread_join(thread, NULL);
	rte_pktmbuf_free_bulk(wave->frame, wave->count);
}
