#pragma once

#include "dataplane/datagram/sender.h"
#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <stdlib.h>

// A sender, a server and a clock of our own; every datagram goes by hand.

static const struct build_stream streams[] = {{"edits", 5000}, {"orders", 5001}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {"bob", 2, 2}, {0}};
static struct engine *engine;
static struct engine *sender_engine;
static struct plane_image *image;

/** A sender in front of a server; the hand has the server's side. */
struct scene {
	struct datagram_server *server;
	struct hand hand;
	struct sender *sender;
	uint64_t now_us;
	uint8_t out[WIRE_DATAGRAM_MAX];
	size_t size; // of out
};

static inline struct datagram_server *new_server(uint32_t credit)
{
	const struct datagram_server_options options = {
		.session_count_max = 2,
		.session_idle_ms = 3600000,
		.credit_max = credit,
	};
	struct datagram_server *server;

	if (datagram_server_new(&options, &server) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	return server;
}

static inline struct scene new_scene(
	const char *name,
	uint8_t salt,
	struct sender_options options,
	uint32_t credit
)
{
	struct scene s = {.server = new_server(credit), .now_us = 1000000000};

	build_client_id(name, options.client_id);
	build_client_key(name, salt, options.client_key);
	if (sender_new(&options, sender_engine, &s.sender) != SL_OK)
		abort();
	hand_init(&s.hand, s.server, engine, name, salt);
	return s;
}

static inline void end_scene(struct scene *s)
{
	sender_free(s->sender);
	datagram_server_free(s->server);
}

/** The kind of the next datagram; 0 = none. */
static inline unsigned next(struct scene *s)
{
	s->size = sender_next(s->sender, s->now_us, s->out);
	return wire_kind_of(s->out, s->size);
}

/** Give the last datagram to the server, and its answer to the sender. */
static inline enum datagram_verdict deliver(struct scene *s)
{
	s->hand.now_ms = (int64_t)(s->now_us / 1000);
	(void)hand_give(&s->hand, s->out, s->size);
	sender_receive(s->sender, view_of(s->hand.in.answer, s->hand.in.answer_size), s->now_us);
	return s->hand.in.verdict;
}

static inline bool open_session(struct scene *s)
{
	for (unsigned i = 0; i < 4 && sender_state(s->sender) != SENDER_READY; i++) {
		(void)next(s);
		(void)deliver(s);
	}
	return sender_state(s->sender) == SENDER_READY;
}

/** Commit the datagram last delivered, and let the sender hear of it. */
static inline void acknowledge(struct scene *s)
{
	uint8_t ack[DATAGRAM_ANSWER_MAX];
	uint32_t session;
	uint32_t size;

	hand_commit(&s->hand, NULL, 0);
	s->hand.now_ms++;
	while ((size = datagram_next_ack(s->server, engine, 0, s->hand.now_ms, &session, ack)) != 0)
		sender_receive(s->sender, view_of(ack, size), s->now_us);
}

static inline void offer(struct scene *s, unsigned count)
{
	uint64_t number;

	for (unsigned i = 0; i < count; i++)
		CHECK_FATAL(
			sender_offer(s->sender, view_of_text("{\"a\":1}"), s->now_us, &number)
			== SL_OK
		);
}

static inline struct sender_stats stats_of(const struct scene *s)
{
	struct sender_stats stats;

	sender_get_stats(s->sender, &stats);
	return stats;
}

/** A whole main: with two engines and who may send where. */
static inline int run_scenes(const char *suite, const struct check_test tests[], size_t count)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct problem problem;
	int code;

	if (engine_new(&options, &engine, &problem) != SL_OK
	    || engine_new(&options, &sender_engine, &problem) != SL_OK)
		return 1;
	image = build_plane(streams, clients);
	code = check_run(suite, tests, count);
	engine_free(engine);
	engine_free(sender_engine);
	free(image);
	return code;
}
