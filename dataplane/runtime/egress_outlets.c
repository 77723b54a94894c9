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

// Who wants new outlets makes them and opens their sinks itself, beside the thread, which goes on with the others
// meanwhile: opening waits for disks. Then it hands them over.

static struct outlet *newcomers_of(struct egress *e)
{
	return atomic_load_explicit(&e->newcomers, memory_order_relaxed);
}

static struct outlet *find_in(struct outlet *list, const struct plane_image *image, uint32_t s)
{
	for (struct outlet *o = list; o != NULL; o = o->next)
		if (!o->is_retired && outlet_fits(o, image, s))
			return o;
	return NULL;
}

/** Who of a list writes to the place that a newcomer wants. */
static struct outlet *find_forebear(struct outlet *list, const struct outlet *newcomer)
{
	for (struct outlet *o = list; o != NULL; o = o->next)
		if (o != newcomer && outlet_collides(o, newcomer))
			return o;
	return NULL;
}

/** A newcomer's row begins anew: who has it still, of a stream that is gone, counts no more. */
static void begin_row(struct outlet *others, const struct outlet *newcomer)
{
	for (struct outlet *o = others; o != NULL; o = o->next)
		if (o->counts == newcomer->counts)
			o->counts = NULL;
	outlet_begin_counts(newcomer);
}

void egress_take_newcomers(struct egress *e)
{
	struct outlet *list;
	struct outlet *o;

	if (newcomers_of(e) == NULL)
		return;
	pthread_mutex_lock(&e->list_lock);
	// In front of the others, as they stand: the newest is the first.
	list = newcomers_of(e);
	atomic_store_explicit(&e->newcomers, NULL, memory_order_relaxed);
	for (o = list; o->next != NULL; o = o->next)
		;
	o->next = e->outlets;
	for (o = list; o != e->outlets; o = o->next) {
		if (!o->is_open)
			o->forebear = find_forebear(o->next, o);
		if (o->takes_over && o->counts != NULL)
			begin_row(o->next, o);
	}
	e->outlets = list;
	pthread_mutex_unlock(&e->list_lock);
	// Their first marks make them ready for parcels.
	e->commit_ns = 0;
	e->tick_ns = 0;
}

static void unlink_outlet(struct egress *e, struct outlet *outlet)
{
	struct outlet **at = &e->outlets;

	pthread_mutex_lock(&e->list_lock);
	while (*at != outlet)
		at = &(*at)->next;
	*at = outlet->next;
	// Those that came later stand in front.
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		if (o->forebear == outlet)
			o->forebear = find_forebear(o->next, o);
	pthread_mutex_unlock(&e->list_lock);
}

/** What egress_prepare has at hand. */
struct prepare {
	const struct plane_image *image;
	const struct egress_rows *rows;
	struct outlet **outlets; // [streams]
	struct outlet *made;     // list
	struct problem *problem;
};

/**
 * Has somebody the place of a newcomer still? If not, the marks of the place move no more until the newcomer is handed over,
 * and it takes them: under one hold of the lock, or they could be of before the other one's last commit.
 */
static bool must_wait(struct egress *e, struct outlet *newcomer)
{
	bool has_forebear;

	pthread_mutex_lock(&e->list_lock);
	has_forebear = find_forebear(e->outlets, newcomer) != NULL
		|| find_forebear(newcomers_of(e), newcomer) != NULL;
	if (!has_forebear)
		outlet_take_marks(newcomer, &e->marks);
	pthread_mutex_unlock(&e->list_lock);
	return has_forebear;
}

static enum sl_status make_outlet(struct egress *e, struct prepare *p, uint32_t s)
{
	const struct outlet_setup setup = {
		.image = p->image,
		.stream = s,
		.server = e->setup.server,
		.counts = &p->rows->counts[p->rows->slots[s]],
		.done = egress_done,
		.self = e,
	};
	struct outlet *o;

	if (outlet_new(&setup, &o) != SL_OK)
		return problem_set(p->problem, SL_E_NOMEM, "no memory for a stream's sinks");
	o->takes_over = p->rows->takes_over[s];
	o->next = p->made;
	p->made = o;
	p->outlets[s] = o;
	return must_wait(e, o) ? outlet_check(o, p->problem) : outlet_open(o, p->problem);
}

/** Those that are as they were. */
static void find_outlets(struct egress *e, struct prepare *p)
{
	pthread_mutex_lock(&e->list_lock);
	for (uint32_t s = 0; s < p->image->streams.count; s++) {
		p->outlets[s] = find_in(e->outlets, p->image, s);
		if (p->outlets[s] == NULL)
			p->outlets[s] = find_in(newcomers_of(e), p->image, s);
	}
	pthread_mutex_unlock(&e->list_lock);
}

static bool has_place(const struct outlet *list, uint64_t place)
{
	for (const struct outlet *o = list; o != NULL; o = o->next)
		for (uint32_t n = 0; n < o->sink_count; n++)
			if (o->mark[n].place == place)
				return true;
	return false;
}

