#include "io/fault.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_gate.h"
#include "tests/unit/io/sink_rig.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void lets_pass_when_all_is_well(void)
{
	struct sink sink = gate_begin(0, 0);

	gate_offer_all(&sink, 100);
	CHECK_EQUAL(gate.count, 100);
	gate_commit(&sink);
	CHECK(gate_has(100));
	CHECK_EQUAL(gate_segments(), 0);
	sink_close(&sink);
}

static void keeps_what_a_sink_that_is_down_can_not_take(void)
{
	struct sink_stats s;
	struct sink sink = gate_begin(500, 0);

	gate_offer_all(&sink, 10);
	gate.is_broken = true;
	gate_commit(&sink); // the ten come back, and are durable here
	CHECK_EQUAL(gate.size, 0);
	gate_offer_all(&sink, 90);
	CHECK_EQUAL(gate_caller.reported, 10);
	gate_commit(&sink);
	CHECK(gate_segments() > 5);
	sink_stats(&sink, &s);
	CHECK(s.is_down && s.is_due && s.bytes_spooled > 1000 && s.rows_delivered == 100);
	CHECK(strstr(s.last_problem, "gate") != NULL);
	gate.is_broken = false;
	gate.is_down = false;
	gate_drain(&sink);
	CHECK(gate_has(100));
	sink_stats(&sink, &s);
	CHECK(!s.is_down && s.bytes_spooled == 0 && s.rows_failed == 0);
	CHECK_EQUAL(gate_segments(), 0);
	CHECK(!gate_caller.is_out_of_order && gate_caller.failed == 0);

	// And past the spool again.
	gate_offer_all(&sink, 5);
	CHECK_EQUAL(gate.count, 5);
	gate_commit(&sink);
	CHECK(gate_has(105) && gate_segments() == 0);
	sink_close(&sink);
}

static void waits_a_while_for_one_that_is_slow(void)
{
	struct sink sink = gate_begin(0, 0);

	gate.is_slow = true;
	CHECK_EQUAL(gate_offer_one(&sink), SL_E_FULL);
	rig_now_ms += 99;
	CHECK_EQUAL(gate_offer_one(&sink), SL_E_FULL);
	rig_now_ms += 1;
	gate_offer_all(&sink, 20);
	gate.is_slow = false;
	gate_offer_all(&sink, 5); // behind those before
	CHECK_EQUAL(gate.count, 0);
	sink_poll(&sink);
	CHECK(gate.count > 0);
	gate_drain(&sink);
	CHECK(gate_has(25));
	sink_close(&sink);
}

/** New ones go past the spool as soon as all old ones were offered, and come after them. */
static void keeps_the_order_of_mixtures(void)
{
	uint64_t random = 3;
	struct sink sink = gate_begin(700, 0);

	for (int i = 0; i < 3000; i++) {
		uint64_t r = scratch_random(&random);

		if (gate_caller.offered < GATE_MAX - 10 && r % 4 != 0) {
			enum sl_status status = gate_offer_one(&sink);

			CHECK(status == SL_OK || (status == SL_E_FULL && gate.is_slow));
		}
		if (r >> 8 & 1)
			sink_poll(&sink);
		if ((r >> 9) % 11 == 0)
			gate.is_down = !gate.is_down;
		if ((r >> 20) % 7 == 0)
			gate.is_slow = !gate.is_slow;
		if ((r >> 30) % 13 == 0)
			gate_commit(&sink);
		rig_now_ms += r >> 40 & 63;
	}
	gate.is_down = false;
	gate.is_slow = false;
	gate_drain(&sink);
	CHECK(gate_has(gate_caller.offered));
	CHECK(!gate_caller.is_out_of_order && gate_caller.failed == 0 && gate_caller.offered > 1000
	);
	sink_close(&sink);
}

