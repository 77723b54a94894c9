#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

// Two workers get the same datagrams of the same sessions, an egress thread stores what they took, and clients and credit
// change all the while: each datagram is taken by one of them, and all are acknowledged in the end.

enum {
	WORKERS = 2,
	SESSIONS = 8,
	SEQUENCES = 6000, // of a session
	DATA_SIZE = WIRE_DATA_OVERHEAD + 3
};

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {0}};
static struct datagram_server *server;
static struct plane_image *image;
static struct hand hands[SESSIONS]; // keys of the sessions
static uint8_t (*data)[SEQUENCES][DATA_SIZE];
static atomic_uint taken[SESSIONS][SEQUENCES];
static atomic_uint acked_next[SESSIONS];
static atomic_uint has_ended;

/** What workers have taken, for egress: one writer and one reader each. */
static struct handover {
	struct datagram_ticket tickets[SESSIONS * SEQUENCES];
	atomic_uint count;
} handovers[WORKERS];

static uint32_t session_at(uint32_t index)
{
	uint32_t i = 0;

	while (hands[i].session != index)
		i++;
	return i;
}

static struct engine *new_engine(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct engine *engine;
	struct problem problem;

	if (engine_new(&options, &engine, &problem) != SL_OK)
		abort();
	return engine;
}

/** Give a burst in: the next sequences of a session. */
static void give(struct engine *engine, uint32_t worker, uint32_t session, uint32_t from)
{
	static const uint8_t stream_id[16] = "edits";
	static _Thread_local struct datagram_in in[DATAGRAM_BURST_MAX];
	static _Thread_local uint8_t room_bytes[DATAGRAM_BURST_MAX * 128];
	struct room room = {.bytes = room_bytes, .capacity = sizeof(room_bytes)};
	struct handover *h = &handovers[worker];
	uint32_t count = atomic_load_explicit(&h->count, memory_order_relaxed);
	uint32_t n = 0;

	for (; n < DATAGRAM_BURST_MAX && from + n < SEQUENCES; n++)
		in[n] = (struct datagram_in
		){.payload = view_of(data[session][from + n], DATA_SIZE), .stream_id = stream_id};
	datagram_open_burst(server, engine, in, n, 1000000, &room);
	for (uint32_t i = 0; i < n; i++) {
		if (in[i].verdict != DATAGRAM_EVENTS)
			continue;
		datagram_set_flow(server, in[i].ticket.session, worker, &worker, sizeof(worker));
		atomic_fetch_add(&taken[session][in[i].ticket.sequence], 1);
		h->tickets[count++] = in[i].ticket;
	}
	atomic_store_explicit(&h->count, count, memory_order_release); // pairs with egress' acquire
}

static void take_acks(struct engine *engine, uint32_t worker, int64_t now_ms)
{
	uint8_t ack[DATAGRAM_ANSWER_MAX];
	uint32_t session;
	struct wire_ack head;

	while (datagram_next_ack(server, engine, worker, now_ms, &session, ack) != 0) {
		memcpy(&head, ack, sizeof(head));
		atomic_store(&acked_next[session_at(session)], (unsigned)wire_get64(head.next));
	}
}

static bool is_all_acked(void)
{
	for (uint32_t i = 0; i < SESSIONS; i++)
		if (atomic_load(&acked_next[i]) < SEQUENCES)
			return false;
	return true;
}

static void *work(void *self)
{
	const uint32_t worker = *(const uint32_t *)self;
	struct engine *engine = new_engine();

	for (int64_t round = 0; !is_all_acked(); round++) {
		for (uint32_t i = 0; i < SESSIONS; i++)
			give(engine, worker, i, atomic_load(&acked_next[i]));
		take_acks(engine, worker, 1000000 + round);
		sched_yield();
	}
	engine_free(engine);
	return NULL;
}

static void *store(void *self)
{
	uint8_t *snapshot = malloc(datagram_snapshot_max(server));
	uint32_t done[WORKERS] = {0};

	(void)self;
	while (!atomic_load(&has_ended)) {
		for (uint32_t w = 0; w < WORKERS; w++) {
			const uint32_t count =
				atomic_load_explicit(&handovers[w].count, memory_order_acquire);

			for (; done[w] < count; done[w]++)
				datagram_stored(server, &handovers[w].tickets[done[w]]);
		}
		(void)datagram_snapshot(server, snapshot);
		datagram_committed(server);
		sched_yield();
	}
	free(snapshot);
	return NULL;
}

static void *control(void *self)
{
	(void)self;
	for (uint32_t i = 0; !atomic_load(&has_ended); i++) {
		if (datagram_server_clients(server, image) != SL_OK)
			abort();
		hand_credit(server, "edits", i % 3 * 100);
		sched_yield();
	}
	return NULL;
}

static void make_ready(struct engine *engine)
{
	const struct datagram_server_options options = {
		.session_count_max = 64,
		.session_idle_ms = 3600000,
		.credit_max = 4096,
	};

	image = build_plane(streams, clients);
	data = calloc(SESSIONS, sizeof(*data));
	if (data == NULL || datagram_server_new(&options, &server) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	for (uint32_t i = 0; i < SESSIONS; i++) {
		hand_init(&hands[i], server, engine, "alice", 1);
		if (!hand_open(&hands[i]))
			abort();
		for (uint32_t n = 0; n < SEQUENCES; n++)
			(void)hand_seal(&hands[i], n, view_of_text("{}\n"), data[i][n]);
	}
}

static void each_datagram_is_taken_by_one(void)
{
	static const uint32_t numbers[WORKERS] = {0, 1};
	struct engine *engine = new_engine();
	pthread_t threads[WORKERS + 2];
	uint32_t wrong = 0;

	make_ready(engine);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, work, (void *)&numbers[i]);
	pthread_create(&threads[WORKERS], NULL, store, NULL);
	pthread_create(&threads[WORKERS + 1], NULL, control, NULL);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&has_ended, 1);
	pthread_join(threads[WORKERS], NULL);
	pthread_join(threads[WORKERS + 1], NULL);
	for (uint32_t i = 0; i < SESSIONS; i++)
		for (uint32_t n = 0; n < SEQUENCES; n++)
			wrong += atomic_load(&taken[i][n]) != 1;
	CHECK(wrong == 0);
	datagram_server_free(server);
	engine_free(engine);
	free(data);
	free(image);
}

