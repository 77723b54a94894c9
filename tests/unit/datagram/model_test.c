#include "dataplane/datagram/sender.h"
#include "dataplane/datagram/server.h"
#include "tests/support/check.h"
#include "tests/support/plane_builder.h"
#include "tests/support/scratch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Random schedules over a whole appliance without its wires: two workers that open bursts, one egress, clients of two
// streams, an attacker who repeats from an address of his own. Datagrams are lost, doubled, late and change workers; server
// and clients end and begin again. Everything follows from the seed.
//
// What must hold: an event is acknowledged only if it is in the sink; it is there once, but where its client ended without
// knowing and offered it again, or the session did.

enum {
	WORKERS = 2,
	SENDERS = 5,
	EVENTS = 3000, // of a sender
	FLYING_MAX = 8192,
	PENDING_MAX = 16384,
	SEEN_MAX = 128, // datagrams that the attacker keeps
	BYTES_MAX = 300,
	TO_SERVER = SENDERS,
	ATTACKER = SENDERS + 1,
	STEP_US = 500,
	COMMIT_US = 5000,
	LIMIT_S = 600
};

struct flying {
	uint64_t at_us;
	uint32_t from;
	uint32_t to;
	uint32_t size;
	uint8_t bytes[BYTES_MAX];
};

struct pending {
	struct datagram_ticket ticket;
	uint32_t sender;
	uint32_t count;
	uint16_t event[64];
};

struct worker {
	struct engine *engine;
	struct pending *pending; // [PENDING_MAX]
	uint32_t pending_count;
	uint8_t room[DATAGRAM_BURST_MAX * (BYTES_MAX + 64)];
};

struct client {
	struct engine *engine;
	struct sender *sender;
	uint32_t order[EVENTS]; // event of each number of this incarnation
	uint32_t offered;       // in this incarnation
	uint32_t next;          // event that was never offered
	uint32_t again[EVENTS]; // events to be offered again
	uint32_t again_count;
	uint8_t acked[EVENTS]; // times
	uint8_t sink[EVENTS];  // times, committed
	uint8_t offers[EVENTS];
	uint32_t restarts;
};

static const struct build_stream streams[] = {{"edits", 5000}, {"orders", 5001}, {0}};
static const struct build_client names[] = {{"alice", 1, 1}, {"bob", 3, 2}, {"carol", 2, 3}, {0}};

/** Two of them are of one client. */
static const struct {
	const struct build_client *name;
	const char *stream;
} roles[SENDERS] = {
	{&names[0], "edits"},
	{&names[0], "edits"},
	{&names[1], "edits"},
	{&names[1], "orders"},
	{&names[2], "orders"},
};

static struct model {
	uint64_t random;
	uint64_t now_us;
	uint64_t commit_us;
	struct plane_image *image;
	struct datagram_server *server;
	struct worker worker[WORKERS];
	struct client client[SENDERS];
	struct flying *flying;
	uint32_t flying_count;
	struct flying seen[SEEN_MAX];
	uint32_t seen_count;
	uint8_t *snapshot;
	size_t snapshot_size;
	uint64_t crashes;
	uint64_t repeated; // by the attacker
	uint64_t moved;    // datagrams that came to another worker than the one before
	uint64_t early;    // acknowledged, not in the sink
} m;

static uint32_t below(uint32_t bound)
{
	return (uint32_t)(scratch_random(&m.random) % bound);
}

static void must(bool is_fine)
{
	if (!is_fine)
		abort();
}

static struct engine *new_engine(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct engine *engine;
	struct problem problem;

	must(engine_new(&options, &engine, &problem) == SL_OK);
	return engine;
}

static void new_server(void)
{
	const struct datagram_server_options options = {
		.session_count_max = 200,
		.session_idle_ms = 24 * 3600000,
		.credit_max = 200,
	};

	must(datagram_server_new(&options, &m.server) == SL_OK);
	must(datagram_restore(m.server, view_of(m.snapshot, m.snapshot_size)) == SL_OK);
	must(datagram_server_clients(m.server, m.image) == SL_OK);
}

static void note_acked(void *self, uint64_t first, uint32_t count)
{
	struct client *c = self;

	for (uint64_t n = first; n < first + count; n++) {
		c->acked[c->order[n]]++;
		m.early += c->sink[c->order[n]] == 0;
	}
}

static void new_sender(uint32_t i)
{
	struct client *c = &m.client[i];
	struct sender_options options = {
		.stream = view_of_text(roles[i].stream),
		.datagram_bytes_max = SENDER_DATAGRAM_MIN,
		.window = 64,
		.acked = note_acked,
		.acked_self = c,
	};

	build_client_id(roles[i].name->name, options.client_id);
	build_client_key(roles[i].name->name, roles[i].name->salt, options.client_key);
	must(sender_new(&options, c->engine, &c->sender) == SL_OK);
	c->offered = 0;
}

