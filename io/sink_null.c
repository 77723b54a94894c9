#include "io/sink.h"

#include <stdlib.h>

enum {
	TAGS = 4096 // parcels between two polls
};

struct null_sink {
	sink_report_fn *report;
	void *self;
	struct sink_stats stats;
	uint64_t bytes_waiting;
	uint32_t count;
	uint64_t tags[TAGS];
};

static enum sl_status offer(void *self, const struct sink_parcel *parcel)
{
	struct null_sink *n = self;

	if (n->count == TAGS)
		return SL_E_FULL;
	n->tags[n->count++] = parcel->tag;
	n->stats.rows_waiting += parcel->rows;
	n->bytes_waiting += parcel->bytes.size;
	return SL_OK;
}

static void poll_reports(void *self)
{
	struct null_sink *n = self;

	for (uint32_t i = 0; i < n->count; i++)
		n->report(n->self, n->tags[i], SL_OK);
	n->count = 0;
	n->stats.rows_delivered += n->stats.rows_waiting;
	n->stats.bytes_delivered += n->bytes_waiting;
	n->stats.rows_waiting = 0;
	n->bytes_waiting = 0;
}

static enum sl_status sync_all(void *self, struct problem *ret_problem)
{
	struct null_sink *n = self;

	(void)ret_problem;
	poll_reports(n);
	n->stats.syncs++;
	return SL_OK;
}

static size_t mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	(void)self;
	(void)ret_bytes;
	(void)capacity;
	return 0;
}

static void stats(void *self, struct sink_stats *ret_stats)
{
	const struct null_sink *n = self;

	*ret_stats = n->stats;
	ret_stats->is_due = n->count != 0;
}

static void close_sink(void *self)
{
	poll_reports(self);
	free(self);
}

static const struct sink_ops null_ops = {
	.offer = offer,
	.poll = poll_reports,
	.sync = sync_all,
	.mark = mark,
	.stats = stats,
	.close = close_sink,
};

enum sl_status sink_null_open(sink_report_fn *report, void *self, struct sink *ret_sink)
{
	struct null_sink *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return SL_E_NOMEM;
	n->report = report;
	n->self = self;
	*ret_sink = (struct sink){.ops = &null_ops, .self = n};
	return SL_OK;
}