enum {
	CHANGES = 20000 // of the credit
};

static atomic_uint told;    // by the last acknowledgement
static atomic_uint changes; // made so far

static void *change_credit(void *self)
{
	(void)self;
	for (uint32_t i = 1; i <= CHANGES; i++) {
		const uint32_t credit = i % 2 * 100;
		const uint64_t end_ns = clock_monotonic_ns() + UINT64_C(10000000000);

		hand_credit(server, "edits", credit);
		while (atomic_load(&told) != credit && clock_monotonic_ns() < end_ns)
			sched_yield();
		if (atomic_load(&told) != credit)
			break;
		atomic_store(&changes, i);
	}
	atomic_store(&has_ended, 1);
	return NULL;
}

/** A client that was told of no credit waits for this. */
static void every_change_of_credit_is_told(void)
{
	struct engine *engine = new_engine();
	int64_t now_ms = 2000000;
	pthread_t thread;

	atomic_store(&has_ended, 0);
	make_ready(engine);
	pthread_create(&thread, NULL, change_credit, NULL);
	while (!atomic_load(&has_ended)) {
		uint8_t ack[DATAGRAM_ANSWER_MAX];
		uint32_t session;
		struct wire_ack head;

		while (datagram_next_ack(server, engine, 0, now_ms, &session, ack) != 0) {
			memcpy(&head, ack, sizeof(head));
			if (session == hands[0].session)
				atomic_store(&told, wire_get32(head.credit));
		}
		now_ms++;
		sched_yield(); // who changes the credit may wait for this core
	}
	pthread_join(thread, NULL);
	CHECK(atomic_load(&changes) == CHANGES);
	datagram_server_free(server);
	engine_free(engine);
	free(data);
	free(image);
}

enum {
	OPENINGS = 400 // of each worker
};

static atomic_uint wrong_verdicts;

/** A client opens a session, sends, and leaves it for the next, while another takes clients away. */
static void *open_sessions(void *self)
{
	const uint32_t worker = *(const uint32_t *)self;
	struct engine *engine = new_engine();
	struct handover *h = &handovers[worker];
	uint8_t ack[DATAGRAM_ANSWER_MAX];
	uint32_t session;

	for (int64_t n = 0; n < OPENINGS; n++) {
		struct hand hand;

		hand_init(&hand, server, engine, n % 2 == 0 ? "alice" : "bob", 1);
		hand.now_ms = 3000000 + n * 1000;
		if (!hand_open(&hand))
			continue;
		for (uint64_t sequence = 0; sequence < 8; sequence++) {
			const enum datagram_verdict verdict = hand_data(&hand, sequence, "{}\n");
			const uint32_t count =
				atomic_load_explicit(&h->count, memory_order_relaxed);

			if (verdict == DATAGRAM_EVENTS) {
				h->tickets[count] = hand.in.ticket;
				atomic_store_explicit(&h->count, count + 1, memory_order_release);
			} else if (verdict != DATAGRAM_UNKNOWN) {
				atomic_fetch_add(&wrong_verdicts, 1);
			}
		}
		while (datagram_next_ack(server, engine, worker, hand.now_ms, &session, ack) != 0)
			;
	}
	engine_free(engine);
	return NULL;
}

static void *take_clients_away(void *self)
{
	static const struct build_client alice[] = {{"alice", 1, 1}, {0}};
	static const struct build_client both[] = {{"alice", 1, 1}, {"bob", 1, 1}, {0}};
	struct plane_image *images[2] = {build_plane(streams, alice), build_plane(streams, both)};

	(void)self;
	for (uint32_t i = 0; !atomic_load(&has_ended); i++) {
		if (datagram_server_clients(server, images[i % 2]) != SL_OK)
			abort();
		hand_credit(server, "edits", i % 3 * 100);
		sched_yield();
	}
	free(images[0]);
	free(images[1]);
	return NULL;
}

static void sessions_come_and_go(void)
{
	static const uint32_t numbers[WORKERS] = {0, 1};
	struct engine *engine = new_engine();
	pthread_t threads[WORKERS + 2];

	atomic_store(&has_ended, 0);
	make_ready(engine);
	for (uint32_t i = 0; i < WORKERS; i++)
		atomic_store(&handovers[i].count, 0);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_create(&threads[i], NULL, open_sessions, (void *)&numbers[i]);
	pthread_create(&threads[WORKERS], NULL, store, NULL);
	pthread_create(&threads[WORKERS + 1], NULL, take_clients_away, NULL);
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&has_ended, 1);
	pthread_join(threads[WORKERS], NULL);
	pthread_join(threads[WORKERS + 1], NULL);
	CHECK(atomic_load(&wrong_verdicts) == 0);
	CHECK(atomic_load(&handovers[0].count) + atomic_load(&handovers[1].count) > OPENINGS);
	datagram_server_free(server);
	engine_free(engine);
	free(data);
	free(image);
}

static const struct check_test tests[] = {
	{"each datagram is taken by one", each_datagram_is_taken_by_one},
	{"every change of credit is told", every_change_of_credit_is_told},
	{"sessions come and go", sessions_come_and_go},
};

CHECK_MAIN("datagram threads")