/** What the sink gives back is older than what went to the spool while it was slow. */
static void keeps_the_order_of_what_comes_back(void)
{
	for (int has_polls = 0; has_polls < 2; has_polls++) {
		struct sink sink = gate_begin(300, 0);

		gate_offer_all(&sink, 10);
		gate.is_slow = true;
		CHECK_EQUAL(gate_offer_one(&sink), SL_E_FULL);
		rig_now_ms += 100;
		gate_offer_all(&sink, 30);
		if (has_polls)
			sink_poll(&sink); // the first of them is read
		gate.is_down = true;
		if (has_polls)
			sink_poll(&sink);
		gate_offer_all(&sink, 10);
		if (has_polls)
			gate_commit(&sink);
		gate.is_down = false;
		gate.is_slow = false;
		gate_offer_all(&sink, 10);
		gate_drain(&sink);
		CHECK(gate_has(60));
		CHECK(!gate_caller.is_out_of_order && gate_caller.failed == 0);
		sink_close(&sink);
	}
}

static void is_bounded(void)
{
	struct sink_stats s;
	struct sink sink = gate_begin(1000, 5000);
	enum sl_status status = SL_OK;
	struct problem p;

	gate.is_down = true;
	while (status == SL_OK && gate_caller.offered < 1000)
		status = gate_offer_one(&sink);
	CHECK_EQUAL(status, SL_E_FULL);
	CHECK(gate_caller.offered > 50 && gate_caller.offered < 100);
	gate_commit(&sink);
	sink_stats(&sink, &s);
	CHECK(s.bytes_spooled > 4000 && s.bytes_spooled <= 5000);
	gate.is_down = false;
	sink_poll(&sink);
	gate_commit(&sink);
	CHECK_EQUAL(sink_sync(&sink, &p), SL_OK);
	gate_drain(&sink);
	CHECK(gate_has(gate_caller.offered));
	gate_offer_all(&sink, 10);
	sink_close(&sink);
	CHECK(gate_has(gate_caller.offered));
}

/** What neither can keep stays with the caller, unreported, until one can. */
static void says_when_it_is_full_and_the_sink_down(void)
{
	struct sink sink = gate_begin(1000, 2000);
	struct problem p = {0};

	gate_offer_all(&sink, 200);
	gate.is_broken = true;
	CHECK_EQUAL(sink_sync(&sink, &p), SL_E_NO_SPACE);
	CHECK(strstr(p.what, "full") != NULL && p.remedy[0] != '\0');
	CHECK_EQUAL(gate_caller.reported, 0);
	CHECK_EQUAL(gate_offer_one(&sink), SL_E_FULL);
	gate.is_broken = false;
	gate.is_down = false;
	// What comes back has no room in the spool: it goes to the sink from memory, behind what the spool has.
	CHECK(gate_comes_through(&sink));
	CHECK_EQUAL(gate_caller.reported, 200);
	gate_offer_all(&sink, 5);
	CHECK_EQUAL(gate.count, 5);
	sink_close(&sink);
	CHECK(gate_has(205));
}

static bool is_spool_full;

static int fail_writes(enum io_step step)
{
	return is_spool_full && (step == IO_STEP_WRITE || step == IO_STEP_MAKE) ? ENOSPC : 0;
}

/** The spool's disk stays full: a sink that takes again is enough to go on. */
static void needs_no_room_when_the_sink_takes_again(void)
{
	for (int spooled = 0; spooled < 3; spooled++) {
		struct sink sink = gate_begin(700, 0);
		struct problem p = {0};

		gate.is_down = spooled > 0;
		gate_offer_all(&sink, 30);
		if (spooled == 2)
			gate_commit(&sink); // the first thirty are in the spool
		if (spooled > 0)
			gate_offer_all(&sink, 30);
		is_spool_full = true;
		io_fault = fail_writes;
		gate.is_broken = true;
		if (spooled != 1)
			(void)!gate_offer_one(&sink);
		CHECK(sink_sync(&sink, &p) != SL_OK || spooled != 0);
		gate.is_broken = false;
		gate.is_down = false;
		CHECK(gate_comes_through(&sink));
		gate_offer_all(&sink, 5);
		CHECK(gate_comes_through(&sink));
		// And it is used again when there is room again.
		is_spool_full = false;
		rig_now_ms += 2000;
		sink_poll(&sink);
		gate.is_down = true;
		gate_offer_all(&sink, 20);
		gate_commit(&sink);
		CHECK(gate_segments() > 0);
		gate.is_down = false;
		CHECK(gate_comes_through(&sink));
		io_fault = NULL;
		sink_close(&sink);
	}
}

