#include "dataplane/runtime/intake.h"

#include "dataplane/runtime/tally.h"
#include "io/base/attr.h"

#include <rte_pause.h>
#include <rte_ring.h>

#include <assert.h>
#include <string.h>

enum {
	COLLECT_BURST = 64,
	// A parcel goes at this size while egress keeps up: what the next one is written to is warm then.
	PARCEL_ENOUGH = 1 << 16
};

/** The next line that is not empty, without its end; false when there is none. */
static bool next_row(struct view *left, struct view *ret_row)
{
	while (left->size != 0) {
		const uint8_t *end = memchr(left->bytes, '\n', left->size);
		size_t size = end == NULL ? left->size : (size_t)(end - left->bytes);
		size_t taken = end == NULL ? size : size + 1;

		*ret_row = view_of(left->bytes, size);
		*left = view_of(left->bytes + taken, left->size - taken);
		if (ret_row->size != 0 && ret_row->bytes[ret_row->size - 1] == '\r')
			ret_row->size--;
		if (ret_row->size != 0)
			return true;
	}
	return false;
}

uint32_t intake_count_rows(struct view text)
{
	uint32_t count = 0;
	struct view row;

	while (next_row(&text, &row))
		count++;
	return count;
}

bool intake_collect(struct intake *in)
{
	void *parcels[COLLECT_BURST];
	unsigned count = rte_ring_sc_dequeue_burst(in->from_egress, parcels, COLLECT_BURST, NULL);

	for (unsigned n = 0; n < count; n++)
		parcel_put(parcels[n]);
	return count != 0;
}

static void hand_over(struct intake *in, struct lane *lane)
{
	// The ring has places for all parcels of the worker.
	while (rte_ring_sp_enqueue(in->to_egress, lane->parcel) != 0)
		rte_pause();
	lane->parcel = NULL;
}

void intake_flush(struct intake *in, struct lane *lane)
{
	if (lane->parcel != NULL)
		hand_over(in, lane);
}

static bool take_parcel(struct intake *in, struct lane *lane)
{
	if (lane->pool->free_count == 0)
		(void)intake_collect(in);
	lane->parcel = parcel_take(lane->pool);
	if (lane->parcel == NULL)
		return false;
	lane->parcel->outlet = lane->outlet;
	lane->parcel->oldest_ns = in->arrived_ns;
	return true;
}

/** A parcel with so much room left in each output, or false. */
static bool make_room(struct intake *in, struct lane *lane, size_t need)
{
	if (lane->parcel != NULL
	    && (parcel_left(lane->parcel) < need
		|| lane->parcel->ticket_count + BATCH_MAX > PARCEL_TICKETS_MAX))
		hand_over(in, lane);
	return lane->parcel != NULL || take_parcel(in, lane);
}

/** What a turn has written, to the parcel that it wrote into. */
static void note_turn(struct parcel *p, const struct turn_counts *counts)
{
	for (uint32_t r = 1; r < DROP_COUNT; r++)
		p->rows[PARCEL_DEAD] += counts->rows_dropped[r];
	for (uint32_t v = 0; v + PARCEL_VIEW < p->pool->room_count; v++)
		p->rows[PARCEL_VIEW + v] += counts->view_rows[v];
	p->rows[PARCEL_SEALED] += counts->rows_sealed;
	p->events += counts->rows_in;
}

static void count_turns(
	struct lane *lane,
	const struct turn_counts *counts,
	uint64_t turns,
	uint64_t bytes
)
{
	struct counters_row *row = lane->counts;
	uint64_t dead = 0;

	for (uint32_t r = 1; r < DROP_COUNT; r++) {
		dead += counts->rows_dropped[r];
		if (unlikely(counts->rows_dropped[r] != 0))
			tally(&row->event_drop[r], counts->rows_dropped[r]);
	}
	for (uint32_t v = 0; v + PARCEL_VIEW < lane->pool->room_count; v++)
		tally(&row->value[COUNTER_EVENTS_DERIVED], counts->view_rows[v]);
	tally(&row->value[COUNTER_EVENTS_IN], counts->rows_in);
	tally(&row->value[COUNTER_EVENTS_SEALED], counts->rows_sealed);
	tally(&row->value[COUNTER_EVENTS_DEAD], dead);
	tally(&row->value[COUNTER_FIELDS_SEALED], counts->fields_sealed);
	tally(&row->value[COUNTER_BYTES_IN], bytes);
	tally(&row->value[COUNTER_TURNS], turns);
}

/** One turn over the batch's rows into the lane's parcel, which has the room. */
static void run_turn(struct intake *in, struct lane *lane)
{
	struct turn *t = &lane->turn;
	struct parcel *p = lane->parcel;

	t->out.sealed = p->room[PARCEL_SEALED];
	t->out.dead = p->room[PARCEL_DEAD];
	for (uint32_t v = 0; v + PARCEL_VIEW < p->pool->room_count; v++)
		t->out.view[v] = p->room[PARCEL_VIEW + v];
	t->counts = (struct turn_counts){0};
	t->position_max = p->position_max;
	t->keys.now_ms = in->now_ms;
	probe_mark(&in->clock, PROBE_TAKE);
	turn_run(t);
	probe_mark(&in->clock, PROBE_TURN);
	in->clock.round.rows += t->batch->row_count;
	p->room[PARCEL_SEALED] = t->out.sealed;
	p->room[PARCEL_DEAD] = t->out.dead;
	for (uint32_t v = 0; v + PARCEL_VIEW < p->pool->room_count; v++)
		p->room[PARCEL_VIEW + v] = t->out.view[v];
	p->position_max = t->position_max;
	note_turn(p, &t->counts);
}

