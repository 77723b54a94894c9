#include "dataplane/runtime/runtime_inner.h"
#include "tests/support/check.h"
#include "tests/support/plane_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// Rows of the counters go from streams that are gone to new ones, which begin at zero.

enum {
	EVENTS = 20,
	PORT_FIRST = 7001,
	SETTLE_US = 100 * 1000 // time for what nobody shall count
};

struct texts {
	char name[16];
	char contract[160];
	char listen[40];
};

static struct plane_rig *rig;
static struct texts texts[PLANE_STREAMS_MAX];

/** Put so many streams in force, all of names that begin so. */
static void apply(const char *prefix, uint32_t count)
{
	struct rig_stream streams[PLANE_STREAMS_MAX + 1] = {0};
	struct problem problem = {0};
	enum sl_status status;

	for (uint32_t s = 0; s < count; s++) {
		struct texts *t = &texts[s];

		snprintf(t->name, sizeof(t->name), "%s-%02u", prefix, s);
		snprintf(
			t->contract,
			sizeof(t->contract),
			"contract: acme/c-%02u/1.0.0\nkey: user\n"
			"fields: {user: {type: string, personal: 0, required: true}}\n",
			s
		);
		snprintf(t->listen, sizeof(t->listen), "{port: %u, mode: plain}", PORT_FIRST + s);
		streams[s] = (struct rig_stream
		){.name = t->name,
		  .contract = t->contract,
		  .listen = t->listen,
		  .sink = "{null: true}"};
	}
	status = plane_rig_apply(rig, streams, &problem);
	if (status != SL_OK)
		problem_print(stdout, &problem);
	CHECK_FATAL(status == SL_OK);
}

static void send_events(uint32_t stream, const char *user)
{
	char text[60];

	for (uint32_t n = 0; n < EVENTS; n++) {
		int size = snprintf(text, sizeof(text), "{\"user\":\"%s-%u\"}", user, n);

		plane_rig_send_text(rig, (uint16_t)(PORT_FIRST + stream), text, (size_t)size);
	}
	plane_rig_send_text(rig, (uint16_t)(PORT_FIRST + stream), "{", 1);
}

static bool has_delivered(struct plane_rig *r, uint64_t rows)
{
	return plane_rig_delivered(r) >= rows;
}

static bool is_waiting(struct plane_rig *r, uint64_t rows)
{
	return runtime_counters(r->runtime)->sink[0].rows_waiting >= rows;
}

/** Rows of the counters that anything is counted in. */
static uint32_t used_rows(void)
{
	const struct counters *c = runtime_counters(rig->runtime);
	uint32_t used = 0;

	for (uint32_t row = 0; row < PLANE_STREAMS_MAX; row++) {
		const uint8_t *counts = (const void *)&c->row[row];
		const uint8_t *sink = (const void *)&c->sink[row];
		bool is_used = false;

		for (size_t at = 0; at < sizeof(c->row[row]); at++)
			is_used |= counts[at] != 0;
		for (size_t at = 0; at < sizeof(c->sink[row]); at++)
			is_used |= sink[at] != 0;
		used += is_used;
	}
	return used;
}

/** The egress thread begins its rows when it comes to it. */
static bool uses_rows(struct plane_rig *r, uint64_t rows)
{
	(void)r;
	return used_rows() == rows;
}

/** As after a long life: every row that no stream has now was one's that is gone. */
static void use_up_rows(void)
{
	static const uint8_t nobody[16];
	struct counters *c = rig->runtime->counters;

	for (uint8_t row = 0; row < PLANE_STREAMS_MAX; row++)
		if (memcmp(c->stream_id[row], nobody, 16) == 0)
			memset(c->stream_id[row], 0x80 + row, 16);
}

/** Rows go over while events of the streams of before are still on their way. */
static void rows_of_streams_that_go(void)
{
	apply("a", 2);
	use_up_rows();
	send_events(1, "first");
	CHECK(plane_rig_wait(has_delivered, rig, EVENTS));
	atomic_store(&rig->is_held, true);
	send_events(0, "second");
	CHECK(plane_rig_wait(is_waiting, rig, EVENTS));
	CHECK_EQUAL(used_rows(), 2);
	apply("b", 2);
	CHECK(plane_rig_wait(uses_rows, rig, 0));
	atomic_store(&rig->is_held, false);
	usleep(SETTLE_US);
	CHECK_EQUAL(used_rows(), 0);
	send_events(1, "third");
	CHECK(plane_rig_wait(has_delivered, rig, EVENTS));
	CHECK_EQUAL(used_rows(), 1);
}

/** A stream that comes back before anybody took its row has its counts. */
static void rows_of_streams_that_went(void)
{
	apply("b", 3);
	send_events(2, "fourth");
	CHECK(plane_rig_wait(has_delivered, rig, 2 * EVENTS));
	apply("b", 1);
	apply("b", 3);
	CHECK_EQUAL(used_rows(), 2);
	apply("b", 1);
	apply("c", 3);
	CHECK(plane_rig_wait(uses_rows, rig, 0));
}

static void a_worker_has_counted_all(void)
{
	const struct counters *c = runtime_counters(rig->runtime);

	CHECK(c->gone[0].value[COUNTER_EVENTS_IN] >= 4 * EVENTS);
	CHECK(c->gone[0].value[COUNTER_TURNS] > 0);
}

static const struct check_test tests[] = {
	{"rows of streams that go", rows_of_streams_that_go},
	{"rows of streams that went", rows_of_streams_that_went},
	{"a worker has counted all", a_worker_has_counted_all},
};

int main(void)
{
	int code;

	rig = plane_rig_new();
	code = check_run("rows", tests, sizeof(tests) / sizeof(tests[0]));
	plane_rig_free(rig);
	return code;
}