/** Definitions may have changed while nobody was there to finish what they had begun. Said once. */
static void tell_unclaimed(struct egress *e, const struct prepare *p)
{
	uint32_t count = 0;

	if (e->has_told)
		return;
	e->has_told = true;
	pthread_mutex_lock(&e->list_lock);
	for (uint32_t n = 0; n < e->marks.count; n++) {
		const struct mark_entry *m = &e->marks.entries[n];

		count += !has_place(p->made, m->place)
			&& !sink_mark_is_over(view_of(m->mark.bytes, m->mark.size));
	}
	pthread_mutex_unlock(&e->list_lock);
	if (count != 0)
		notice("%u sinks of the checkpoint, with files in work or events in a spool, are "
		       "in "
		       "no stream now: give them back the directory, prefix and spool that they "
		       "had, and they are finished",
		       count);
}

static void hand_over(struct egress *e, struct prepare *p)
{
	pthread_mutex_lock(&e->list_lock);
	while (p->made != NULL) {
		struct outlet *o = p->made;

		p->made = o->next;
		o->next = newcomers_of(e);
		atomic_store_explicit(&e->newcomers, o, memory_order_relaxed);
	}
	pthread_mutex_unlock(&e->list_lock);
}

enum sl_status egress_prepare(
	struct egress *e,
	const struct plane_image *image,
	const struct egress_rows *rows,
	struct outlet *ret_outlets[],
	struct problem *ret_problem
)
{
	struct prepare p = {
		.image = image,
		.rows = rows,
		.outlets = ret_outlets,
		.problem = ret_problem,
	};
	enum sl_status status = SL_OK;

	find_outlets(e, &p);
	for (uint32_t s = 0; s < image->streams.count && status == SL_OK; s++)
		if (ret_outlets[s] == NULL)
			status = make_outlet(e, &p, s);
	if (status == SL_OK) {
		tell_unclaimed(e, &p);
		hand_over(e, &p);
	}
	while (p.made != NULL) {
		struct outlet *o = p.made;

		p.made = o->next;
		outlet_free(o);
	}
	return status;
}

static void retire_others(struct outlet *list, struct outlet *const kept[], uint32_t count)
{
	for (struct outlet *o = list; o != NULL; o = o->next) {
		bool is_kept = false;

		for (uint32_t n = 0; n < count; n++)
			is_kept |= kept[n] == o;
		o->is_retired = !is_kept;
	}
}

void egress_retire_others(struct egress *e, struct outlet *const outlets[], uint32_t count)
{
	pthread_mutex_lock(&e->list_lock);
	retire_others(e->outlets, outlets, count);
	retire_others(newcomers_of(e), outlets, count);
	pthread_mutex_unlock(&e->list_lock);
	atomic_store_explicit(&e->has_retired, true, memory_order_release);
}

/** Which outlets are retired; and then what workers handed over for them before. @return whether there is one */
static bool find_leaving(struct egress *e)
{
	bool has_some = false;

	pthread_mutex_lock(&e->list_lock);
	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		o->is_leaving = o->is_retired;
		has_some |= o->is_leaving;
	}
	pthread_mutex_unlock(&e->list_lock);
	if (has_some)
		(void)egress_take_parcels(e);
	return has_some;
}

/** Will nobody who waits for this outlet replay what a spool of it holds? */
static bool must_empty_spool(const struct egress *e, const struct outlet *o)
{
	struct sink_stats stats;

	for (uint32_t n = 0; n < o->sink_count; n++) {
		bool has_heir = false;

		if (o->spool_place[n] == 0)
			continue;
		for (const struct outlet *heir = e->outlets; heir != NULL; heir = heir->next)
			has_heir |= heir->forebear == o
				&& outlet_takes_spool(heir, o->mark[n].place, o->spool_place[n]);
		sink_stats(&o->sink[n], &stats);
		if (!has_heir && stats.bytes_spooled != 0)
			return true;
	}
	return false;
}

static bool may_close(const struct egress *e, const struct outlet *o)
{
	return o->is_leaving && outlet_is_empty(o) && !(o->is_open && must_empty_spool(e, o));
}

/** Publish what those that are to be closed have in work, all in one commit, and write down that it is published. */
static void finish_leaving(struct egress *e)
{
	bool has_some = false;

	for (int pass = 0; pass < 2; pass++) {
		for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
			if (!o->is_open || !may_close(e, o))
				continue;
			outlet_roll(o);
			o->is_dirty = true;
			has_some = true;
		}
		if (has_some)
			egress_commit(e);
	}
}

static void open_waiting(struct egress *e)
{
	uint64_t now = clock_monotonic_ns();
	struct problem problem;

	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		if (o->is_open || o->forebear != NULL || now < o->retry_ns)
			continue;
		outlet_take_marks(o, &e->marks);
		if (outlet_open(o, &problem) == SL_OK) {
			e->commit_ns = 0;
			continue;
		}
		o->retry_ns = now + REOPEN_NS;
		notice_problem(o->name, &problem);
	}
}

void egress_close_retired(struct egress *e)
{
	struct outlet *next;

	if (find_leaving(e)) {
		finish_leaving(e);
		for (struct outlet *o = e->outlets; o != NULL; o = next) {
			next = o->next;
			// One whose disk fails: later.
			if (!may_close(e, o) || (o->is_open && (o->is_dirty || o->has_marks)))
				continue;
			// While it is in the list, who comes for its places waits: they are in use until it is closed.
			outlet_close(o);
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
	// And once more: that the files are published.
	for (struct outlet *o = e->outlets; o != NULL; o = o->next)
		o->is_dirty = true;
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
	egress_take_newcomers(e);
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
	pthread_mutex_destroy(&e->list_lock);
	free(e);
}
