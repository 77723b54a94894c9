#include "dataplane/runtime/tally.h"
#include "dataplane/runtime/worker_inner.h"
#include "io/base/clock.h"

#include <assert.h>
#include <string.h>

// What becomes of a round's datagrams: admitted or not, opened where they are sealed, on to the turns of their streams.

static_assert((int)PORT_BURST <= (int)BATCH_MAX, "a burst of single events is a turn");
static_assert((int)PORT_BURST <= (int)DATAGRAM_BURST_MAX, "a burst is opened in one call");
static_assert(sizeof(struct origin) <= DATAGRAM_FLOW_MAX, "the server keeps it");

static void drop(struct lane *lane, enum frame_reason reason)
{
	tally(&lane->counts->frame_drop[reason], 1);
}

/** May this sender send to the stream? */
static bool is_welcome(struct lane *lane, const struct arrival *a)
{
	struct frame_address source;

	if (lane->admit->net_count == 0)
		return true;
	if (a->flow != NULL)
		source = a->flow->source;
	else
		memcpy(source.bytes, &a->row->sender.sin6_addr, sizeof(source.bytes));
	if (admit_source(lane->admit, &source))
		return true;
	drop(lane, FRAME_DROP_SOURCE);
	return false;
}

/** May so many events come now as are in the text? */
static bool is_in_rate(struct worker *w, struct lane *lane, struct view text)
{
	uint32_t rows;

	if (lane->admit->events_per_s == 0)
		return true;
	rows = intake_count_rows(text);
	if (admit_all(lane->admit, &lane->bucket, rows, w->intake.now_ns))
		return true;
	drop(lane, FRAME_DROP_RATE);
	return false;
}

static void run_plain(struct worker *w, struct lane *lane, uint8_t first)
{
	for (uint8_t n = first; n != ARRIVAL_NONE; n = w->arrival[n].next) {
		const struct arrival *a = &w->arrival[n];

		if (!is_welcome(lane, a) || !is_in_rate(w, lane, a->payload))
			continue;
		tally(&lane->counts->value[COUNTER_DATAGRAMS_IN], 1);
		intake_take(&w->intake, lane, a->payload, NULL);
	}
	intake_run(&w->intake, lane);
}

/** The events of a datagram that has been opened. */
static void take_opened(struct worker *w, struct lane *lane, const struct datagram_in *in)
{
	if (!is_in_rate(w, lane, in->text)) {
		datagram_refuse(w->shift->server, &in->ticket);
		return;
	}
	tally(&lane->counts->value[COUNTER_DATAGRAMS_IN], 1);
	intake_take(&w->intake, lane, in->text, &in->ticket);
}

static struct origin origin_of(const struct arrival *a)
{
	struct origin origin = {.kind = ORIGIN_PORT};

	if (a->flow != NULL) {
		origin.flow = *a->flow;
	} else {
		origin.kind = ORIGIN_KERNEL;
		origin.kernel.socket = a->row->socket;
		origin.kernel.sender = a->row->sender;
	}
	return origin;
}

/** What opening found: events go on, answers go back, the rest is counted. */
static void settle_opened(
	struct worker *w,
	struct lane *lane,
	const struct datagram_in *in,
	const struct arrival *a
)
{
	struct origin origin = origin_of(a);

	if (in->ticket.session != DATAGRAM_SESSION_NONE)
		datagram_set_flow(
			w->shift->server, in->ticket.session, w->index, &origin, sizeof(origin)
		);
	wire_answer(&w->wire, &origin, view_of(in->answer, in->answer_size));
	switch (in->verdict) {
	case DATAGRAM_EVENTS:
		take_opened(w, lane, in);
		break;
	case DATAGRAM_DUPLICATE:
		tally(&lane->counts->value[COUNTER_DUPLICATES], 1);
		break;
	case DATAGRAM_CONTROL:
		tally(&lane->counts->value[COUNTER_CONTROLS_IN], 1);
		break;
	case DATAGRAM_STRANGER:
		drop(lane, FRAME_DROP_STRANGER);
		break;
	case DATAGRAM_UNKNOWN:
		drop(lane, FRAME_DROP_SESSION);
		break;
	case DATAGRAM_BROKEN:
		drop(lane, FRAME_DROP_DATAGRAM);
		break;
	}
}

static void run_sealed(struct worker *w, struct lane *lane, uint8_t first)
{
	const uint8_t *stream_id = plane_streams(w->epoch->source.image)[lane->stream].id;
	uint8_t from[DATAGRAM_BURST_MAX];
	uint32_t count = 0;

	for (uint8_t n = first; n != ARRIVAL_NONE; n = w->arrival[n].next) {
		if (!is_welcome(lane, &w->arrival[n]))
			continue;
		if (w->arrival[n].payload.size > DATAGRAM_SIZE_MAX) {
			drop(lane, FRAME_DROP_DATAGRAM);
			continue;
		}
		w->in[count].payload = w->arrival[n].payload;
		w->in[count].stream_id = stream_id;
		w->in[count].answer_size = 0;
		from[count++] = n;
	}
	w->opened.size = 0;
	datagram_open_burst(
		w->shift->server,
		w->bench->engine,
		w->in,
		count,
		(int64_t)(w->intake.now_ns / 1000000),
		&w->opened
	);
	for (uint32_t n = 0; n < count; n++)
		settle_opened(w, lane, &w->in[n], &w->arrival[from[n]]);
	intake_run(&w->intake, lane);
}

void worker_run_arrivals(struct worker *w)
{
	w->intake.now_ms = clock_wall_ms();
	for (; w->touched != 0; w->touched &= w->touched - 1) {
		uint16_t stream = (uint16_t)__builtin_ctzll(w->touched);
		struct lane *lane = &w->epoch->lane[w->index][stream];

		if (lane->mode == PLANE_SEALED)
			run_sealed(w, lane, w->first[stream]);
		else
			run_plain(w, lane, w->first[stream]);
	}
	w->arrival_count = 0;
}
