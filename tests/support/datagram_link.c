#include "tests/support/datagram_link.h"

#include "tests/support/plane_builder.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SERVER = UINT16_MAX // where to: the server, else a sender
};

struct flying {
	uint64_t at_us;
	uint16_t from;
	uint16_t to;
	uint32_t size;
	uint8_t bytes[1500];
};

/** What was opened and is not stored. */
struct pending {
	struct datagram_ticket ticket;
	uint16_t sender;
	uint32_t first;
	uint32_t count;
};

struct link_rig {
	uint64_t random;
	struct link_rules rules;
	uint64_t now_us;
	uint64_t commit_us;
	uint32_t sender_count;
	struct engine *engine[LINK_SENDERS_MAX];
	struct sender *sender[LINK_SENDERS_MAX];
	uint32_t offered[LINK_SENDERS_MAX];
	uint32_t target;
	uint8_t *acked[LINK_SENDERS_MAX]; // [LINK_EVENTS_MAX] times
	uint8_t *sink[LINK_SENDERS_MAX];  // [LINK_EVENTS_MAX] times in the sink, committed

	struct acked_self {
		struct link_rig *rig;
		uint32_t sender;
	} self[LINK_SENDERS_MAX];
	struct plane_image *image;
	struct engine *server_engine;
	struct datagram_server *server;
	struct flying *flying;
	uint32_t flying_count;
	struct pending *pending;
	uint32_t pending_count;
	uint8_t *snapshot;
	size_t snapshot_size;
	uint8_t *room;
	struct flying seen[64]; // for hostile datagrams
	uint32_t seen_count;
	struct link_stats stats;
};

static const struct build_stream streams[] = {{"edits", 5000}, {"other", 5001}, {0}};
static const struct build_client clients[] = {
	{"alice", 1, 1},
	{"bob", 1, 2},
	{"carol", 1, 3},
	{"dave", 1, 4},
	{0},
};

static uint32_t below(struct link_rig *rig, uint32_t bound)
{
	return (uint32_t)(scratch_random(&rig->random) % bound);
}

static bool happens(struct link_rig *rig, uint32_t chance)
{
	return chance != 0 && below(rig, 1000) < chance;
}

static void new_server(struct link_rig *rig)
{
	const struct datagram_server_options options = {
		.session_count_max = 256,
		.session_idle_ms = 3600000,
		.credit_max = 512,
	};

	if (datagram_server_new(&options, &rig->server) != SL_OK
	    || datagram_restore(rig->server, view_of(rig->snapshot, rig->snapshot_size)) != SL_OK
	    || datagram_server_clients(rig->server, rig->image) != SL_OK)
		abort();
}

static void note_acked(void *self, uint64_t first_event, uint32_t count)
{
	const struct acked_self *s = self;

	for (uint64_t i = first_event; i < first_event + count; i++)
		s->rig->acked[s->sender][i]++;
}

static void new_sender(struct link_rig *rig, uint32_t i)
{
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct sender_options options = {
		.window = 256,
		.datagram_bytes_max = 256,
		.acked = note_acked,
	};
	struct problem problem;

	rig->self[i] = (struct acked_self){rig, i};
	options.acked_self = &rig->self[i];
	options.sequence_end = rig->rules.sequence_end;
	build_client_id(clients[i].name, options.client_id);
	build_client_key(clients[i].name, clients[i].salt, options.client_key);
	rig->acked[i] = calloc(LINK_EVENTS_MAX, 1);
	rig->sink[i] = calloc(LINK_EVENTS_MAX, 1);
	if (rig->acked[i] == NULL || rig->sink[i] == NULL
	    || engine_new(&engine_options, &rig->engine[i], &problem) != SL_OK
	    || sender_new(&options, rig->engine[i], &rig->sender[i]) != SL_OK)
		abort();
}

struct link_rig *link_new(uint64_t seed, const struct link_rules *rules, uint32_t sender_count)
{
	const struct engine_options engine_options = {.lanes = LANES_OFF};
	struct link_rig *rig = calloc(1, sizeof(*rig));
	struct problem problem;

	if (rig == NULL)
		abort();
	rig->random = seed;
	rig->rules = *rules;
	rig->now_us = 1000000;
	rig->sender_count = sender_count;
	rig->image = build_plane(streams, clients);
	rig->flying = calloc(LINK_FLYING_MAX, sizeof(*rig->flying));
	rig->pending = calloc(LINK_PENDING_MAX, sizeof(*rig->pending));
	rig->room = malloc(DATAGRAM_BURST_MAX * (1500 + 64));
	if (rig->flying == NULL || rig->pending == NULL || rig->room == NULL
	    || engine_new(&engine_options, &rig->server_engine, &problem) != SL_OK)
		abort();
	new_server(rig);
	for (uint32_t i = 0; i < sender_count; i++)
		new_sender(rig, i);
	return rig;
}