static uint64_t fault_random;
static uint64_t fault_rate;

static int fail_now_and_then(enum io_step step)
{
	return fault_rate != 0 && step != IO_STEP_READ
			&& scratch_random(&fault_random) % fault_rate == 0
		? ENOSPC
		: 0;
}

/**
 * Whatever of the two fails, and however little room there is: when both work again all is there, once, in order. And the
 * sink is told that a mark is durable only when it is.
 */
static void comes_through_whatever_fails(void)
{
	for (uint64_t seed = 1; seed <= 400; seed++) {
		uint64_t random = seed;
		struct sink sink = gate_begin(300 + seed % 3 * 700, seed % 4 == 0 ? 0 : 2500);
		uint8_t mark[SINK_MARK_MAX];
		struct problem p;
		size_t told = 0; // what the sink had at the last mark
		bool is_good;

		fault_random = seed;
		fault_rate = seed % 5 == 0 ? 0 : 2 + seed % 17;
		io_fault = fail_now_and_then;
		for (int i = 0; i < 300; i++) {
			uint64_t r = scratch_random(&random);

			if (r % 3 != 0)
				(void)!gate_offer_one(&sink);
			if (r >> 8 & 1)
				sink_poll(&sink);
			if ((r >> 9) % 11 == 0)
				gate.is_down = !gate.is_down;
			if ((r >> 14) % 29 == 0)
				gate.is_broken = true;
			if ((r >> 20) % 7 == 0)
				gate.is_slow = !gate.is_slow;
			if ((r >> 30) % 5 == 0) {
				sink_sync_begin(&sink);
				// No mark: another sink of the commit failed. The confirm is that of the mark before.
				if (sink_sync(&sink, &p) == SL_OK && (r >> 50) % 3 != 0) {
					(void)sink_mark(&sink, mark);
					told = gate.size;
				}
				if ((r >> 54) % 3 != 0)
					sink_confirm(&sink);
				CHECK(gate.confirmed <= told);
				gate.is_broken = false;
			}
			rig_now_ms += (r >> 40 & 63) * (seed % 7);
		}
		io_fault = NULL;
		gate.is_broken = false;
		gate.is_down = false;
		gate.is_slow = false;
		is_good = gate_comes_through(&sink);
		CHECK(is_good);
		if (!is_good)
			printf("seed %llu\n", (unsigned long long)seed);
		sink_close(&sink);
	}
}

static void replays_what_is_there_at_the_open(void)
{
	for (int has_mark = 0; has_mark < 2; has_mark++) {
		struct problem p = {0};
		struct spool_mark m;
		struct sink sink = gate_begin(600, 0);

		gate_offer_all(&sink, 20);
		gate_commit(&sink);
		gate.is_broken = true;
		gate.is_down = true;
		gate_offer_all(&sink, 40);
		m = gate_commit(&sink);
		gate_offer_all(&sink, 40);
		sink_close(&sink); // the last forty are kept, but no mark tells of them
		CHECK_EQUAL(gate_caller.reported, 100);
		CHECK_EQUAL(gate_caller.failed, 0);
		gate.is_broken = false;
		gate.is_down = false;
		CHECK_FATAL(
			gate_open(has_mark ? view_of(m.bytes, m.size) : gate_no_mark, &sink, &p)
			== SL_OK
		);
		if (!has_mark) {
			// The gate keeps what it had: 20.
			gate.size = strlen(gate.text);
		}
		CHECK(gate_has(20));
		gate_caller.reported = gate_caller.offered;
		gate_drain(&sink);
		CHECK(gate_has(has_mark ? 60 : 100));
		sink_close(&sink);
	}
}

