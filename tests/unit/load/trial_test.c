#include "bench/load/trial.h"
#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	DURATION_NS = 50000000,
	CLOCK_STEP_NS = 2000,
	CLOCK_LEAP_NS = 2000000 // long after a trial's time
};

/** Time that passes as it is looked at: nothing here depends on who else is on the machine. */
static uint64_t clock_ns;
static uint64_t start_ns;

uint64_t clock_monotonic_ns(void)
{
	return clock_ns += clock_ns - start_ns < 2 * DURATION_NS ? CLOCK_STEP_NS : CLOCK_LEAP_NS;
}

/** A transport that loses and refuses as it is told. */
static struct fake {
	uint64_t lose_every;  // 0 = none
	uint64_t refuse_from; // takes no more than so many; 0 = all
	uint64_t fail_at;     // 0 = never
	uint64_t capacity;    // events/s; 0 = any
	uint64_t ack_ns;      // answers come so long after the start; 0 = at once
	uint64_t sent;
	uint64_t unanswered;
	uint64_t last_number;
	bool is_ordered;
	struct counters *counters; // of a silent one's other side; NULL = it answers
} fake;

static bool has_room(void)
{
	return (fake.refuse_from == 0 || fake.sent < fake.refuse_from)
		&& (fake.capacity == 0
		    || fake.sent < (clock_ns - start_ns) * fake.capacity / 1000000000);
}

static size_t send_fake(struct transport *t, const struct shot shots[], size_t count)
{
	size_t taken = 0;

	CHECK(count != 0 && count <= SHOTS_MAX);
	while (taken < count && has_room()) {
		const struct shot *shot = &shots[taken++];

		fake.is_ordered = fake.is_ordered && shot->number == fake.last_number + 1;
		fake.last_number = shot->number;
		fake.sent++;
		if (fake.lose_every != 0 && fake.sent % fake.lose_every == 0)
			continue;
		if (fake.ack_ns != 0) {
			fake.unanswered++;
			continue;
		}
		t->delivered++;
		if (t->latency != NULL)
			histogram_record(t->latency, 1000, 1);
	}
	if (fake.fail_at != 0 && fake.sent >= fake.fail_at)
		transport_fail(t, "the wire is cut");
	return taken;
}

/** Nothing comes back: a dataplane counts. Of every lose_every one is dropped. */
static size_t send_silent(struct transport *t, const struct shot shots[], size_t count)
{
	(void)t;
	(void)shots;
	for (size_t i = 0; i < count; i++) {
		fake.sent++;
		if (fake.lose_every != 0 && fake.sent % fake.lose_every == 0) {
			fake.counters->row[PLANE_STREAMS_MAX].frame_drop[3]++;
			continue;
		}
		fake.counters->row[0].value[COUNTER_EVENTS_IN]++;
		fake.counters->sink[0].rows_delivered++;
		fake.counters->sink[0].latency_ns[counters_latency_bucket(1000)]++;
	}
	return count;
}

static void poll_fake(struct transport *t)
{
	if (clock_ns - start_ns < fake.ack_ns)
		return;
	t->delivered += fake.unanswered;
	fake.unanswered = 0;
}

void transport_fail(struct transport *t, const char *format, ...)
{
	snprintf(t->fault, sizeof(t->fault), "%s", format);
}

static uint64_t begun; // trials

static void begin_fake(struct transport *t)
{
	(void)t;
	begun++;
}

static const struct transport_kind kind = {
	.name = "fake",
	.is_answered = true,
	.begin = begin_fake,
	.send = send_fake,
	.poll = poll_fake,
};

static const struct transport_kind silent_kind = {
	.name = "silent",
	.send = send_silent,
	.poll = poll_fake,
};

static volatile sig_atomic_t is_stopped;
static struct trial trial;

static enum sl_status run(struct fake how, double rate, bool is_poisson)
{
	struct transport transport = {
		.kind = how.counters != NULL ? &silent_kind : &kind,
		.is_counted = how.counters == NULL,
		.delivered = 77,
	};
	struct stock_event events[SHOTS_MAX] = {{.size = 100}};
	struct stock stock = {.events = events, .count = SHOTS_MAX};
	struct load load = {
		.transport = &transport,
		.stock = &stock,
		.is_poisson = is_poisson,
		.seed = 1,
		.is_stopped = &is_stopped,
	};
	struct counted counted;
	struct problem problem;
	struct draw draw;
	enum sl_status status;