void link_free(struct link_rig *rig)
{
	for (uint32_t i = 0; i < rig->sender_count; i++) {
		sender_free(rig->sender[i]);
		engine_free(rig->engine[i]);
		free(rig->acked[i]);
		free(rig->sink[i]);
	}
	datagram_server_free(rig->server);
	engine_free(rig->server_engine);
	free(rig->image);
	free(rig->flying);
	free(rig->pending);
	free(rig->snapshot);
	free(rig->room);
	free(rig);
}

static void fly(struct link_rig *rig, const struct flying *what, uint64_t at_us)
{
	if (rig->flying_count == LINK_FLYING_MAX)
		return; // a link's buffer is full: it is lost
	rig->flying[rig->flying_count] = *what;
	rig->flying[rig->flying_count++].at_us = at_us;
}

/** Put a datagram on the link, by its rules. */
static void launch(struct link_rig *rig, const struct flying *what)
{
	const struct link_rules *r = &rig->rules;
	uint64_t at_us = rig->now_us + r->transit_us;

	if (happens(rig, r->delay))
		at_us += below(rig, r->late_us);
	if (happens(rig, r->repeat))
		fly(rig, what, at_us + below(rig, 10 * r->transit_us + 1));
	if (!happens(rig, r->lose))
		fly(rig, what, at_us);
}

/** Something that an attacker who sees the link may send. */
static void make_hostile(struct link_rig *rig, struct flying *ret_what)
{
	*ret_what = (struct flying){.from = SERVER, .to = SERVER};
	if (rig->seen_count == 0 || below(rig, 8) == 0) {
		ret_what->size = below(rig, 200);
		for (uint32_t i = 0; i < ret_what->size; i++)
			ret_what->bytes[i] = (uint8_t)scratch_random(&rig->random);
		memcpy(ret_what->bytes, "SL\1", ret_what->size < 3 ? ret_what->size : 3);
		if (ret_what->size > 3)
			ret_what->bytes[3] = (uint8_t)below(rig, 8);
		return;
	}
	*ret_what = rig->seen[below(rig, rig->seen_count < 64 ? rig->seen_count : 64)];
	ret_what->from = SERVER;
	ret_what->to = SERVER;
	switch (below(rig, 4)) {
	case 0: // as it was
		break;
	case 1: // cut
		ret_what->size = below(rig, ret_what->size + 1);
		break;
	default: // a bit turned over
		ret_what->bytes[below(rig, ret_what->size)] ^= (uint8_t)(1 << below(rig, 8));
		break;
	}
}

/** Hand the events of a datagram on. */
static void take_events(struct link_rig *rig, const struct datagram_in *in)
{
	struct pending p = {.ticket = in->ticket};
	struct view rest = in->text;

	if (happens(rig, rig->rules.refuse) || rig->pending_count == LINK_PENDING_MAX) {
		rig->stats.refused++;
		datagram_refuse(rig->server, &in->ticket);
		return;
	}
	while (rest.size != 0) {
		const uint8_t *end = memchr(rest.bytes, '\n', rest.size);
		unsigned sender;
		unsigned number;

		if (end == NULL
		    || sscanf((const char *)rest.bytes, "{\"s\":%u,\"n\":%u}", &sender, &number)
			    != 2
		    || sender >= rig->sender_count || number >= LINK_EVENTS_MAX
		    || (p.count != 0 && number != p.first + p.count))
			abort();
		if (p.count++ == 0) {
			p.sender = (uint16_t)sender;
			p.first = number;
		}
		rest = view_of(end + 1, rest.size - (size_t)(end + 1 - rest.bytes));
	}
	rig->pending[rig->pending_count++] = p;
}

static void serve(struct link_rig *rig, const struct flying *what, bool is_hostile)
{
	static const uint8_t stream_id[16] = "edits";
	struct room room = {.bytes = rig->room, .capacity = DATAGRAM_BURST_MAX * (1500 + 64)};
	struct datagram_in in = {
		.payload = view_of(what->bytes, what->size),
		.stream_id = stream_id,
	};
	struct flying answer = {.from = SERVER, .to = what->from};

	datagram_open_burst(
		rig->server, rig->server_engine, &in, 1, (int64_t)(rig->now_us / 1000), &room
	);
	rig->stats.verdicts[in.verdict]++;
	if (in.answer_size > what->size)
		rig->stats.longest_answer_excess = in.answer_size - what->size;
	if (is_hostile) {
		// A replay that was quicker than what it repeats may take its place: it is the same datagram.
		rig->stats.answers_to_hostile += in.answer_size != 0;
	} else if (in.ticket.session != DATAGRAM_SESSION_NONE) {
		datagram_set_flow(
			rig->server, in.ticket.session, 0, &what->from, sizeof(what->from)
		);
	}
	if (in.verdict == DATAGRAM_EVENTS)
		take_events(rig, &in);
	if (in.answer_size != 0 && what->from != SERVER) {
		answer.size = in.answer_size;
		memcpy(answer.bytes, in.answer, in.answer_size);
		launch(rig, &answer);
	}
}

