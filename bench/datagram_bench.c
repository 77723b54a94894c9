// Sealed datagrams, nanoseconds each: opened in bursts of 64 from one session and from 64, stored and committed, strangers
// turned away, and the cipher alone beside them. The fastest burst counts: the others were disturbed.
#include "io/base/clock.h"
#include "tests/support/datagram_hand.h"
#include "tests/support/plane_builder.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	BURST = DATAGRAM_BURST_MAX,
	TEXT = 1200, // bytes of events in a datagram
	ROUNDS = 3000
};

static const struct build_stream streams[] = {{"edits", 5000}, {0}};
static const struct build_client clients[] = {{"alice", 1, 1}, {0}};
static const uint8_t stream_id[16] = "edits";
static struct datagram_server *server;
static struct engine *engine;
static struct hand hands[BURST];
static uint64_t next_sequence[BURST];
static uint8_t sealed[BURST][TEXT + WIRE_DATA_OVERHEAD];
static uint8_t opened[BURST * (TEXT + WIRE_DATA_OVERHEAD + 64)];
static struct datagram_in in[BURST];
static uint8_t text[TEXT];

static struct engine *new_engine(void)
{
	const struct engine_options options = {.lanes = LANES_OFF};
	struct engine *made;
	struct problem problem;

	if (engine_new(&options, &made, &problem) != SL_OK)
		abort();
	return made;
}

static uint64_t time_open(int64_t now_ms)
{
	struct room room = {.bytes = opened, .capacity = sizeof(opened)};
	const uint64_t start = clock_monotonic_ns();

	datagram_open_burst(server, engine, in, BURST, now_ms, &room);
	return clock_monotonic_ns() - start;
}

static void seal_burst(uint32_t session_count)
{
	for (uint32_t i = 0; i < BURST; i++) {
		const uint32_t h = i % session_count;
		const size_t size =
			hand_seal(&hands[h], next_sequence[h]++, view_of(text, TEXT), sealed[i]);

		in[i] = (struct datagram_in){
			.payload = view_of(sealed[i], size),
			.stream_id = stream_id,
		};
	}
}

static uint64_t time_store(void)
{
	const uint64_t start = clock_monotonic_ns();

	for (uint32_t i = 0; i < BURST; i++)
		datagram_stored(server, &in[i].ticket);
	datagram_committed(server);
	return clock_monotonic_ns() - start;
}

static void tell(const char *what, uint64_t burst_ns)
{
	printf("%-44s %8.1f\n", what, (double)burst_ns / BURST);
}

static void measure_sessions(uint32_t session_count)
{
	uint64_t open_ns = UINT64_MAX;
	uint64_t store_ns = UINT64_MAX;
	uint64_t again_ns = UINT64_MAX;
	char what[64];

	for (int64_t round = 0; round < ROUNDS; round++) {
		uint64_t took;

		seal_burst(session_count);
		took = time_open(2000000 + round);
		open_ns = took < open_ns ? took : open_ns;
		for (uint32_t i = 0; i < BURST; i++)
			if (in[i].verdict != DATAGRAM_EVENTS)
				abort();
		took = time_store();
		store_ns = took < store_ns ? took : store_ns;
		took = time_open(2000000 + round);
		again_ns = took < again_ns ? took : again_ns;
	}
	snprintf(what, sizeof(what), "opened, %u session(s)", session_count);
	tell(what, open_ns);
	snprintf(what, sizeof(what), "stored and committed, %u session(s)", session_count);
	tell(what, store_ns);
	snprintf(what, sizeof(what), "duplicates, %u session(s)", session_count);
	tell(what, again_ns);
}

static void measure_strangers(void)
{
	uint64_t best_ns = UINT64_MAX;

	seal_burst(1);
	for (uint32_t i = 0; i < BURST; i++)
		sealed[i][100] ^= 1;
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t took = time_open(3000000);

		best_ns = took < best_ns ? took : best_ns;
	}
	tell("forged, turned away", best_ns);
	for (uint32_t i = 0; i < BURST; i++)
		sealed[i][8] ^= 1; // the generation
	best_ns = UINT64_MAX;
	for (int round = 0; round < ROUNDS; round++) {
		const uint64_t took = time_open(3000000);

		best_ns = took < best_ns ? took : best_ns;
	}
	tell("of no session, turned away", best_ns);
}

static void measure_cipher(void)
{
	const uint8_t key[WIRE_KEY_SIZE] = {1};
	const uint8_t iv[WIRE_IV_SIZE] = {0};
	const struct view aad = view_of(text, sizeof(struct wire_data));
	uint64_t seal_ns = UINT64_MAX;
	uint64_t begin_ns = UINT64_MAX;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = clock_monotonic_ns();
		uint64_t took;

		for (uint32_t i = 0; i < BURST; i++)
			engine_run_begin(engine, key);
		took = clock_monotonic_ns() - start;
		begin_ns = took < begin_ns ? took : begin_ns;
		start = clock_monotonic_ns();
		for (uint32_t i = 0; i < BURST; i++)
			engine_run_seal(engine, iv, aad, view_of(text, TEXT), sealed[i]);
		took = clock_monotonic_ns() - start;
		seal_ns = took < seal_ns ? took : seal_ns;
	}
	engine_run_end(engine);
	tell("AES-256-GCM alone, key expanded", seal_ns);
	tell("expanding a key alone", begin_ns);
}

int main(void)
{
	const struct datagram_server_options options = {
		.session_count_max = 2 * BURST,
		.session_idle_ms = 3600000,
		.credit_max = DATAGRAM_WINDOW,
	};
	struct engine *sealing = new_engine();
	struct plane_image *image = build_plane(streams, clients);

	engine = new_engine();
	if (datagram_server_new(&options, &server) != SL_OK
	    || datagram_server_clients(server, image) != SL_OK)
		abort();
	memset(text, 'a', sizeof(text));
	for (uint32_t i = 0; i < BURST; i++) {
		hand_init(&hands[i], server, sealing, "alice", 1);
		if (!hand_open(&hands[i]))
			abort();
	}
	printf("%s\n%-44s %8s\n", engine_text(engine), "datagrams of 1200 bytes of events", "ns");
	measure_sessions(1);
	measure_sessions(BURST);
	measure_strangers();
	measure_cipher();
	datagram_server_free(server);
	engine_free(engine);
	engine_free(sealing);
	free(image);
}