	fake = how;
	fake.is_ordered = true;
	start_ns = clock_ns;
	CHECK_FATAL(draw_init(&draw, DRAW_UNIFORM, 0, 10, 1) == SL_OK);
	CHECK_FATAL(counted_open(&counted, NULL, &transport, &problem) == SL_OK);
	if (how.counters != NULL)
		counted = (struct counted){.source = COUNTED_BY_COUNTERS, .counters = how.counters};
	load.draw = &draw;
	load.counted = &counted;
	status = trial_run(&load, rate, DURATION_NS, &trial, &problem);
	if (how.counters == NULL)
		counted_close(&counted);
	draw_done(&draw);
	return status;
}

static void test_all_come_through(void)
{
	CHECK(run((struct fake){0}, 100000, false) == SL_OK);
	CHECK_EQUAL(trial.due, 5000);
	CHECK_EQUAL(trial.offered, 5000);
	CHECK_EQUAL(trial.taken, 5000);
	CHECK_EQUAL(trial.latency.count, 5000);
	CHECK_EQUAL(trial.late.count, 5000);
	CHECK(fake.is_ordered && fake.last_number == 5000);
	CHECK(trial.is_counted && trial_lost(&trial) == 0 && trial_is_good(&trial, 0));
	CHECK_EQUAL(trial.no_room_ns, 0);
	CHECK_EQUAL(begun, 1);
}

static void test_poisson(void)
{
	CHECK(run((struct fake){0}, 100000, true) == SL_OK);
	CHECK(trial.due > 4700 && trial.due < 5300);
	CHECK_EQUAL(trial.offered, trial.due);
}

static void test_losses(void)
{
	CHECK(run((struct fake){.lose_every = 100}, 100000, false) == SL_OK);
	CHECK_EQUAL(trial.offered, 5000);
	CHECK_EQUAL(trial.taken, 4950);
	CHECK_EQUAL(trial_lost(&trial), 50);
	CHECK(!trial_is_good(&trial, 0) && !trial_is_good(&trial, 0.0099));
	CHECK(trial_is_good(&trial, 0.01));
}

/** What could not be sent in time is lost: a generator that is held back must not look good. */
static void test_held_back(void)
{
	CHECK(run((struct fake){.refuse_from = 1000}, 100000, false) == SL_OK);
	CHECK_EQUAL(trial.due, 5000);
	CHECK_EQUAL(trial.offered, 1000);
	CHECK_EQUAL(trial_lost(&trial), 4000);
	CHECK(!trial_is_good(&trial, 0.5));
	// From the moment that the thousandth was due: it is known that it was not the generator.
	CHECK(trial.no_room_ns > DURATION_NS / 2);
}

/** What is sent after the trial's time does not make up for what was not sent in it. */
static void test_too_slow(void)
{
	CHECK(run((struct fake){.capacity = 90000}, 100000, false) == SL_OK);
	CHECK_EQUAL(trial.due, 5000);
	CHECK(trial.offered < 90000 * 0.0503 && !trial_is_good(&trial, 0));
	CHECK((double)trial.offered / trial.seconds < 90000 * 1.0001);
}

/** A little may be sent late, and then the time that it took counts. */
static void test_slightly_late(void)
{
	CHECK(run((struct fake){.capacity = 99700}, 100000, false) == SL_OK);
	CHECK(trial.offered == 5000 && trial_is_good(&trial, 0));
	CHECK(trial.seconds > 0.0501 && trial.seconds < 0.0503);
	CHECK((double)trial.offered / trial.seconds < 99700 * 1.0001);
	CHECK(run((struct fake){0}, 100000, false) == SL_OK);
	CHECK(trial.seconds == 0.05);
}

/** The time without room is of the trial's. */
static void test_no_room_at_all(void)
{
	CHECK(run((struct fake){.refuse_from = 1}, 100000, false) == SL_OK);
	CHECK_EQUAL(trial.offered, 1);
	CHECK((double)trial.no_room_ns <= trial.seconds * 1e9);
	CHECK((double)trial.no_room_ns > 0.99 * trial.seconds * 1e9);
}

/** Answers are waited for, also when none has come for a while, but not for ever. */
static void test_answered_late(void)
{
	CHECK(run((struct fake){.ack_ns = 2000000000}, 100000, false) == SL_OK);
	CHECK(trial.offered == 5000 && trial.taken == 5000 && fake.unanswered == 0);
	CHECK(run((struct fake){.ack_ns = 6000000000}, 100000, false) == SL_OK);
	CHECK(trial.offered == 5000 && trial.taken == 0);
}