static void arrive(struct link_rig *rig, const struct flying *what)
{
	struct flying hostile;

	if (what->to != SERVER) {
		sender_receive(
			rig->sender[what->to], view_of(what->bytes, what->size), rig->now_us
		);
		return;
	}
	while (happens(rig, rig->rules.hostile)) {
		make_hostile(rig, &hostile);
		rig->stats.hostile++;
		serve(rig, &hostile, true);
	}
	rig->seen[rig->seen_count++ % 64] = *what;
	serve(rig, what, false);
}

/** What a crash leaves: sink and snapshot as they were committed. */
static void crash(struct link_rig *rig)
{
	rig->stats.crashes++;
	rig->pending_count = 0;
	datagram_server_free(rig->server);
	new_server(rig);
}

static void commit(struct link_rig *rig)
{
	uint32_t count = rig->pending_count - below(rig, rig->pending_count / 4 + 1);
	uint8_t *bytes;

	rig->stats.commits++;
	if (happens(rig, rig->rules.crash)) {
		crash(rig);
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		datagram_stored(rig->server, &rig->pending[i].ticket);
	bytes = malloc(datagram_snapshot_max(rig->server));
	if (bytes == NULL)
		abort();
	rig->snapshot_size = datagram_snapshot(rig->server, bytes);
	free(rig->snapshot);
	rig->snapshot = bytes;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t n = 0; n < rig->pending[i].count; n++)
			rig->sink[rig->pending[i].sender][rig->pending[i].first + n]++;
	memmove(rig->pending,
		rig->pending + count,
		(rig->pending_count - count) * sizeof(*rig->pending));
	rig->pending_count -= count;
	if (happens(rig, rig->rules.crash)) // durable, and nobody told of it
		crash(rig);
	else
		datagram_committed(rig->server);
}

static void send_acks(struct link_rig *rig)
{
	struct flying ack = {.from = SERVER};
	uint32_t session;

	while ((ack.size = datagram_next_ack(
			rig->server,
			rig->server_engine,
			0,
			(int64_t)(rig->now_us / 1000),
			&session,
			ack.bytes
		))
	       != 0) {
		datagram_get_flow(rig->server, session, &ack.to, sizeof(ack.to));
		launch(rig, &ack);
	}
}

static void send_events(struct link_rig *rig, uint32_t i)
{
	struct flying what = {.from = (uint16_t)i, .to = SERVER};
	uint64_t number;
	char event[200];
	int size;

	for (unsigned n = 0; n < 64 && rig->offered[i] < rig->target; n++) {
		size = snprintf(
			event,
			sizeof(event),
			"{\"s\":%u,\"n\":%u}%*s",
			i,
			rig->offered[i],
			(int)below(rig, 100),
			""
		);
		if (sender_offer(rig->sender[i], view_of(event, (size_t)size), rig->now_us, &number)
		    != SL_OK)
			break;
		rig->offered[i]++;
	}
	while ((what.size = (uint32_t)sender_next(rig->sender[i], rig->now_us, what.bytes)) != 0)
		launch(rig, &what);
}

static bool is_done(const struct link_rig *rig)
{
	for (uint32_t i = 0; i < rig->sender_count; i++)
		if (rig->offered[i] < rig->target || !sender_is_empty(rig->sender[i]))
			return false;
	return true;
}

/** What is due on the link arrives, in the order in which it lies there. */
static void land(struct link_rig *rig)
{
	const uint32_t count = rig->flying_count;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (rig->flying[i].at_us > rig->now_us) {
			rig->flying[kept++] = rig->flying[i];
			continue;
		}
		arrive(rig, &rig->flying[i]);
	}
	memmove(rig->flying + kept,
		rig->flying + count,
		(rig->flying_count - count) * sizeof(*rig->flying));
	rig->flying_count -= count - kept;
}

bool link_run(struct link_rig *rig, uint32_t event_count, uint64_t limit_us)
{
	const uint64_t end_us = rig->now_us + limit_us;

	rig->target = event_count;
	while (!is_done(rig)) {
		if (rig->now_us >= end_us)
			return false;
		rig->now_us += 100;
		for (uint32_t i = 0; i < rig->sender_count; i++)
			send_events(rig, i);
		land(rig);
		if (rig->now_us >= rig->commit_us) {
			commit(rig);
			rig->commit_us = rig->now_us + rig->rules.commit_us;
		}
		send_acks(rig);
	}
	rig->stats.time_us = rig->now_us;
	return true;
}

bool link_is_exact(const struct link_rig *rig)
{
	for (uint32_t i = 0; i < rig->sender_count; i++)
		for (uint32_t n = 0; n < LINK_EVENTS_MAX; n++) {
			const unsigned wanted = n < rig->offered[i];

			if (rig->acked[i][n] != wanted || rig->sink[i][n] != wanted) {
				printf("sender %u event %u: acked %u, in the sink %u\n",
				       i,
				       n,
				       rig->acked[i][n],
				       rig->sink[i][n]);
				return false;
			}
		}
	return true;
}

void link_get_stats(const struct link_rig *rig, struct link_stats *ret_stats)
{
	*ret_stats = rig->stats;
}

struct sender *link_sender(struct link_rig *rig, uint32_t i)
{
	return rig->sender[i];
}

struct datagram_server *link_server(struct link_rig *rig)
{
	return rig->server;
}
