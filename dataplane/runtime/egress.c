#include "dataplane/runtime/egress.h"

#include "dataplane/runtime/core.h"
#include "dataplane/runtime/egress_inner.h"
#include "dataplane/runtime/notice.h"
#include "io/base/clock.h"

#include <rte_ring.h>

#include <stdlib.h>
#include <time.h>

enum {
	TAKE_BURST = 64,            // parcels of one look at a worker's ring
	IDLE_NS = 100 * 1000,       // sleep of a round without work
	TICK_NS = 50 * 1000 * 1000, // between looks at sinks for the counters
	CREDIT_PART = 4 // credit ends when fewer than a quarter of a stream's parcels are free
};

void egress_done(void *self, struct parcel *p)
{
	struct egress *e = self;

	// The ring has places for all parcels of the worker.
	if (rte_ring_sp_enqueue(e->setup.to_worker[p->pool->worker], p) != 0)
		SL_BUG("the ring back to a worker is full");
	e->out--;
}

/** Some parcels of all workers to their outlets. */
static bool take_burst(struct egress *e)
{
	void *parcels[TAKE_BURST];
	bool has_some = false;

	for (uint32_t w = 0; w < e->setup.settings->worker_count; w++) {
		unsigned count = rte_ring_sc_dequeue_burst(
			e->setup.from_worker[w], parcels, TAKE_BURST, NULL
		);

		for (unsigned n = 0; n < count; n++) {
			struct parcel *p = parcels[n];

			outlet_put(p->outlet, p);
		}
		e->out += count;
		has_some |= count != 0;
	}
	return has_some;
}

bool egress_take_parcels(struct egress *e)
{
	bool has_some = take_burst(e);

	while (has_some && take_burst(e))
		;
	return has_some;
}

/** Push back the senders of sealed datagrams of streams whose sinks do not keep up. */
static void set_credit(struct egress *e)
{
	uint32_t parcels = e->setup.settings->parcels * e->setup.settings->worker_count;

	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		uint32_t credit = o->queued + o->in_flight > parcels - parcels / CREDIT_PART
			? 0
			: EGRESS_CREDIT_MAX;

		if (!o->is_acknowledged || o->is_leaving || credit == o->credit)
			continue;
		o->credit = credit;
		datagram_server_credit(e->setup.server, o->id, credit);
	}
}

static bool is_short(const struct egress *e)
{
	// Files deliver at a sync only: with half the parcels of a stream waiting for one, it is time.
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (o->in_flight > e->setup.settings->parcels / 2)
			return true;
	return false;
}

static void run_command(struct egress *e)
{
	struct egress_command *command;

	command = atomic_load_explicit(&e->command, memory_order_acquire);
	if (command == NULL)
		return;
	// What workers handed over before the command was given belongs in front of it.
	egress_take_newcomers(e);
	(void)egress_take_parcels(e);
	command->run(e, command);
	pthread_mutex_lock(&e->lock);
	atomic_store_explicit(&e->command, NULL, memory_order_release);
	pthread_cond_broadcast(&e->is_run);
	pthread_mutex_unlock(&e->lock);
}

bool egress_round(struct egress *e)
{
	uint64_t now = clock_monotonic_ns();
	uint64_t durable = key_ring_durable(e->setup.ring);
	bool is_busy;

	egress_take_newcomers(e);
	is_busy = take_burst(e);
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		is_busy |= outlet_work(o, durable);
	if (now >= e->commit_ns || is_short(e)) {
		egress_commit(e);
		e->commit_ns = now + (uint64_t)e->setup.settings->commit_ms * 1000000;
	}
	// Pairs with the release in egress_retire_others.
	if (now >= e->tick_ns
	    || atomic_exchange_explicit(&e->has_retired, false, memory_order_acquire)) {
		e->tick_ns = now + TICK_NS;
		egress_close_retired(e);
		for (struct outlet *o = e->outlets; o != NULL; o = o->next)
			outlet_count(o);
	}
	set_credit(e);
	return is_busy;
}

static void *run(void *self)
{
	const struct timespec pause = {.tv_nsec = IDLE_NS};
	struct egress *e = self;

	core_name_thread("sealane-egress");
	core_pin(e->setup.settings->egress_core);
	while (!atomic_load_explicit(&e->is_ended, memory_order_acquire)) {
		run_command(e);
		if (!egress_round(e))
			(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

void egress_call(struct egress *e, struct egress_command *command)
{
	pthread_mutex_lock(&e->lock);
	atomic_store_explicit(&e->command, command, memory_order_release);
	while (atomic_load_explicit(&e->command, memory_order_acquire) != NULL)
		pthread_cond_wait(&e->is_run, &e->lock);
	pthread_mutex_unlock(&e->lock);
}

enum sl_status egress_start(
	const struct egress_setup *setup,
	struct egress **ret_egress,
	struct problem *ret_problem
)
{
	struct egress *e = calloc(1, sizeof(*e));
	enum sl_status status;

	if (e == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the egress thread");
	e->setup = *setup;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->list_lock, NULL);
	pthread_cond_init(&e->is_run, NULL);
	status = egress_restore(e, ret_problem);
	if (status == SL_OK && pthread_create(&e->thread, NULL, run, e) != 0)
		status = problem_set(ret_problem, SL_E_NOMEM, "no egress thread can be made");
	if (status != SL_OK) {
		egress_done_all(e);
		return status;
	}
	*ret_egress = e;
	return SL_OK;
}

void egress_free(struct egress *e)
{
	if (e == NULL)
		return;
	atomic_store_explicit(&e->is_ended, true, memory_order_release);
	pthread_join(e->thread, NULL);
	egress_done_all(e);
}
