#include "dataplane/runtime/outlet.h"

#include "dataplane/runtime/notice.h"
#include "dataplane/runtime/tally.h"
#include "io/base/clock.h"

#include <stdlib.h>
#include <string.h>

static void refuse_tickets(struct outlet *o, const struct datagram_ticket tickets[], size_t count)
{
	for (size_t t = 0; t < count; t++)
		datagram_refuse(o->server, &tickets[t]);
}

static void keep_tickets(
	struct outlet *o,
	struct ticket_list *list,
	const struct datagram_ticket tickets[],
	size_t count
)
{
	if (count == 0)
		return;
	if (list->count + count > list->capacity) {
		size_t capacity = 2 * (list->count + PARCEL_TICKETS_MAX);
		struct datagram_ticket *more =
			realloc(list->tickets, capacity * sizeof(*list->tickets));

		if (more == NULL) { // sent again: safe, if twice in the sink
			refuse_tickets(o, tickets, count);
			return;
		}
		list->tickets = more;
		list->capacity = capacity;
	}
	memcpy(list->tickets + list->count, tickets, count * sizeof(*tickets));
	list->count += count;
}

static void count_delivered(struct outlet *o, const struct parcel *p)
{
	uint64_t bytes = 0;

	if (o->counts == NULL)
		return;
	for (uint32_t r = 0; r < p->pool->room_count; r++)
		bytes += p->room[r].size;
	tally(&o->counts->rows_delivered, p->events);
	tally(&o->counts->bytes_delivered, bytes);
	tally(&o->counts->latency_ns[counters_latency_bucket(clock_monotonic_ns() - p->oldest_ns)],
	      p->events);
}

/** A parcel is through all its sinks. */
static void finish(struct outlet *o, struct parcel *p)
{
	o->in_flight--;
	o->rows_waiting -= p->events;
	if (p->has_failed) {
		if (o->counts != NULL)
			tally(&o->counts->rows_failed, p->events);
		refuse_tickets(o, p->tickets, p->ticket_count);
		o->has_cut_failed |= p->continues || p->is_continued;
		o->is_torn |=
			o->is_recalled && (p->has_delivered || p->continues || p->is_continued);
	} else {
		// The first datagram to end in a parcel is the one that it begins inside of.
		uint32_t cut = p->continues && p->ticket_count != 0;

		count_delivered(o, p);
		keep_tickets(o, &o->cut, p->tickets, cut);
		keep_tickets(o, &o->whole, p->tickets + cut, p->ticket_count - cut);
	}
	o->done(o->self, p);
}

void outlet_report(void *self, uint64_t tag, enum sl_status status)
{
	struct outlet *o = self;
	struct parcel *p = (struct parcel *)(uintptr_t)tag;

	p->awaited--;
	if (status != SL_OK)
		p->has_failed = true;
	else
		p->has_delivered = true;
	if (p->awaited == 0 && p->offered == p->pool->room_count)
		finish(o, p);
}

void outlet_close(struct outlet *o)
{
	for (uint32_t n = 0; n < o->sink_count; n++)
		sink_close(&o->sink[n]);
	o->is_open = false;
}

void outlet_free(struct outlet *o)
{
	if (o == NULL)
		return;
	outlet_close(o);
	free(o->whole.tickets);
	free(o->cut.tickets);
	free((void *)o->definition.bytes);
	free(o);
}

void outlet_put(struct outlet *o, struct parcel *p)
{
	p->next = NULL;
	if (o->first == NULL)
		o->first = p;
	else
		o->last->next = p;
	o->last = p;
	o->queued++;
	o->rows_waiting += p->events;
}

/** Take the first parcel off the queue: it is wholly offered. */
static void leave_queue(struct outlet *o)
{
	struct parcel *p = o->first;

	o->first = p->next;
	o->queued--;
	o->in_flight++;
	o->open_ends += p->is_continued;
	o->open_ends -= p->continues;
	if (p->awaited == 0)
		finish(o, p);
}

/** Offer the rest of the first parcel. @return false when a sink takes nothing now */
static bool offer_first(struct outlet *o)
{
	struct parcel *p = o->first;

	while (p->offered < p->pool->room_count) {
		uint32_t r = p->offered;
		struct sink_parcel offer = {
			.bytes = view_of(p->room[r].bytes, p->room[r].size),
			.rows = p->rows[r],
			.tag = (uint64_t)(uintptr_t)p,
		};

		if (offer.bytes.size != 0) {
			enum sl_status status = sink_offer(&o->sink[r], &offer);

			if (status == SL_E_FULL)
				return false;
			o->is_dirty = true;
			if (status == SL_OK)
				p->awaited++;
			else
				p->has_failed = true;
		}
		p->offered++;
	}
	leave_queue(o);
	return true;
}

