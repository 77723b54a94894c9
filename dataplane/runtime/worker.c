#include "dataplane/runtime/core.h"
#include "dataplane/runtime/notice.h"
#include "dataplane/runtime/tally.h"
#include "dataplane/runtime/worker_inner.h"
#include "io/base/clock.h"

#include <rte_cycles.h>
#include <rte_lcore.h>
#include <rte_pause.h>
#include <rte_rcu_qsbr.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	ACK_NS = 1000 * 1000,        // between looks at acknowledgements
	IDLE_SPIN = 200,             // rounds without work before the first sleep
	IDLE_STEP_US = 10,           // of sleeps that grow
	DRAIN_NS = 200 * 1000 * 1000 // longest time that what keeps coming is taken while draining
};

static void flush_lanes(struct worker *w)
{
	for (uint32_t s = 0; w->epoch != NULL && s < w->epoch->stream_count; s++)
		intake_flush(&w->intake, &w->epoch->lane[w->index][s]);
}

/** What a sender has used of its rate stays used. */
static void take_over_buckets(struct worker *w, const struct epoch *from, struct epoch *to)
{
	for (uint32_t s = 0; from != NULL && s < to->stream_count; s++)
		for (uint32_t f = 0; f < from->stream_count; f++)
			if (from->slot[f] == to->slot[s] && !to->takes_over[s]) {
				to->lane[w->index][s].bucket = from->lane[w->index][f].bucket;
				to->lane[w->index][s].rows = from->lane[w->index][f].rows;
			}
}

static void move_words(counter_word from[], counter_word to[], size_t count)
{
	for (size_t n = 0; n < count; n++) {
		tally(&to[n], atomic_load_explicit(&from[n], memory_order_relaxed));
		atomic_store_explicit(&from[n], 0, memory_order_relaxed);
	}
}

/** A row that another stream had begins anew, and this worker has counted what was in it all the same. */
static void begin_rows(struct worker *w, const struct epoch *to)
{
	struct counters_row *gone = &w->shift->counters->gone[w->index];

	for (uint32_t s = 0; s < to->stream_count; s++) {
		struct counters_row *row = to->lane[w->index][s].counts;

		if (!to->takes_over[s])
			continue;
		move_words(row->value, gone->value, COUNTER_COUNT);
		move_words(row->event_drop, gone->event_drop, COUNTERS_DROPS_MAX);
		move_words(row->frame_drop, gone->frame_drop, COUNTERS_FRAMES_MAX);
	}
}

/** Work by the newest policy from here on. What was sealed by the one before goes its way first. */
static void pin_epoch(struct worker *w)
{
	// Pairs with the release in runtime_apply.
	struct epoch *newest = atomic_load_explicit(&w->shift->epoch, memory_order_acquire);

	if (newest == w->epoch)
		return;
	flush_lanes(w);
	take_over_buckets(w, w->epoch, newest);
	begin_rows(w, newest);
	w->epoch = newest;
}

/**
 * Parcels that wait too long for more go as they are; but while egress is busy with many, one is filled further: many
 * small ones would be at an end before its next commit.
 */
static void flush_old(struct worker *w)
{
	uint64_t age = (uint64_t)w->shift->settings->flush_us * 1000;

	for (uint32_t s = 0; w->epoch != NULL && s < w->epoch->stream_count; s++) {
		struct lane *lane = &w->epoch->lane[w->index][s];

		if (lane->parcel != NULL && 2 * lane->pool->free_count >= lane->pool->count
		    && w->intake.now_ns - lane->parcel->oldest_ns >= age)
			intake_flush(&w->intake, lane);
	}
}

static void send_acks(struct worker *w)
{
	uint8_t answer[DATAGRAM_ANSWER_MAX];
	struct origin origin;
	uint32_t session;
	uint64_t count = 0;

	if (w->intake.now_ns < w->ack_ns)
		return;
	w->ack_ns = w->intake.now_ns + ACK_NS;
	for (;;) {
		uint32_t size = datagram_next_ack(
			w->shift->server,
			w->bench->engine,
			w->index,
			(int64_t)(w->intake.now_ns / 1000000),
			&session,
			answer
		);

		if (size == 0)
			break;
		if (datagram_get_flow(w->shift->server, session, &origin, sizeof(origin))
		    != sizeof(origin))
			continue;
		wire_answer(&w->wire, &origin, view_of(answer, size));
		count++;
	}
	if (count != 0)
		tally(&w->rest->value[COUNTER_ACKS_OUT], count);
}

static void send_out(struct worker *w)
{
	uint32_t forwarded = exception_forward(
		w->shift->exception, w->shift->port, (uint16_t)w->index, w->intake.now_ns
	);

	wire_flush(&w->wire);
	if (w->wire.sent + forwarded != w->sent) {
		tally(&w->rest->value[COUNTER_FRAMES_OUT], w->wire.sent + forwarded - w->sent);
		w->sent = w->wire.sent;
	}
}