static void begins_with_a_mark_of_the_sink_alone(void)
{
	struct problem p;
	struct spool_mark m = {.size = sizeof(size_t)};
	struct sink sink = gate_begin(0, 0);
	size_t size = 12;

	gate.is_down = true;
	gate_offer_all(&sink, 20);
	sink_close(&sink);
	CHECK(gate_segments() > 0);
	memcpy(m.bytes, &size, sizeof(size));
	CHECK_FATAL(gate_open(view_of(m.bytes, m.size), &sink, &p) == SL_OK);
	CHECK_EQUAL(gate.size, 12);
	CHECK_EQUAL(gate_segments(), 0);
	sink_close(&sink);
}

static uint64_t fail_at;
static uint64_t fail_count;
static uint64_t steps;

static int fail_some_steps(enum io_step step)
{
	(void)step;
	steps++;
	return steps >= fail_at && steps < fail_at + fail_count ? ENOSPC : 0;
}

/** Its own disk fails: what it has not said to be delivered is kept by the caller, and written again. */
static void survives_each_failing_step(void)
{
	for (fail_count = 1; fail_count < 20; fail_count += 6) {
		for (fail_at = 1; fail_at < 1000; fail_at++) {
			struct sink sink = gate_begin(300, 0);
			struct problem p = {0};

			gate.is_down = true;
			steps = 0;
			io_fault = fail_some_steps;
			for (int i = 0; i < 60; i++) {
				(void)!gate_offer_one(&sink);
				if (i == 40)
					gate.is_down = false;
				if (i % 3 == 0)
					sink_poll(&sink);
				if (i % 5 == 0 && sink_sync(&sink, &p) != SL_OK)
					CHECK(p.file[0] != '\0' && p.remedy[0] != '\0');
				rig_now_ms += 150;
			}
			io_fault = NULL;
			rig_now_ms += 5000;
			sink_poll(&sink);
			if (steps < fail_at)
				fail_at = 10000;
			// Reading again after a failed read is for a person.
			if (!((struct sink_spool *)sink.self)->is_stuck) {
				gate_drain(&sink);
				CHECK(gate_has(gate_caller.offered));
			}
			CHECK(gate_caller.offered > (fail_count == 1 ? 30 : 0)
			      && gate_caller.failed == 0);
			CHECK(!gate_caller.is_out_of_order);
			sink_close(&sink);
		}
		CHECK(fail_at >= 10000);
	}
}
static const struct check_test tests[] = {
	{"lets pass when all is well", lets_pass_when_all_is_well},
	{"keeps what a sink that is down can not take",
	 keeps_what_a_sink_that_is_down_can_not_take},
	{"waits a while for one that is slow", waits_a_while_for_one_that_is_slow},
	{"keeps the order of mixtures", keeps_the_order_of_mixtures},
	{"keeps the order of what comes back", keeps_the_order_of_what_comes_back},
	{"is bounded", is_bounded},
	{"says when it is full and the sink down", says_when_it_is_full_and_the_sink_down},
	{"needs no room when the sink takes again", needs_no_room_when_the_sink_takes_again},
	{"comes through whatever fails", comes_through_whatever_fails},
	{"replays what is there at the open", replays_what_is_there_at_the_open},
	{"begins with a mark of the sink alone", begins_with_a_mark_of_the_sink_alone},
	{"survives each failing step", survives_each_failing_step},
};

int main(void)
{
	rig_prefer_memory();
	return check_run("spool", tests, sizeof(tests) / sizeof(tests[0]));
}
