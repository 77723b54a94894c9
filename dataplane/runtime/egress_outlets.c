#include "dataplane/runtime/egress_inner.h"
#include "dataplane/runtime/notice.h"
#include "io/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	REOPEN_NS = 1000 * 1000 * 1000, // between attempts to open sinks
	DRAIN_PAUSE_NS = 200 * 1000
};

/** egress_prepare in the thread. */
struct prepare {
	struct egress_command command; // first
	const struct plane_image *image;
	struct counters_sink_row *counts;
	const uint8_t *slots;
	struct outlet **outlets;
	struct problem *problem;
	enum sl_status status;
};

static struct outlet *find_outlet(struct egress *e, const struct plane_image *image, uint32_t s)
{
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (!o->is_retired && outlet_fits(o, image, s))
			return o;
	return NULL;
}

/** Who writes to the place that a new outlet wants. */
static struct outlet *find_forebear(struct egress *e, const struct outlet *newcomer)
{
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (o != newcomer && outlet_collides(o, newcomer))
			return o;
	return NULL;
}

static void unlink_outlet(struct egress *e, struct outlet *outlet)
{
	struct outlet **at = &e->outlets;

	while (*at != outlet)
		at = &(*at)->next;
	*at = outlet->next;
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (o->forebear == outlet)
			o->forebear = NULL;
}

static enum sl_status add_outlet(struct egress *e, const struct prepare *p, uint32_t s)
{
	const struct outlet_setup setup = {
		.image = p->image,
		.stream = s,
		.server = e->setup.server,
		.counts = &p->counts[p->slots[s]],
		.done = egress_done,
		.self = e,
	};
	struct outlet *o;
	enum sl_status status = SL_OK;

	if (outlet_new(&setup, &o) != SL_OK)
		return problem_set(p->problem, SL_E_NOMEM, "no memory for a stream's sinks");
	o->forebear = find_forebear(e, o);
	if (o->forebear == NULL)
		status = outlet_open(o, &e->marks, p->problem);
	if (status != SL_OK) {
		outlet_free(o);
		return status;
	}
	o->next = e->outlets;
	e->outlets = o;
	p->outlets[s] = o;
	return SL_OK;
}

static void run_prepare(struct egress *e, struct egress_command *command)
{
	struct prepare *p = (struct prepare *)command;
	struct outlet *before = e->outlets;

	for (uint32_t s = 0; s < p->image->streams.count && p->status == SL_OK; s++) {
		p->outlets[s] = find_outlet(e, p->image, s);
		if (p->outlets[s] == NULL)
			p->status = add_outlet(e, p, s);
	}
	while (p->status != SL_OK && e->outlets != before) {
		struct outlet *o = e->outlets;

		unlink_outlet(e, o);
		outlet_free(o);
	}
	egress_commit(e);
}

enum sl_status egress_prepare(
	struct egress *egress,
	const struct plane_image *image,
	struct counters_sink_row *counts,
	const uint8_t slots[],
	struct outlet *ret_outlets[],
	struct problem *ret_problem
)
{
	struct prepare p = {
		.command = {.run = run_prepare},
		.image = image,
		.counts = counts,
		.slots = slots,
		.outlets = ret_outlets,
		.problem = ret_problem,
	};

	egress_call(egress, &p.command);
	return p.status;
}

/** egress_retire_others in the thread. */
struct retire {
	struct egress_command command; // first
	struct outlet *const *kept;
	uint32_t count;
};

static void run_retire(struct egress *e, struct egress_command *command)
{
	const struct retire *r = (const struct retire *)command;

	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		bool is_kept = false;

		for (uint32_t n = 0; n < r->count; n++)
			is_kept |= r->kept[n] == o;
		o->is_retired = !is_kept;
	}
	egress_close_retired(e);
}

void egress_retire_others(struct egress *egress, struct outlet *const outlets[], uint32_t count)
{
	struct retire r = {.command = {.run = run_retire}, .kept = outlets, .count = count};

	egress_call(egress, &r.command);
}

/** Publish what a retired outlet has in work, then let go of it. */
static void close_outlet(struct egress *e, struct outlet *o)
{
	outlet_roll(o);
	o->is_dirty = true;
	egress_commit(e);
	if (o->is_dirty || o->has_marks)
		return; // its disk fails: later
	unlink_outlet(e, o);
	outlet_free(o);
}

static void open_waiting(struct egress *e)
{
	uint64_t now = clock_monotonic_ns();
	struct problem problem;

	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		if (o->is_open || o->forebear != NULL || now < o->retry_ns)
			continue;
		if (outlet_open(o, &e->marks, &problem) == SL_OK)
			continue;
		o->retry_ns = now + REOPEN_NS;
		notice_problem(o->name, &problem);
	}
}

void egress_close_retired(struct egress *e)
{
	struct outlet *next;

	for (struct outlet *o = e->outlets; o != NULL; o = next) {
		next = o->next;
		if (!o->is_retired || !outlet_is_empty(o))
			continue;
		if (o->is_open) {
			close_outlet(e, o);
		} else {
			unlink_outlet(e, o);
			outlet_free(o);
		}
	}
	open_waiting(e);
}

/** egress_drain in the thread. */
struct drain {
	struct egress_command command; // first
	uint32_t timeout_ms;
	uint64_t lost;
};

static bool is_drained(const struct egress *e)
{
	for (const struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (!outlet_is_empty(o))
			return false;
	return true;
}

static void run_drain(struct egress *e, struct egress_command *command)
{
	const struct timespec pause = {.tv_nsec = DRAIN_PAUSE_NS};
	struct drain *d = (struct drain *)command;
	uint64_t end = clock_monotonic_ns() + (uint64_t)d->timeout_ms * 1000000;

	while (!is_drained(e) && clock_monotonic_ns() < end)
		if (!egress_round(e))
			(void)nanosleep(&pause, NULL);
	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		d->lost += o->rows_waiting;
		outlet_recall(o);
		outlet_roll(o);
		o->is_dirty = true;
	}
	egress_commit(e);
}

uint64_t egress_drain(struct egress *egress, uint32_t timeout_ms)
{
	struct drain d = {.command = {.run = run_drain}, .timeout_ms = timeout_ms};

	egress_call(egress, &d.command);
	return d.lost;
}

void egress_done_all(struct egress *e)
{
	while (e->outlets != NULL) {
		struct outlet *o = e->outlets;

		unlink_outlet(e, o);
		outlet_free(o);
	}
	checkpoint_close(e->checkpoint);
	marks_done(&e->marks);
	free(e->record);
	pthread_cond_destroy(&e->is_run);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
