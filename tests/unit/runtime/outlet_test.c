#include "dataplane/runtime/outlet.h"
#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <stdlib.h>
#include <string.h>

// Parcels through an outlet whose sinks deliver and fail as a test says: which datagrams count as stored.

enum {
	PARCELS = 4,
	ROOM_SIZE = 4096
};

/** A sink that reports what was offered at its next poll. */
struct fake {
	struct outlet *outlet;
	bool is_failing;
	uint64_t tags[PARCELS];
	uint32_t count;
};

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {0}};
static struct engine *engine;
static struct plane_image *image;

static enum sl_status offer(void *self, const struct sink_parcel *parcel)
{
	struct fake *f = self;

	f->tags[f->count++] = parcel->tag;
	return SL_OK;
}

static void report_all(void *self)
{
	struct fake *f = self;
	const uint32_t count = f->count;

	f->count = 0;
	for (uint32_t n = 0; n < count; n++)
		outlet_report(f->outlet, f->tags[n], f->is_failing ? SL_E_IO : SL_OK);
}

static enum sl_status sync_all(void *self, struct problem *ret_problem)
{
	(void)ret_problem;
	report_all(self);
	return SL_OK;
}

static size_t put_mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	(void)self;
	(void)ret_bytes;
	(void)capacity;
	return 0;
}

static void close_fake(void *self)
{
	(void)self;
}

static const struct sink_ops ops = {
	.offer = offer,
	.poll = report_all,
	.sync = sync_all,
	.mark = put_mark,
	.close = close_fake,
};

static struct scene {
	struct datagram_server *server;
	struct hand hand;
	struct counters_sink_row counts;
	struct outlet *outlet;
	struct fake fakes[2];
	struct parcel_pool *pools[2]; // of two workers
} s;

static void give_back(void *self, struct parcel *parcel)
{
	(void)self;
	parcel_put(parcel);
}

static void begin(void)
{
	const struct datagram_server_options options = {
		.session_count_max = 10, .session_idle_ms = 3600000, .credit_max = 100};

	s = (struct scene){.outlet = calloc(1, sizeof(*s.outlet))};
	if (s.outlet == NULL || datagram_server_new(&options, &s.server) != SL_OK
	    || datagram_server_clients(s.server, image) != SL_OK)
		abort();
	*s.outlet = (struct outlet){
		.is_acknowledged = true,
		.is_open = true,
		.is_ready = true,
		.sink_count = 2,
		.server = s.server,
		.counts = &s.counts,
		.done = give_back,
	};
	for (uint32_t n = 0; n < 2; n++) {
		s.fakes[n].outlet = s.outlet;
		s.outlet->sink[n] = (struct sink){&ops, &s.fakes[n]};
		if (parcel_pool_new(n, PARCELS, 2, ROOM_SIZE, &s.pools[n]) != SL_OK)
			abort();
	}
	hand_init(&s.hand, s.server, engine, "alice", 1);
	CHECK_FATAL(hand_open(&s.hand));
}

static void end(void)
{
	outlet_free(s.outlet);
	for (uint32_t n = 0; n < 2; n++)
		parcel_pool_free(s.pools[n]);
	datagram_server_free(s.server);
}

/** A parcel of a worker with a byte in each room that is named. */
static struct parcel *new_parcel(uint32_t worker, bool has_sealed, bool has_dead)
{
	struct parcel *p = parcel_take(s.pools[worker]);

	p->outlet = s.outlet;
	p->events = 1;
	p->room[PARCEL_SEALED].size = has_sealed;
	p->room[PARCEL_DEAD].size = has_dead;
	return p;
}

/** The server has taken a datagram that ends in the parcel. */
static void end_datagram(struct parcel *p, uint64_t sequence)
{
	CHECK_FATAL(hand_data(&s.hand, sequence, "{}\n") == DATAGRAM_EVENTS);
	p->tickets[p->ticket_count++] = s.hand.in.ticket;
}

/** Everything that was put in goes through the sinks, and is committed. */
static void commit(void)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(s.server));

	(void)outlet_work(s.outlet, UINT64_MAX);
	outlet_sync(s.outlet);
	CHECK(outlet_is_empty(s.outlet) && s.outlet->has_marks);
	(void)datagram_snapshot(s.server, bytes);
	datagram_committed(s.server);
	outlet_confirm(s.outlet);
	free(bytes);
}

/** Stored and acknowledged, or to be sent again? */
static bool is_stored(uint64_t sequence)
{
	return hand_data(&s.hand, sequence, "{}\n") == DATAGRAM_DUPLICATE;
}

static void what_is_delivered_is_stored(void)
{
	struct parcel *p;

	begin();
	p = new_parcel(0, true, false);
	end_datagram(p, 0);
	end_datagram(p, 1);
	outlet_put(s.outlet, p);
	p = new_parcel(1, true, true);
	end_datagram(p, 2);
	outlet_put(s.outlet, p);
	commit();
	CHECK(is_stored(0) && is_stored(1) && is_stored(2));
	s.fakes[1].is_failing = true;
	p = new_parcel(0, true, false);
	end_datagram(p, 3);
	outlet_put(s.outlet, p);
	p = new_parcel(1, true, true);
	end_datagram(p, 4);
	outlet_put(s.outlet, p);
	commit();
	CHECK(is_stored(3) && !is_stored(4));
	end();
}

/** A datagram through several parcels, of which one fails, is not stored, whichever it was and whoever comes between. */
static void a_cut_datagram_is_stored_as_a_whole(void)
{
	for (uint32_t failing = 0; failing < 4; failing++) {
		struct parcel *parts[3];
		struct parcel *other;

		begin();
		s.fakes[1].is_failing = true;
		for (uint32_t n = 0; n < 3; n++) {
			parts[n] = new_parcel(0, true, n == failing);
			parts[n]->continues = n != 0;
			parts[n]->is_continued = n != 2;
		}
		end_datagram(parts[0], 0); // before it
		end_datagram(parts[2], 1);
		end_datagram(parts[2], 2); // and behind it
		other = new_parcel(1, true, false);
		end_datagram(other, 3);
		outlet_put(s.outlet, parts[0]);
		outlet_put(s.outlet, other);
		outlet_put(s.outlet, parts[1]);
		outlet_put(s.outlet, parts[2]);
		commit();
		CHECK(is_stored(0) == (failing != 0));
		CHECK(is_stored(1) == (failing == 3));
		CHECK(is_stored(2) == (failing != 2));
		CHECK(is_stored(3));
		end();
	}
}

/** The next one is none the worse for it. */
static void a_failure_is_over_with_its_commit(void)
{
	begin();
	for (uint32_t n = 0; n < 2; n++) {
		struct parcel *first = new_parcel(0, true, true);
		struct parcel *last = new_parcel(0, true, false);

		s.fakes[1].is_failing = n == 0;
		first->is_continued = true;
		last->continues = true;
		end_datagram(last, n);
		outlet_put(s.outlet, first);
		outlet_put(s.outlet, last);
		commit();
		CHECK(is_stored(n) == (n == 1));
	}
	end();
}

static const struct check_test tests[] = {
	{"what is delivered is stored", what_is_delivered_is_stored},
	{"a cut datagram is stored as a whole", a_cut_datagram_is_stored_as_a_whole},
	{"a failure is over with its commit", a_failure_is_over_with_its_commit},
};

int main(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;
	int code;

	if (engine_new(&options, &engine, &problem) != SL_OK)
		return 1;
	image = build_plane(streams, clients);
	code = check_run("outlet", tests, sizeof(tests) / sizeof(tests[0]));
	engine_free(engine);
	free(image);
	return code;
}
