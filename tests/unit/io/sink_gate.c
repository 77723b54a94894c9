#include "tests/unit/io/sink_gate.h"

#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_rig.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct view gate_no_mark;

struct gate gate;

static enum sl_status gate_offer(void *self, const struct sink_parcel *parcel)
{
	(void)self;
	gate.offers++;
	if (gate.is_down || gate.is_slow || gate.count == GATE_MAX)
		return SL_E_FULL;
	gate.parcels[gate.count++] = *parcel;
	return SL_OK;
}

static void gate_poll(void *self)
{
	(void)self;
}

static enum sl_status gate_sync(void *self, struct problem *ret_problem)
{
	(void)self;
	gate.is_down |= gate.is_broken;
	if (gate.is_down)
		return problem_set(ret_problem, SL_E_IO, "the gate is shut");
	for (uint32_t i = 0; i < gate.count; i++) {
		struct view v = gate.parcels[i].bytes;

		memcpy(gate.text + gate.size, v.bytes, v.size);
		gate.size += v.size;
		gate.report(gate.self, gate.parcels[i].tag, SL_OK);
	}
	gate.count = 0;
	return SL_OK;
}

static size_t gate_mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	(void)self;
	(void)capacity;
	gate.marked = gate.size;
	memcpy(ret_bytes, &gate.size, sizeof(gate.size));
	return sizeof(gate.size);
}

static void gate_confirm(void *self)
{
	(void)self;
	gate.confirmed = gate.marked;
}

static void gate_stats(void *self, struct sink_stats *ret_stats)
{
	(void)self;
	*ret_stats = (struct sink_stats){.is_down = gate.is_down, .is_due = gate.count != 0};
	snprintf(ret_stats->last_problem, sizeof(ret_stats->last_problem), "the gate is shut");
}

static void gate_recall(void *self)
{
	(void)self;
	for (uint32_t i = 0; i < gate.count; i++)
		gate.report(gate.self, gate.parcels[i].tag, SL_E_IO);
	gate.count = 0;
}

static void gate_close(void *self)
{
	struct problem p;

	if (gate_sync(self, &p) != SL_OK)
		gate_recall(self);
}

static const struct sink_ops gate_ops = {
	.offer = gate_offer,
	.poll = gate_poll,
	.sync = gate_sync,
	.mark = gate_mark,
	.stats = gate_stats,
	.close = gate_close,
	.confirm = gate_confirm,
	.recall = gate_recall,
};

struct gate_caller gate_caller;

static uint64_t now_ns(void)
{
	return rig_now_ms * 1000000;
}

static void take_report(void *self, uint64_t tag, enum sl_status status)
{
	struct gate_caller *c = self;

	c->is_out_of_order |= tag != c->reported;
	c->reported++;
	c->failed += status != SL_OK;
	memset(c->lines[tag], '!', sizeof(c->lines[tag]));
}

static struct sink_spool_options options;

enum sl_status gate_open(struct view mark, struct sink *ret_sink, struct problem *p)
{
	struct sink_spool *spool;
	struct view inner;

	options.directory = scratch_path("spool");
	options.clock.monotonic_ns = now_ns;
	options.mark = mark;
	SL_TRY(sink_spool_new(&options, take_report, &gate_caller, &spool, p));
	gate.report = sink_spool_report(spool, &gate.self);
	gate.count = 0;
	inner = sink_spool_inner_mark(spool);
	gate.size = 0;
	if (inner.size == sizeof(gate.size))
		memcpy(&gate.size, inner.bytes, sizeof(gate.size));
	*ret_sink = sink_spool_before(spool, (struct sink){.ops = &gate_ops, .self = &gate});
	return SL_OK;
}

void gate_forget(void)
{
	const char *directory = scratch_path("spool");

	if (access(directory, F_OK) == 0)
		scratch_empty(directory);
}

struct sink gate_begin(uint64_t segment_bytes, uint64_t bytes_max)
{
	struct problem p;
	struct sink sink = {0};

	gate_forget();
	memset(&gate, 0, sizeof(gate));
	memset(&gate_caller, 0, sizeof(gate_caller));
	options = (struct sink_spool_options){
		.segment_bytes = segment_bytes,
		.bytes_max = bytes_max,
	};
	CHECK_FATAL(gate_open(gate_no_mark, &sink, &p) == SL_OK);
	return sink;
}

enum sl_status gate_offer_one(const struct sink *sink)
{
	uint64_t n = gate_caller.offered;
	char *line = gate_caller.lines[n % GATE_MAX];
	int size = snprintf(
		line, 64, "line %llu %.*s\n", (unsigned long long)n, (int)(n % 9), "abcdefghi"
	);
	struct sink_parcel parcel = {
		.bytes = view_of(line, (size_t)size),
		.rows = 1,
		.tag = n,
	};
	enum sl_status status = sink_offer(sink, &parcel);

	gate_caller.offered += status == SL_OK;
	return status;
}

void gate_offer_all(const struct sink *sink, int count)
{
	for (int i = 0; i < count; i++)
		CHECK_EQUAL(gate_offer_one(sink), SL_OK);
}

struct spool_mark gate_commit(const struct sink *sink)
{
	struct spool_mark m = {0};
	struct problem p = {0};

	CHECK_EQUAL(sink_sync(sink, &p), SL_OK);
	CHECK_EQUAL(gate_caller.reported, gate_caller.offered);
	m.size = sink_mark(sink, m.bytes);
	sink_confirm(sink);
	return m;
}

bool gate_comes_through(const struct sink *sink)
{
	uint8_t mark[SINK_MARK_MAX];
	struct problem p;

	for (int i = 0; i < 500; i++) {
		struct sink_stats s;

		rig_now_ms += 50;
		sink_poll(sink);
		// As an egress thread does: no mark, so no room by a confirm, unless the sync went well.
		if (sink_sync(sink, &p) != SL_OK)
			continue;
		(void)sink_mark(sink, mark);
		sink_confirm(sink);
		sink_stats(sink, &s);
		if (!s.is_due)
			return gate_caller.reported == gate_caller.offered
				&& gate_caller.failed == 0 && !gate_caller.is_out_of_order
				&& gate_has(gate_caller.offered);
	}
	return false;
}

/** The gate has delivered the first count lines, and nothing else. */
bool gate_has(uint64_t count)
{
	size_t at = 0;

	for (uint64_t n = 0; n < count; n++) {
		char line[64];
		int size = snprintf(
			line,
			64,
			"line %llu %.*s\n",
			(unsigned long long)n,
			(int)(n % 9),
			"abcdefghi"
		);

		if (at + (size_t)size > gate.size
		    || memcmp(gate.text + at, line, (size_t)size) != 0)
			return false;
		at += (size_t)size;
	}
	return at == gate.size;
}

void gate_drain(const struct sink *sink)
{
	for (int i = 0; i < 3000; i++) {
		struct sink_stats s;

		rig_now_ms += 10;
		sink_poll(sink);
		gate_commit(sink);
		sink_stats(sink, &s);
		if (!s.is_due)
			return;
	}
	CHECK(false);
}

size_t gate_segments(void)
{
	return scratch_count(scratch_path("spool"));
}
