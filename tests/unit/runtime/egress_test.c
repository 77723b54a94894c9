#include "dataplane/runtime/egress_inner.h"
#include "tests/support/check.h"

#include <rte_ring.h>

#include <stdint.h>
#include <stdlib.h>

// The egress thread's round, without the thread.

enum {
	PARCELS = 32,
	RING_PLACES = 64
};

/** Senders are held back when few parcels are free, wherever the others are: a sink that is down keeps what it took. */
static void holds_senders_back(void)
{
	static const struct {
		uint32_t queued;
		uint32_t in_flight;
		bool is_acknowledged;
		bool is_held;
	} cases[] = {
		{0, 0, true, false},
		{24, 0, true, false},
		{25, 0, true, true},
		{25, 0, false, false},
		{15, 17, true, true},
		{0, 25, true, true},
		{8, 16, true, false},
	};
	const struct datagram_server_options options = {
		.session_count_max = 4,
		.session_idle_ms = 86400000,
		.credit_max = EGRESS_CREDIT_MAX,
	};
	struct settings settings = {.parcels = PARCELS, .worker_count = 1};
	struct rte_ring *ring = aligned_alloc(64, (size_t)rte_ring_get_memsize(RING_PLACES));
	struct outlet outlet = {0};
	struct egress e = {
		.setup = {.settings = &settings, .from_worker = &ring},
		.tick_ns = UINT64_MAX,
		.outlets = &outlet,
	};
	struct problem problem;

	CHECK_FATAL(rte_ring_init(ring, "test", RING_PLACES, 0) == 0);
	CHECK_FATAL(datagram_server_new(&options, &e.setup.server) == SL_OK);
	CHECK_FATAL(key_ring_create(16, &e.setup.ring, &problem) == SL_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		outlet.queued = cases[i].queued;
		outlet.in_flight = cases[i].in_flight;
		outlet.is_acknowledged = cases[i].is_acknowledged;
		outlet.credit = EGRESS_CREDIT_MAX;
		e.commit_ns = UINT64_MAX;
		CHECK(!egress_round(&e));
		CHECK_EQUAL(outlet.credit, cases[i].is_held ? 0 : EGRESS_CREDIT_MAX);
	}
	key_ring_free(e.setup.ring);
	datagram_server_free(e.setup.server);
	free(ring);
}

static const struct check_test tests[] = {
	{"holds senders back", holds_senders_back},
};

CHECK_MAIN("egress")