/** After some rounds without work: sleep, longer and longer, up to the settings' limit. */
static void rest(struct worker *w)
{
	uint32_t max_us = w->shift->settings->idle_us_max;
	struct timespec pause = {0};
	uint32_t us;

	if (max_us == 0 || w->idle < IDLE_SPIN) {
		w->idle++;
		rte_pause();
		return;
	}
	us = (w->idle - IDLE_SPIN + 1) * IDLE_STEP_US;
	if (us < max_us)
		w->idle++;
	else
		us = max_us;
	pause.tv_nsec = (long)us * 1000;
	(void)nanosleep(&pause, NULL);
}

/** Take what has come by now and no more; then hand over everything. */
static void drain(struct worker *w, bool is_empty)
{
	if (w->is_drained)
		return;
	if (w->drain_ns == 0)
		w->drain_ns = w->intake.now_ns;
	if (!is_empty && w->intake.now_ns - w->drain_ns < DRAIN_NS)
		return;
	w->is_closed = true;
	(void)worker_receive(w); // what was received ahead
	flush_lanes(w);
	w->is_drained = true;
	// Pairs with the acquire in runtime_stop: all parcels are in the ring before.
	atomic_fetch_add_explicit(&w->shift->drained, 1, memory_order_release);
}

static void count_cycles(struct worker *w, uint64_t *at, bool is_busy)
{
	uint64_t now = rte_rdtsc();

	tally(is_busy ? &w->shift->counters->busy_cycles[w->index]
		      : &w->shift->counters->idle_cycles[w->index],
	      now - *at);
	*at = now;
}

static void work(struct worker *w)
{
	uint64_t cycles = rte_rdtsc();
	uint32_t phase;

	while ((phase = atomic_load_explicit(&w->shift->phase, memory_order_acquire)) != SHIFT_END
	) {
		bool is_busy = false;

		pin_epoch(w);
		if (!w->is_drained)
			is_busy = worker_receive(w);
		else
			w->intake.now_ns = clock_monotonic_ns();
		flush_old(w);
		(void)intake_collect(&w->intake);
		send_acks(w);
		send_out(w);
		if (phase == SHIFT_DRAIN)
			drain(w, !is_busy);
		rte_rcu_qsbr_quiescent(w->shift->qsbr, w->index);
		count_cycles(w, &cycles, is_busy);
		probe_mark(&w->intake.clock, PROBE_REST);
		if (is_busy)
			w->idle = 0;
		else
			rest(w);
		if (!is_busy)
			count_cycles(w, &cycles, false);
		// Pairs with the release in runtime_probe.
		probe_turn_over(
			&w->intake.clock,
			atomic_load_explicit(&w->shift->probe[w->index], memory_order_acquire)
		);
	}
}

static void *run(void *self)
{
	struct worker *w = self;
	char name[16];

	snprintf(name, sizeof(name), "sealane-work-%u", w->index);
	core_name_thread(name);
	core_pin(w->shift->settings->worker_core[w->index]);
	// Gives the thread a cache of the frames' pool; without one it is slower and right.
	if (rte_thread_register() != 0)
		notice("worker %u goes without a frame cache", w->index);
	rte_rcu_qsbr_thread_online(w->shift->qsbr, w->index);
	work(w);
	rte_rcu_qsbr_thread_offline(w->shift->qsbr, w->index);
	rte_thread_unregister();
	return NULL;
}

static struct worker *make(struct shift *shift, uint32_t index)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->shift = shift;
	w->index = index;
	w->wire.port = shift->port;
	w->wire.queue = (uint16_t)index;
	w->opened.capacity = DATAGRAM_BURST_MAX * (size_t)(DATAGRAM_SIZE_MAX + 64);
	w->opened.bytes = malloc(w->opened.capacity);
	w->rest = &shift->counters->row[index * (PLANE_STREAMS_MAX + 1) + PLANE_STREAMS_MAX];
	w->intake.server = shift->server;
	w->intake.worker_count = shift->settings->worker_count;
	if (w->opened.bytes != NULL)
		return w;
	free(w);
	return NULL;
}

enum sl_status worker_start(
	struct shift *shift,
	uint32_t index,
	const struct bench *bench,
	struct rte_ring *to_egress,
	struct rte_ring *from_egress,
	struct worker **ret_worker,
	struct problem *ret_problem
)
{
	struct worker *w = make(shift, index);

	if (w == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for a worker");
	w->bench = bench;
	w->intake.to_egress = to_egress;
	w->intake.from_egress = from_egress;
	if (rte_rcu_qsbr_thread_register(shift->qsbr, index) != 0
	    || pthread_create(&w->thread, NULL, run, w) != 0) {
		free(w->opened.bytes);
		free(w);
		return problem_set(ret_problem, SL_E_NOMEM, "no worker thread can be made");
	}
	*ret_worker = w;
	return SL_OK;
}

void worker_free(struct worker *w)
{
	if (w == NULL)
		return;
	pthread_join(w->thread, NULL);
	free(w->opened.bytes);
	free(w);
}
