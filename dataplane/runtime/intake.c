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

static void count_turn(struct lane *lane, uint64_t bytes)
{
	const struct turn_counts *counts = &lane->turn.counts;
	struct counters_row *row = lane->counts;
	struct parcel *p = lane->parcel;
	uint64_t dead = 0;

	for (uint32_t r = 1; r < DROP_COUNT; r++) {
		dead += counts->rows_dropped[r];
		if (unlikely(counts->rows_dropped[r] != 0))
			tally(&row->event_drop[r], counts->rows_dropped[r]);
	}
	for (uint32_t v = 0; v + PARCEL_VIEW < p->pool->room_count; v++) {
		p->rows[PARCEL_VIEW + v] += counts->view_rows[v];
		tally(&row->value[COUNTER_EVENTS_DERIVED], counts->view_rows[v]);
	}
	p->rows[PARCEL_SEALED] += counts->rows_sealed;
	p->rows[PARCEL_DEAD] += dead;
	p->events += counts->rows_in;
	tally(&row->value[COUNTER_EVENTS_IN], counts->rows_in);
	tally(&row->value[COUNTER_EVENTS_SEALED], counts->rows_sealed);
	tally(&row->value[COUNTER_EVENTS_DEAD], dead);
	tally(&row->value[COUNTER_FIELDS_SEALED], counts->fields_sealed);
	tally(&row->value[COUNTER_BYTES_IN], bytes);
	tally(&row->value[COUNTER_TURNS], 1);
}

/** One turn over the batch's rows into the lane's parcel, which has the room. */
static void run_turn(struct intake *in, struct lane *lane, uint64_t bytes)
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
	count_turn(lane, bytes);
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
	if (!key_maker_has_room(in->maker, in->worker_count) || !make_room(in, lane, need)) {
		refuse(in, lane, &in->datagram[from], to - from);
	} else {
		run_turn(in, lane, bytes);
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

/** One turn of a datagram that has more of them: what does not fit goes on in the next parcel. */
static void run_piece(struct intake *in, struct lane *lane, size_t bytes, bool is_first)
{
	size_t need = turn_out_max(lane->policy, bytes, lane->turn.batch->row_count);

	if (lane->parcel != NULL
	    && (parcel_left(lane->parcel) < need || lane->parcel->ticket_count == PARCEL_TICKETS_MAX
	    )) {
		lane->parcel->is_continued = !is_first;
		hand_over(in, lane);
	}
	while (lane->parcel == NULL && !take_parcel(in, lane))
		rte_pause();
	if (!is_first && lane->parcel->events == 0)
		lane->parcel->continues = true;
	run_turn(in, lane, bytes);
	lane->turn.batch->row_count = 0;
}

/** A datagram with more events than a turn takes. */
static void take_long(
	struct intake *in,
	struct lane *lane,
	struct view text,
	const struct datagram_ticket *ticket
)
{
	struct batch *b = lane->turn.batch;
	bool is_first = true;
	size_t bytes = 0;
	struct view row;

	while (next_row(&text, &row)) {
		if (b->row_count == BATCH_MAX) {
			run_piece(in, lane, bytes, is_first);
			is_first = false;
			bytes = 0;
		}
		put_row(lane, row);
		bytes += row.size;
	}
	run_piece(in, lane, bytes, is_first);
	if (ticket != NULL)
		put_ticket(lane, ticket);
}

/** May a long datagram begin? Most of the pool is free, so that it does not wait for long on its way. */
static bool has_room_for_long(struct intake *in, const struct lane *lane)
{
	(void)intake_collect(in);
	return 2 * lane->pool->free_count >= lane->pool->count
		&& key_maker_has_room(in->maker, in->worker_count);
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

void intake_take(
	struct intake *in,
	struct lane *lane,
	struct view text,
	const struct datagram_ticket *ticket
)
{
	struct intake_datagram d = {.has_ticket = ticket != NULL};

	if (ticket != NULL)
		d.ticket = *ticket;
	if (in->datagram_count == BATCH_MAX || in->bytes + text.size > TURN_BYTES_MAX)
		intake_run(in, lane);
	if (!put_rows(lane, text, &d)) {
		intake_run(in, lane);
		if (!put_rows(lane, text, &d)) {
			if (has_room_for_long(in, lane))
				take_long(in, lane, text, ticket);
			else
				refuse(in, lane, &d, 1);
			return;
		}
	}
	if (d.rows == 0 && ticket == NULL) {
		tally(&lane->counts->frame_drop[FRAME_DROP_EMPTY], 1);
		return;
	}
	in->bytes += d.bytes;
	in->datagram[in->datagram_count++] = d;
}