/** A driver ends, and begins again with all that it does not know to be stored. */
static void restart_client(uint32_t i)
{
	struct client *c = &m.client[i];
	uint32_t count = 0;

	sender_free(c->sender);
	for (uint32_t n = 0; n < c->next; n++)
		if (c->acked[n] == 0)
			c->again[count++] = n;
	c->again_count = count;
	c->restarts++;
	new_sender(i);
}

static void offer_events(struct client *c)
{
	char text[64];
	uint64_t number;

	for (uint32_t n = 0; n < 16 && (c->again_count != 0 || c->next < EVENTS); n++) {
		const uint32_t event = c->again_count != 0 ? c->again[c->again_count - 1] : c->next;
		const int size = snprintf(
			text,
			sizeof(text),
			"%u %u%*s",
			(unsigned)(c - m.client),
			event,
			(int)below(30),
			""
		);

		if (sender_offer(c->sender, view_of(text, (size_t)size), m.now_us, &number)
		    != SL_OK)
			return;
		must(number == c->offered);
		c->order[c->offered++] = event;
		c->offers[event]++;
		if (c->again_count != 0)
			c->again_count--;
		else
			c->next++;
	}
}

static void fly(const struct flying *what, uint64_t at_us)
{
	if (m.flying_count == FLYING_MAX)
		return;
	m.flying[m.flying_count] = *what;
	m.flying[m.flying_count++].at_us = at_us;
}

/** 4 % are lost, 4 % doubled, 20 % late. */
static void launch(const struct flying *what)
{
	const uint64_t at_us = m.now_us + 200 + (below(5) == 0 ? below(6000) : 0);

	if (below(25) == 0)
		fly(what, at_us + below(4000));
	if (below(25) != 0)
		fly(what, at_us);
}

static void send_all(uint32_t i)
{
	struct client *c = &m.client[i];
	struct flying what = {.from = i, .to = TO_SERVER};

	offer_events(c);
	while ((what.size = (uint32_t)sender_next(c->sender, m.now_us, what.bytes)) != 0) {
		launch(&what);
		m.seen[m.seen_count++ % SEEN_MAX] = what;
	}
}

/** What the attacker has overheard comes again, from his address. */
static void repeat_some(void)
{
	for (uint32_t n = below(4); m.seen_count != 0 && n > 0; n--) {
		struct flying what =
			m.seen[below(m.seen_count < SEEN_MAX ? m.seen_count : SEEN_MAX)];

		what.to = TO_SERVER + what.from; // to its stream's port: see stream_of
		what.from = ATTACKER;
		fly(&what, m.now_us + below(300));
		m.repeated++;
	}
}

/** Whose port a datagram goes to. */
static const char *stream_of(const struct flying *what)
{
	return roles[what->from < SENDERS ? what->from : what->to - TO_SERVER].stream;
}

static void take_events(struct worker *w, const struct datagram_in *in)
{
	struct pending *p = &w->pending[w->pending_count];
	struct view rest = in->text;

	if (w->pending_count == PENDING_MAX || below(50) == 0) { // no parcel is free
		datagram_refuse(m.server, &in->ticket);
		return;
	}
	*p = (struct pending){.ticket = in->ticket};
	while (rest.size != 0) {
		const uint8_t *end = memchr(rest.bytes, '\n', rest.size);
		unsigned sender;
		unsigned event;

		must(end != NULL && sscanf((const char *)rest.bytes, "%u %u", &sender, &event) == 2
		     && sender < SENDERS && event < EVENTS && p->count < 64
		     && (p->count == 0 || sender == p->sender));
		p->sender = sender;
		p->event[p->count++] = (uint16_t)event;
		rest = view_of(end + 1, rest.size - (size_t)(end + 1 - rest.bytes));
	}
	w->pending_count++;
}

/** One worker opens a burst of one stream, as a dataplane's does. */
static void serve(uint32_t worker, const struct flying burst[], uint32_t count, const char *stream)
{
	static struct datagram_in in[DATAGRAM_BURST_MAX];
	struct worker *w = &m.worker[worker];
	struct room room = {.bytes = w->room, .capacity = sizeof(w->room)};
	uint8_t stream_id[16];

	build_stream_id(stream, stream_id);
	for (uint32_t n = 0; n < count; n++)
		in[n] = (struct datagram_in){
			.payload = view_of(burst[n].bytes, burst[n].size),
			.stream_id = stream_id,
		};
	datagram_open_burst(m.server, w->engine, in, count, (int64_t)(m.now_us / 1000), &room);
	for (uint32_t n = 0; n < count; n++) {
		struct flying answer = {
			.from = TO_SERVER, .to = burst[n].from, .size = in[n].answer_size};

		must(in[n].answer_size <= burst[n].size);
		if (in[n].ticket.session != DATAGRAM_SESSION_NONE)
			datagram_set_flow(
				m.server,
				in[n].ticket.session,
				worker,
				&burst[n].from,
				sizeof(burst[n].from)
			);
		if (in[n].verdict == DATAGRAM_EVENTS)
			take_events(w, &in[n]);
		memcpy(answer.bytes, in[n].answer, answer.size);
		if (answer.size != 0 && answer.to != ATTACKER)
			launch(&answer);
	}
}