/** Datagrams that can not be taken now. */
static void refuse(
	struct intake *in,
	struct lane *lane,
	const struct intake_datagram datagrams[],
	uint32_t count
)
{
	for (uint32_t d = 0; d < count; d++)
		if (datagrams[d].has_ticket)
			datagram_refuse(in->server, &datagrams[d].ticket);
	tally(&lane->counts->frame_drop[FRAME_DROP_BUSY], count);
}

static void put_ticket(struct lane *lane, const struct datagram_ticket *ticket)
{
	struct parcel *p = lane->parcel;

	p->tickets[p->ticket_count++] = *ticket;
}

/** Rows and bytes of datagrams [from, to). */
static uint32_t sum_up(const struct intake *in, uint32_t from, uint32_t to, size_t *ret_bytes)
{
	uint32_t rows = 0;

	*ret_bytes = 0;
	for (uint32_t d = from; d < to; d++) {
		rows += in->datagram[d].rows;
		*ret_bytes += in->datagram[d].bytes;
	}
	return rows;
}

/** Run the first rows of the batch and take them out of it. */
static void run_part(
	struct intake *in,
	struct lane *lane,
	uint32_t from,
	uint32_t to,
	uint32_t rows,
	size_t bytes
)
{
	struct batch *b = lane->turn.batch;
	uint32_t left = b->row_count - rows;
	size_t need = turn_out_max(lane->policy, bytes, rows);

	b->row_count = rows;
	if (!key_claim_has_room(lane->claim, in->worker_count) || !make_room(in, lane, need)) {
		refuse(in, lane, &in->datagram[from], to - from);
	} else {
		run_turn(in, lane);
		count_turns(lane, &lane->turn.counts, 1, bytes);
		for (uint32_t d = from; d < to; d++)
			if (in->datagram[d].has_ticket)
				put_ticket(lane, &in->datagram[d].ticket);
		if (lane->parcel->room[PARCEL_SEALED].size > PARCEL_ENOUGH
		    && 2 * lane->pool->free_count >= lane->pool->count)
			hand_over(in, lane);
	}
	if (left != 0) {
		memmove(b->frame, b->frame + rows, left * sizeof(b->frame[0]));
		memmove(b->number, b->number + rows, left * sizeof(b->number[0]));
		memmove(b->offset, b->offset + rows, left * sizeof(b->offset[0]));
	}
	b->row_count = left;
}

void intake_run(struct intake *in, struct lane *lane)
{
	uint32_t from = 0;

	// A parcel takes any turn of one datagram (epoch_room_size); of many long ones it may take only some.
	while (from < in->datagram_count) {
		uint32_t to = in->datagram_count;
		size_t bytes;
		uint32_t rows = sum_up(in, from, to, &bytes);

		while (to - from > 1
		       && turn_out_max(lane->policy, bytes, rows) > lane->pool->room_size) {
			to = from + (to - from) / 2;
			rows = sum_up(in, from, to, &bytes);
		}
		run_part(in, lane, from, to, rows, bytes);
		from = to;
	}
	in->datagram_count = 0;
	in->bytes = 0;
	lane->turn.batch->row_count = 0;
}

static void put_row(struct lane *lane, struct view row)
{
	struct batch *b = lane->turn.batch;

	b->frame[b->row_count] = row;
	b->number[b->row_count] = ++lane->rows;
	b->offset[b->row_count] = 0;
	b->row_count++;
}

/** A datagram of several turns on its way: all of it goes, or nothing. */
struct long_take {
	struct parcel *first; // filled by it, in order by next; the one it is at now is the lane's
	struct parcel *last;
	struct parcel before; // the one that it began in, as it was then
	struct turn_counts counts;
	uint64_t turns;
	uint64_t bytes;
};