/** Where nothing comes back, latencies are from the time due all the same, unless some are missing. */
static void test_followed(void)
{
	const size_t size = counters_size(1);
	struct counters *c = aligned_alloc(64, (size + 63) / 64 * 64);

	CHECK_FATAL(c != NULL);
	memset(c, 0, size);
	c->worker_count = 1;
	c->stream_id[0][0] = 1;
	CHECK(run((struct fake){.counters = c}, 20000, true) == SL_OK);
	CHECK(trial.offered == trial.due && trial.taken == trial.due);
	CHECK_EQUAL(trial.latency.count, trial.due);
	CHECK_EQUAL(trial.inside.count, trial.due);
	CHECK(trial.latency.max_ns >= trial.late.max_ns);

	CHECK(run((struct fake){.counters = c, .lose_every = 100}, 20000, false) == SL_OK);
	CHECK(trial_lost(&trial) == 10 && trial.dropped == 10);
	CHECK_EQUAL(trial.latency.count, 0);
	CHECK_EQUAL(trial.inside.count, 990);
	free(c);
}

static void test_failures(void)
{
	CHECK(run((struct fake){.fail_at = 10}, 100000, false) == SL_E_IO);
	is_stopped = 1;
	CHECK(run((struct fake){0}, 100000, false) == SL_E_INTERRUPTED);
	is_stopped = 0;
}

/** Counters as a dataplane of two workers writes them. */
static void test_counters(void)
{
	const size_t size = counters_size(2);
	const char *path = scratch_path("counters");
	struct counters *c = aligned_alloc(64, (size + 63) / 64 * 64);
	static struct counted_figures figures;
	static struct counted_figures none;
	static struct histogram latency;
	struct transport transport = {.kind = &kind};
	struct counted counted;
	struct problem problem;

	memset(c, 0, size);
	c->magic = COUNTERS_MAGIC;
	c->version = COUNTERS_VERSION;
	c->size = (uint32_t)size;
	c->worker_count = 2;
	c->row[0].value[COUNTER_EVENTS_IN] = 5;
	c->row[PLANE_STREAMS_MAX + 1].value[COUNTER_EVENTS_IN] = 7;
	c->row[2 * PLANE_STREAMS_MAX + 1].frame_drop[3] = 2;
	c->sink[0].rows_delivered = 11;
	c->sink[PLANE_STREAMS_MAX - 1].rows_delivered = 1;
	c->sink[1].latency_ns[counters_latency_bucket(1000000)] = 4;
	scratch_write(path, c, size);
	CHECK_FATAL(counted_open(&counted, path, &transport, &problem) == SL_OK);
	counted_read(&counted, &figures);
	CHECK(figures.taken == 12 && figures.delivered == 12);
	CHECK(figures.dropped == 2 && figures.drop[3] == 2);
	counted_latency(&none, &figures, &latency);
	CHECK(latency.count == 4 && latency.min_ns >= 1000000 && latency.max_ns < 1100000);
	counted_close(&counted);

	c->magic++;
	scratch_write(path, c, size);
	CHECK(counted_open(&counted, path, &transport, &problem) == SL_E_CORRUPT);
	scratch_write(path, c, 0);
	CHECK(counted_open(&counted, path, &transport, &problem) == SL_E_CORRUPT);
	CHECK(counted_open(&counted, "/nowhere/at/all", &transport, &problem) == SL_E_NOT_FOUND);
	free(c);
}

/** The counters of a process are found among its files: here its own. */
static void test_counters_of_process(void)
{
	const size_t size = counters_size(1);
	struct counters head = {
		.magic = COUNTERS_MAGIC,
		.version = COUNTERS_VERSION,
		.size = (uint32_t)size,
		.worker_count = 1,
	};
	int fd = memfd_create("sealane-counters", MFD_CLOEXEC);
	struct transport transport = {.kind = &kind};
	struct counted counted;
	struct problem problem;
	char pid[20];

	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	CHECK_FATAL(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
	CHECK_FATAL(pwrite(fd, &head, sizeof(head), 0) == sizeof(head));
	CHECK(counted_open(&counted, pid, &transport, &problem) == SL_OK);
	CHECK(counted.source == COUNTED_BY_COUNTERS && counted.counters->worker_count == 1);
	counted_close(&counted);
	close(fd);
	CHECK(counted_open(&counted, pid, &transport, &problem) == SL_E_NOT_FOUND);
}

static const struct check_test tests[] = {
	{"all come through", test_all_come_through},
	{"as many as a Poisson process makes", test_poisson},
	{"losses", test_losses},
	{"a transport that takes no more", test_held_back},
	{"a transport that is too slow", test_too_slow},
	{"a transport that is slightly late", test_slightly_late},
	{"a transport without room", test_no_room_at_all},
	{"answers that come late", test_answered_late},
	{"a transport that nothing comes back by", test_followed},
	{"failures", test_failures},
	{"counters of a dataplane", test_counters},
	{"counters of a process", test_counters_of_process},
};
CHECK_MAIN("trial")