bool outlet_work(struct outlet *o, uint64_t durable)
{
	uint32_t queued = o->queued;
	uint32_t in_flight = o->in_flight;

	if (!o->is_ready)
		return false;
	while (o->first != NULL && o->first->position_max <= durable)
		if (!offer_first(o))
			break;
	for (uint32_t n = 0; n < o->sink_count; n++)
		sink_poll(&o->sink[n]);
	return o->queued != queued || o->in_flight != in_flight;
}

bool outlet_is_due(const struct outlet *o)
{
	struct sink_stats stats;

	if (!o->is_open)
		return false;
	if (!o->is_ready || o->is_dirty || o->whole.count != 0 || o->cut.count != 0 || o->has_marks)
		return true;
	for (uint32_t n = 0; n < o->sink_count; n++) {
		sink_stats(&o->sink[n], &stats);
		if (stats.is_due)
			return true;
	}
	return false;
}

void outlet_sync_begin(struct outlet *o)
{
	for (uint32_t n = 0; n < o->sink_count; n++)
		sink_sync_begin(&o->sink[n]);
}

/** What was delivered is durable: each datagram is there as a whole, or is sent again. */
static void store_tickets(struct outlet *o)
{
	for (size_t t = 0; t < o->whole.count; t++)
		datagram_stored(o->server, &o->whole.tickets[t]);
	// Of which of them a part is missing is not told apart.
	if (o->has_cut_failed)
		refuse_tickets(o, o->cut.tickets, o->cut.count);
	for (size_t t = 0; t < o->cut.count && !o->has_cut_failed; t++)
		datagram_stored(o->server, &o->cut.tickets[t]);
	o->whole.count = 0;
	o->cut.count = 0;
	o->has_cut_failed = false;
}

void outlet_sync(struct outlet *o)
{
	bool is_consistent = true;
	struct problem problem;

	for (uint32_t n = 0; n < o->sink_count; n++)
		if (sink_sync(&o->sink[n], &problem) != SL_OK)
			is_consistent = false;
	if (!is_consistent || o->in_flight != 0 || o->open_ends != 0
	    || (o->first != NULL && o->first->offered != 0))
		return;
	// What comes again must not be in the sinks: they are taken back to the marks of before.
	if (o->is_acknowledged && o->is_torn)
		return;
	for (uint32_t n = 0; n < o->sink_count; n++)
		o->mark[n].mark.size = sink_mark(&o->sink[n], o->mark[n].mark.bytes);
	store_tickets(o);
	o->has_marks = true;
	o->is_dirty = false;
}

void outlet_confirm(struct outlet *o)
{
	if (!o->has_marks)
		return;
	o->has_marks = false;
	o->is_ready = true;
	for (uint32_t n = 0; n < o->sink_count; n++)
		sink_confirm(&o->sink[n]);
}

void outlet_roll(struct outlet *o)
{
	if (!o->is_open)
		return;
	for (uint32_t n = 0; n < o->sink_count; n++)
		sink_roll(&o->sink[n]);
}

void outlet_recall(struct outlet *o)
{
	o->is_recalled = true;
	if (o->is_open)
		for (uint32_t n = 0; n < o->sink_count; n++)
			sink_recall(&o->sink[n]);
	while (o->first != NULL) {
		o->first->has_failed = true;
		o->first->offered = o->first->pool->room_count;
		leave_queue(o);
	}
}

bool outlet_is_empty(const struct outlet *o)
{
	return o->first == NULL && o->in_flight == 0;
}

void outlet_begin_counts(const struct outlet *o)
{
	struct counters_sink_row *row = o->counts;
	counter_word *const single[] = {
		&row->rows_delivered,
		&row->bytes_delivered,
		&row->rows_failed,
		&row->rows_waiting,
		&row->is_down,
	};

	for (size_t n = 0; n < sizeof(single) / sizeof(single[0]); n++)
		atomic_store_explicit(single[n], 0, memory_order_relaxed);
	for (uint32_t n = 0; n < COUNTERS_LATENCY_BUCKETS; n++)
		atomic_store_explicit(&row->latency_ns[n], 0, memory_order_relaxed);
}

void outlet_count(struct outlet *o)
{
	bool is_down = !o->is_open;
	char problem[sizeof((struct sink_stats){0}.last_problem)] = "";
	struct sink_stats stats;

	for (uint32_t n = 0; n < o->sink_count && o->is_open; n++) {
		sink_stats(&o->sink[n], &stats);
		if (stats.is_down && !is_down)
			memcpy(problem, stats.last_problem, sizeof(problem));
		is_down |= stats.is_down;
	}
	// Of a sink that can not be opened the opening has said why.
	if (o->is_open && is_down != o->is_told_down) {
		if (is_down)
			notice("%s: a sink is down, its events wait: %s", o->name, problem);
		else
			notice("%s: all sinks work again", o->name);
		o->is_told_down = is_down;
	}
	if (o->counts == NULL)
		return;
	atomic_store_explicit(&o->counts->is_down, is_down, memory_order_relaxed);
	atomic_store_explicit(&o->counts->rows_waiting, o->rows_waiting, memory_order_relaxed);
}