/** What has come, in bursts of either worker; a sender's datagrams change workers now and then. */
static void land(void)
{
	static struct flying burst[WORKERS][2][DATAGRAM_BURST_MAX];
	uint32_t count[WORKERS][2] = {0};
	uint32_t kept = 0;

	for (uint32_t i = 0; i < m.flying_count; i++) {
		const struct flying what = m.flying[i];
		const bool is_answer = what.from == TO_SERVER;
		const bool moves = below(10) == 0;
		const uint32_t w = (what.from + moves) % WORKERS;
		uint32_t s;

		s = !is_answer && strcmp(stream_of(&what), "orders") == 0;
		if (what.at_us > m.now_us || (!is_answer && count[w][s] == DATAGRAM_BURST_MAX)) {
			m.flying[kept++] = what;
		} else if (is_answer) {
			sender_receive(
				m.client[what.to].sender, view_of(what.bytes, what.size), m.now_us
			);
		} else {
			m.moved += moves;
			burst[w][s][count[w][s]++] = what;
		}
	}
	m.flying_count = kept;
	for (uint32_t w = 0; w < WORKERS; w++)
		for (uint32_t s = 0; s < 2; s++)
			serve(w, burst[w][s], count[w][s], streams[s].name);
}

static void send_acks(void)
{
	struct flying ack = {.from = TO_SERVER};
	uint32_t session;

	for (uint32_t w = 0; w < WORKERS; w++)
		while ((ack.size = datagram_next_ack(
				m.server,
				m.worker[w].engine,
				w,
				(int64_t)(m.now_us / 1000),
				&session,
				ack.bytes
			))
		       != 0) {
			must(datagram_get_flow(m.server, session, &ack.to, sizeof(ack.to))
			     == sizeof(ack.to));
			if (ack.to != ATTACKER)
				launch(&ack);
		}
}

/** The sink and the sessions are as the last checkpoint has them; all else is gone. */
static void crash(void)
{
	m.crashes++;
	for (uint32_t w = 0; w < WORKERS; w++)
		m.worker[w].pending_count = 0;
	datagram_server_free(m.server);
	new_server();
}

/** Some of what each worker has handed over becomes durable. */
static void commit(bool crashes_before, bool crashes_after)
{
	uint32_t count[WORKERS];
	uint8_t *bytes = malloc(datagram_snapshot_max(m.server));

	must(bytes != NULL);
	for (uint32_t w = 0; w < WORKERS; w++) {
		count[w] = below(m.worker[w].pending_count + 1);
		for (uint32_t p = 0; p < count[w]; p++)
			datagram_stored(m.server, &m.worker[w].pending[p].ticket);
	}
	send_acks(); // as workers do all the while
	if (crashes_before) {
		free(bytes);
		crash();
		return;
	}
	m.snapshot_size = datagram_snapshot(m.server, bytes);
	send_acks();
	free(m.snapshot);
	m.snapshot = bytes;
	for (uint32_t w = 0; w < WORKERS; w++) {
		struct worker *worker = &m.worker[w];

		for (uint32_t p = 0; p < count[w]; p++)
			for (uint32_t n = 0; n < worker->pending[p].count; n++)
				m.client[worker->pending[p].sender]
					.sink[worker->pending[p].event[n]]++;
		worker->pending_count -= count[w];
		memmove(worker->pending,
			worker->pending + count[w],
			worker->pending_count * sizeof(*worker->pending));
	}
	if (crashes_after)
		crash();
	else
		datagram_committed(m.server);
}

/** A client is taken away and given again: its sessions end, and what it has on its way may be stored already. */
static void end_sessions(const struct build_client *whose)
{
	struct build_client others[4] = {0};
	struct plane_image *image;
	uint32_t count = 0;

	for (uint32_t n = 0; names[n].name != NULL; n++)
		if (&names[n] != whose)
			others[count++] = names[n];
	image = build_plane(streams, others);
	must(datagram_server_clients(m.server, image) == SL_OK);
	must(datagram_server_clients(m.server, m.image) == SL_OK);
	free(image);
	for (uint32_t i = 0; i < SENDERS; i++)
		for (uint32_t n = 0; roles[i].name == whose && n < m.client[i].next; n++)
			if (m.client[i].acked[n] == 0)
				m.client[i].offers[n]++;
}