static void add_counts(struct turn_counts *sum, const struct turn_counts *counts)
{
	const uint64_t *from = (const void *)counts;
	uint64_t *to = (void *)sum;

	static_assert(sizeof(*sum) % sizeof(*to) == 0, "counts and nothing else");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/** The lane's parcel has no room for the next turn. */
static void set_aside(struct intake *in, struct lane *lane, struct long_take *take)
{
	struct parcel *p = lane->parcel;

	if (take->turns == 0) { // nothing of the datagram is in it
		hand_over(in, lane);
		return;
	}
	p->is_continued = true;
	p->next = NULL;
	if (take->first == NULL)
		take->first = p;
	else
		take->last->next = p;
	take->last = p;
	lane->parcel = NULL;
}

/** One of its turns. @return false when there is no parcel or no room for keys */
static bool run_piece(struct intake *in, struct lane *lane, size_t bytes, struct long_take *take)
{
	size_t need = turn_out_max(lane->policy, bytes, lane->turn.batch->row_count);

	if (!key_claim_has_room(lane->claim, in->worker_count))
		return false;
	if (lane->parcel != NULL
	    && (parcel_left(lane->parcel) < need || lane->parcel->ticket_count == PARCEL_TICKETS_MAX
	    ))
		set_aside(in, lane, take);
	if (lane->parcel == NULL && !take_parcel(in, lane))
		return false;
	if (take->turns == 0)
		take->before = *lane->parcel;
	else if (lane->parcel->events == 0)
		lane->parcel->continues = true;
	run_turn(in, lane);
	add_counts(&take->counts, &lane->turn.counts);
	take->turns++;
	take->bytes += bytes;
	lane->turn.batch->row_count = 0;
	return true;
}

/** Hand over what it has filled; the rest stays with the lane, for more. */
static void finish_long(struct intake *in, struct lane *lane, struct long_take *take)
{
	struct parcel *rest = lane->parcel;
	struct parcel *next;

	for (struct parcel *p = take->first; p != NULL; p = next) {
		next = p->next;
		lane->parcel = p;
		hand_over(in, lane);
	}
	lane->parcel = rest;
	count_turns(lane, &take->counts, take->turns, take->bytes);
}

/** As if it had not come: the parcel that it began in is as it was, the others are free again. */
static void undo_long(struct lane *lane, struct long_take *take)
{
	struct parcel *began = take->first != NULL ? take->first : lane->parcel;
	struct parcel *next;

	if (take->turns == 0)
		return;
	if (lane->parcel != NULL && lane->parcel != began)
		parcel_put(lane->parcel);
	for (struct parcel *p = began->next; take->first != NULL && p != NULL; p = next) {
		next = p->next;
		parcel_put(p);
	}
	*began = take->before;
	lane->parcel = began;
	if (began->events != 0 || began->ticket_count != 0)
		return;
	parcel_put(began);
	lane->parcel = NULL;
}

/** Run all rows of a text, turn by turn. */
static bool run_long(struct intake *in, struct lane *lane, struct view text, struct long_take *take)
{
	struct batch *b = lane->turn.batch;
	size_t bytes = 0;
	struct view row;

	while (next_row(&text, &row)) {
		if (b->row_count == BATCH_MAX) {
			if (!run_piece(in, lane, bytes, take))
				return false;
			bytes = 0;
		}
		put_row(lane, row);
		bytes += row.size;
	}
	return run_piece(in, lane, bytes, take);
}

/**
 * A datagram with more events than a turn takes. Nothing waits: when parcels or room for keys are used up on the way, it is
 * taken back and refused. Its sender sends it again, and finds the keys that were made for it meanwhile.
 */
static void take_long(
	struct intake *in,
	struct lane *lane,
	struct view text,
	const struct intake_datagram *datagram
)
{
	struct long_take take = {0};
	uint64_t rows = lane->rows;

	if (run_long(in, lane, text, &take)) {
		finish_long(in, lane, &take);
		if (datagram->has_ticket)
			put_ticket(lane, &datagram->ticket);
		return;
	}
	undo_long(lane, &take);
	lane->rows = rows;
	lane->turn.batch->row_count = 0;
	refuse(in, lane, datagram, 1);
}

/** Put the datagram's rows into the batch behind those that are there. @return false when they are too many */
static bool put_rows(struct lane *lane, struct view text, struct intake_datagram *ret_datagram)
{
	struct batch *b = lane->turn.batch;
	uint32_t first = b->row_count;
	struct view row;

	ret_datagram->bytes = 0;
	while (next_row(&text, &row)) {
		if (b->row_count == BATCH_MAX) {
			lane->rows -= b->row_count - first;
			b->row_count = first;
			return false;
		}
		put_row(lane, row);
		ret_datagram->bytes += row.size;
	}
	ret_datagram->rows = b->row_count - first;
	return true;
}

static void put_owner(struct intake_datagram *d, const struct datagram_ticket *ticket)
{
	d->has_ticket = ticket != NULL;
	if (ticket != NULL)
		d->ticket = *ticket;
}

void intake_take(
	struct intake *in,
	struct lane *lane,
	struct view text,
	const struct datagram_ticket *ticket
)
{
	struct intake_datagram *d;

	if (in->datagram_count == BATCH_MAX || in->bytes + text.size > TURN_BYTES_MAX)
		intake_run(in, lane);
	// In its place: a copy would wait for what was just written.
	d = &in->datagram[in->datagram_count];
	if (!put_rows(lane, text, d)) {
		intake_run(in, lane);
		d = &in->datagram[in->datagram_count];
		if (!put_rows(lane, text, d)) {
			put_owner(d, ticket);
			take_long(in, lane, text, d);
			return;
		}
	}
	put_owner(d, ticket);
	if (d->rows == 0 && ticket == NULL) {
		tally(&lane->counts->frame_drop[FRAME_DROP_EMPTY], 1);
		return;
	}
	in->bytes += d->bytes;
	in->datagram_count++;
}
