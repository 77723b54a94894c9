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
	bool is_full;   // takes nothing
	bool is_down;   // keeps what it took until it is recalled
	uint32_t marks; // that it was asked for
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

	if (f->is_full)
		return SL_E_FULL;
	f->tags[f->count++] = parcel->tag;
	return SL_OK;
}

static void report_as(struct fake *f, enum sl_status status)
{
	const uint32_t count = f->count;

	f->count = 0;
	for (uint32_t n = 0; n < count; n++)
		outlet_report(f->outlet, f->tags[n], status);
}

static void report_all(void *self)
{
	struct fake *f = self;

	if (!f->is_down)
		report_as(f, f->is_failing ? SL_E_IO : SL_OK);
}

static void recall(void *self)
{
	struct fake *f = self;

	if (f->is_down)
		report_as(f, SL_E_IO);
}

static enum sl_status sync_all(void *self, struct problem *ret_problem)
{
	(void)ret_problem;
	report_all(self);
	return SL_OK;
}

static size_t put_mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	struct fake *f = self;

	(void)ret_bytes;
	(void)capacity;
	f->marks++;
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
	.recall = recall,
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

static struct datagram_server *new_server(struct view snapshot)
{
	const struct datagram_server_options options = {
		.session_count_max = 10, .session_idle_ms = 3600000, .credit_max = 100};
	struct datagram_server *server;

	if (datagram_server_new(&options, &server) != SL_OK
	    || datagram_restore(server, snapshot) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	return server;
}

static void begin(void)
{
	s = (struct scene
	){.outlet = calloc(1, sizeof(*s.outlet)), .server = new_server((struct view){0})};
	if (s.outlet == NULL)
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

/** What a drain leaves behind: of the stream's sinks, which have the first parcel's rows and which the last's. */
struct drain_case {
	bool is_cut;     // one datagram lies in both parcels
	bool is_queued;  // the last one was never offered: its keys are not durable
	bool is_full;    // the last one was offered to the first sink alone
	bool is_down;    // the second sink has taken, and not delivered
	bool has_dead;   // the last one has something for the second sink
	bool is_plain;   // nobody sends again
	bool has_mark;   // what was delivered may count
	bool is_earlier; // a mark of before waits for the checkpoint
};

static void drain(const struct drain_case *c)
{
	struct parcel *first = new_parcel(0, true, false);
	struct parcel *last = new_parcel(0, true, c->has_dead);

	s.outlet->is_acknowledged = !c->is_plain;
	if (c->is_earlier) {
		outlet_sync(s.outlet);
		CHECK(s.outlet->has_marks);
	}
	end_datagram(first, 0);
	first->is_continued = c->is_cut;
	last->continues = c->is_cut;
	last->position_max = c->is_queued ? 2 : 0;
	end_datagram(last, 1);
	s.fakes[1].is_full = c->is_full;
	s.fakes[1].is_down = c->is_down;
	outlet_put(s.outlet, first);
	outlet_put(s.outlet, last);
	(void)outlet_work(s.outlet, 1);
	outlet_recall(s.outlet);
	s.fakes[0].marks = 0;
	// As a drain does: twice.
	outlet_sync(s.outlet);
	outlet_sync(s.outlet);
	CHECK(outlet_is_empty(s.outlet));
}

/** The next dataplane, with what the last one's checkpoint says. */
static void go_on(void)
{
	uint8_t *bytes = malloc(datagram_snapshot_max(s.server));
	struct datagram_server *next;

	if (bytes == NULL)
		abort();
	next = new_server(view_of(bytes, datagram_snapshot(s.server, bytes)));
	free(bytes);
	datagram_server_free(s.server);
	s.server = next;
	s.outlet->server = next;
	s.hand.server = next;
}

/** Rows of a datagram that comes again are not in the mark: the next dataplane takes them back. */
static void a_drain_keeps_no_part_of_what_comes_again(void)
{
	static const struct drain_case cases[] = {
		{.has_mark = true},
		{.is_queued = true, .has_mark = true},
		{.is_cut = true, .has_mark = true},
		{.is_cut = true, .is_queued = true},
		{.is_cut = true, .is_queued = true, .is_earlier = true},
		{.is_cut = true, .is_full = true, .has_dead = true},
		{.is_cut = true, .is_down = true, .has_dead = true},
		{.is_full = true, .has_dead = true},
		{.is_down = true, .has_dead = true},
		{.is_cut = true, .is_queued = true, .is_plain = true, .has_mark = true},
		{.is_down = true, .has_dead = true, .is_plain = true, .has_mark = true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct drain_case *c = &cases[i];
		bool has_last = c->has_mark && !c->is_queued && !c->is_plain;

		begin();
		drain(c);
		CHECK_EQUAL(s.fakes[0].marks != 0, c->has_mark);
		CHECK_EQUAL(s.outlet->has_marks, c->has_mark || c->is_earlier);
		if (!c->is_plain) {
			go_on();
			CHECK_EQUAL(is_stored(0), c->has_mark);
			CHECK_EQUAL(is_stored(1), has_last);
		}
		end();
	}
}

static const struct check_test tests[] = {
	{"what is delivered is stored", what_is_delivered_is_stored},
	{"a cut datagram is stored as a whole", a_cut_datagram_is_stored_as_a_whole},
	{"a failure is over with its commit", a_failure_is_over_with_its_commit},
	{"a drain keeps no part of what comes again", a_drain_keeps_no_part_of_what_comes_again},
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