/** What control and egress do beside. */
static void change_something(void)
{
	uint8_t stream_id[16];

	if (below(40) == 0) {
		build_stream_id(streams[below(2)].name, stream_id);
		datagram_server_credit(m.server, stream_id, below(3) * 100);
	}
	if (below(100) == 0)
		must(datagram_server_clients(m.server, m.image) == SL_OK);
	if (below(500) == 0)
		end_sessions(&names[below(3)]);
	if (below(300) == 0)
		restart_client(below(SENDERS));
}

static bool is_done(void)
{
	for (uint32_t i = 0; i < SENDERS; i++)
		if (m.client[i].next < EVENTS || m.client[i].again_count != 0
		    || !sender_is_empty(m.client[i].sender))
			return false;
	return true;
}

static void begin(uint64_t seed)
{
	m = (struct model){.random = seed, .now_us = 1000000};
	m.image = build_plane(streams, names);
	m.flying = calloc(FLYING_MAX, sizeof(*m.flying));
	must(m.flying != NULL);
	for (uint32_t w = 0; w < WORKERS; w++) {
		m.worker[w].engine = new_engine();
		m.worker[w].pending = calloc(PENDING_MAX, sizeof(struct pending));
		must(m.worker[w].pending != NULL);
	}
	new_server();
	for (uint32_t i = 0; i < SENDERS; i++) {
		m.client[i].engine = new_engine();
		new_sender(i);
	}
}

static void end(void)
{
	for (uint32_t i = 0; i < SENDERS; i++) {
		sender_free(m.client[i].sender);
		engine_free(m.client[i].engine);
	}
	datagram_server_free(m.server);
	for (uint32_t w = 0; w < WORKERS; w++) {
		engine_free(m.worker[w].engine);
		free(m.worker[w].pending);
	}
	free(m.flying);
	free(m.snapshot);
	free(m.image);
}

/** False when not everything was acknowledged in time. */
static bool run(void)
{
	const uint64_t end_us = m.now_us + (uint64_t)LIMIT_S * 1000000;

	while (!is_done()) {
		if (m.now_us > end_us)
			return false;
		m.now_us += STEP_US;
		for (uint32_t i = 0; i < SENDERS; i++)
			send_all(i);
		repeat_some();
		land();
		change_something();
		if (m.now_us >= m.commit_us) {
			commit(below(12) == 0, below(12) == 0);
			m.commit_us = m.now_us + COMMIT_US;
		}
		send_acks();
	}
	return true;
}

static uint32_t count_wrong(void)
{
	uint32_t wrong = 0;

	for (uint32_t i = 0; i < SENDERS; i++)
		for (uint32_t n = 0; n < EVENTS; n++) {
			const struct client *c = &m.client[i];
			const bool is_fine =
				c->acked[n] == 1 && c->sink[n] >= 1 && c->sink[n] <= c->offers[n];

			if (!is_fine && wrong++ < 5)
				printf("sender %u event %u: offered %u, acked %u, in the sink %u\n",
				       i,
				       n,
				       c->offers[n],
				       c->acked[n],
				       c->sink[n]);
		}
	return wrong;
}

static void schedules(uint64_t first, uint64_t count)
{
	for (uint64_t seed = first; seed < first + count; seed++) {
		uint32_t restarts = 0;
		bool is_all;

		begin(seed);
		is_all = run();
		for (uint32_t i = 0; i < SENDERS; i++)
			restarts += m.client[i].restarts;
		printf("seed %" PRIu64 ": %" PRIu64 " ms, the server ended %" PRIu64
		       " times, clients %u, %" PRIu64 " moved, %" PRIu64 " repeated\n",
		       seed,
		       m.now_us / 1000,
		       m.crashes,
		       restarts,
		       m.moved,
		       m.repeated);
		CHECK(is_all);
		CHECK(m.early == 0);
		CHECK(count_wrong() == 0);
		end();
	}
}

static uint64_t seed_first = 1;
static uint64_t seed_count = 20;

static void each_event_is_there_once(void)
{
	schedules(seed_first, seed_count);
}

static const struct check_test tests[] = {
	{"each event is there once", each_event_is_there_once},
};

/** datagram_model_test [FIRST_SEED [COUNT]] */
int main(int argc, char **argv)
{
	if (argc > 1) {
		seed_first = strtoull(argv[1], NULL, 10);
		seed_count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	}
	return check_run("datagram model", tests, sizeof(tests) / sizeof(tests[0]));
}
