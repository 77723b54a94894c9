#include "control/cli/overview.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

enum {
	LINE_SIZE = 512, // bytes
	FIGURE_SIZE = 24
};

/** Lines under way: none is wider than the screen, none beyond its end. */
struct page {
	FILE *out; // NULL = lines are counted only
	uint32_t width;
	uint32_t line_max;
	uint32_t lines;
};

static void put(struct page *p, const char *format, ...)
	__attribute__((__format__(__printf__, 2, 3)));

static void put(struct page *p, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;

	if (p->lines >= p->line_max)
		return;
	p->lines++;
	if (p->out == NULL)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fprintf(p->out, "%.*s\n", (int)p->width, line);
}

static const char *scaled(
	double value,
	double step,
	const char *const units[],
	size_t unit_count,
	char *text,
	size_t size
)
{
	size_t unit = 0;

	while (value >= 999.5 && unit + 1 < unit_count) {
		value /= step;
		unit++;
	}
	snprintf(
		text,
		size,
		"%.*f%s",
		value < 9.995 && value != (double)(int64_t)value           ? 2
			: value < 99.95 && value != (double)(int64_t)value ? 1
									   : 0,
		value,
		units[unit]
	);
	return text;
}

const char *overview_count(double count, char *text, size_t size)
{
	static const char *const units[] = {"", "k", "M", "G", "T"};

	return scaled(count, 1000, units, 5, text, size);
}

const char *overview_ns(double ns, char *text, size_t size)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};

	return scaled(ns, 1000, units, 4, text, size);
}

static uint64_t number(const json_t *object, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(object, key));
}

static double rate(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(json_object_get(object, "per_second"), key));
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value != NULL ? value : "-";
}

/** 3 d 4 h, 4 h 5 min, 5 min 6 s, 6 s */
static const char *write_time(uint64_t s, char *to, size_t size)
{
	if (s >= 86400)
		snprintf(to, size, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
	else if (s >= 3600)
		snprintf(to, size, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
	else if (s >= 60)
		snprintf(to, size, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		snprintf(to, size, "%" PRIu64 " s", s);
	return to;
}

static void put_processes(struct page *p, const json_t *status)
{
	const json_t *control = json_object_get(status, "control");
	const json_t *dataplane = json_object_get(status, "dataplane");
	const json_t *keys = json_object_get(status, "keys");
	char time[FIGURE_SIZE];
	char a[FIGURE_SIZE];
	char b[FIGURE_SIZE];

	put(p,
	    "control    pid %" PRIu64 ", up %s, epoch %" PRIu64 "%s, %s",
	    number(control, "pid"),
	    write_time(number(control, "uptime_s"), time, sizeof(time)),
	    number(control, "epoch"),
	    json_is_true(json_object_get(control, "is_applying")) ? " (the next is on its way)"
								  : "",
	    text(control, "definitions"));
	if (json_is_object(dataplane))
		put(p,
		    "dataplane  pid %" PRIu64 ", up %s, epoch %" PRIu64
		    ", last change on every core in %s",
		    number(dataplane, "pid"),
		    write_time(number(dataplane, "uptime_s"), time, sizeof(time)),
		    number(dataplane, "epoch"),
		    overview_ns((double)number(dataplane, "policy_change_ns"), a, sizeof(a)));
	else
		put(p, "dataplane  none is attached");
	put(p,
	    "keys       %s in the vault, %s wait for it (of %" PRIu64 "), %" PRIu64 " commits%s%s",
	    overview_count((double)number(keys, "in_vault"), a, sizeof(a)),
	    overview_count((double)number(keys, "waiting"), b, sizeof(b)),
	    number(keys, "journal_records"),
	    number(keys, "commits"),
	    json_object_get(keys, "problem") != NULL ? "; FAILS: " : "",
	    json_object_get(keys, "problem") != NULL ? text(keys, "problem") : "");
}

static const json_t *workers_of(const json_t *status)
{
	return json_object_get(json_object_get(status, "dataplane"), "workers");
}

static void put_workers(struct page *p, const json_t *status, size_t row_max)
{
	const json_t *workers = workers_of(status);
	const size_t count = json_array_size(workers);
	// A last row is as long as the line that would tell of it.
	const size_t rows = count > row_max + 1 ? row_max : count;
	const json_t *worker;
	size_t i;

	if (count == 0)
		return;
	put(p, "%s", "");
	put(p, "worker core  busy  events/s   turns");
	json_array_foreach(workers, i, worker)
	{
		const json_t *core = json_object_get(worker, "core");
		char core_text[FIGURE_SIZE] = "any";
		char events[FIGURE_SIZE];
		char turns[FIGURE_SIZE];

		if (i == rows)
			break;
		if (core != NULL)
			snprintf(core_text, sizeof(core_text), "%" PRIu64, number(worker, "core"));
		put(p,
		    "%6" PRIu64 " %4s %4.0f%% %9s %7s",
		    number(worker, "worker"),
		    core_text,
		    json_number_value(json_object_get(worker, "busy_percent")),
		    overview_count(
			    json_number_value(json_object_get(worker, "events_per_second")),
			    events,
			    sizeof(events)
		    ),
		    overview_count((double)number(worker, "turns"), turns, sizeof(turns)));
	}
	if (rows != count)
		put(p, "… %zu more workers: sealane status", count - rows);
}

/** A latency, or - when none was measured. */
static const char *write_latency(const json_t *latency, const char *key, char *to, size_t size)
{
	if (number(latency, "count") == 0) {
		snprintf(to, size, "-");
		return to;
	}
	return overview_ns((double)number(latency, key), to, size);
}

/** Recent percentiles when something came lately, else those since the start. */
static void put_stream(struct page *p, const json_t *stream)
{
	const json_t *recent = json_object_get(stream, "recent_latency_ns");
	const json_t *ever = json_object_get(stream, "latency_ns");
	const json_t *latency = number(recent, "count") != 0 ? recent : ever;
	const json_t *sink = json_object_get(stream, "sink");
	char f[8][FIGURE_SIZE];

	put(p,
	    "%-15.15s %5" PRIu64 " %-6s %7s %7s %6s %6s %6s %6s %6s %s",
	    text(stream, "stream"),
	    number(stream, "port"),
	    text(stream, "mode"),
	    overview_count(rate(stream, "events_in"), f[0], sizeof(f[0])),
	    overview_count(rate(stream, "delivered"), f[1], sizeof(f[1])),
	    overview_count(rate(stream, "events_dead"), f[2], sizeof(f[2])),
	    overview_count(rate(stream, "drops"), f[3], sizeof(f[3])),
	    write_latency(latency, "p50", f[4], sizeof(f[4])),
	    write_latency(latency, "p99", f[5], sizeof(f[5])),
	    write_latency(latency, "p999", f[6], sizeof(f[6])),
	    json_is_true(json_object_get(sink, "is_down")) ? "DOWN" : "");
}

/** Before all that may be longer than the screen. A screen of 80 columns has room for the line. */
static void put_alarms(struct page *p, const json_t *status)
{
	const json_t *stream;
	size_t i;

	json_array_foreach(json_object_get(status, "streams"), i, stream)
	{
		const json_t *sink = json_object_get(stream, "sink");

		if (json_is_true(json_object_get(sink, "is_down")))
			put(p,
			    "%.15s: a sink is down, its events wait; the dataplane's log says why",
			    text(stream, "stream"));
	}
}

static void put_totals(struct page *p, const json_t *stream)
{
	const json_t *counts = json_object_get(stream, "counts");
	const json_t *sink = json_object_get(stream, "sink");
	char f[7][FIGURE_SIZE];

	put(p,
	    "%-15.15s %7s %7s %7s %7s %7s %7s %7s",
	    text(stream, "stream"),
	    overview_count((double)number(counts, "events_in"), f[0], sizeof(f[0])),
	    overview_count((double)number(counts, "events_sealed"), f[1], sizeof(f[1])),
	    overview_count((double)number(counts, "events_derived"), f[2], sizeof(f[2])),
	    overview_count((double)number(counts, "events_dead"), f[3], sizeof(f[3])),
	    overview_count((double)number(sink, "rows_delivered"), f[4], sizeof(f[4])),
	    overview_count((double)number(sink, "rows_waiting"), f[5], sizeof(f[5])),
	    overview_count((double)number(stream, "keys"), f[6], sizeof(f[6])));
}

/** @param is_first the line has its heading before it */
static bool put_drops(struct page *p, const char *name, const json_t *object, bool is_first)
{
	static const char *const kinds[] = {"event_drops", "frame_drops"};
	char line[LINE_SIZE] = "";
	size_t size = 0;

	for (int k = 0; k < 2; k++) {
		json_t *drops = json_object_get(object, kinds[k]);
		const char *reason;
		json_t *value;

		json_object_foreach(drops, reason, value)
		{
			if (size < sizeof(line) - 80)
				size += (size_t)snprintf(
					line + size,
					sizeof(line) - size,
					"%s%.40s %" JSON_INTEGER_FORMAT,
					size == 0 ? "" : ", ",
					reason,
					json_integer_value(value)
				);
		}
	}
	if (size == 0)
		return false;
	if (is_first) {
		put(p, "%s", "");
		put(p, "dropped and dead, by reason");
	}
	put(p, "%-15.15s %s", name, line);
	return true;
}

static void put_streams(struct page *p, const json_t *status)
{
	const json_t *streams = json_object_get(status, "streams");
	const json_t *stream;
	bool is_first = true;
	size_t i;

	put(p, "%s", "");
	put(p, "stream           port mode   event/s delivrd dead/s drop/s    p50    p99  p99.9");
	json_array_foreach(streams, i, stream)
	{
		put_stream(p, stream);
	}
	if (json_array_size(streams) == 0)
		put(p, "(none: sealane apply -f DIR)");
	put(p, "%s", "");
	put(p, "since the start       in  sealed derived    dead delivrd waiting    keys");
	json_array_foreach(streams, i, stream)
	{
		put_totals(p, stream);
	}
	json_array_foreach(streams, i, stream)
	{
		if (put_drops(p, text(stream, "stream"), stream, is_first))
			is_first = false;
	}
	(void)put_drops(p, "(no stream)", json_object_get(status, "other"), is_first);
}

static void put_all(struct page *p, const json_t *status, size_t worker_rows)
{
	put_processes(p, status);
	put_alarms(p, status);
	put_workers(p, status, worker_rows);
	put_streams(p, status);
}

static uint32_t count_lines(const json_t *status, size_t worker_rows)
{
	struct page p = {.line_max = UINT32_MAX};

	put_all(&p, status, worker_rows);
	return p.lines;
}

uint32_t overview_print(FILE *out, const struct overview *overview)
{
	const uint32_t line_max = overview->line_max != 0 ? overview->line_max : UINT32_MAX;
	const size_t worker_count = json_array_size(workers_of(overview->status));
	struct page p = {.out = out, .width = overview->width, .line_max = line_max};
	size_t worker_rows = worker_count;
	uint32_t lines = count_lines(overview->status, worker_rows);

	// Many workers leave the screen to the streams: one of them stays, and a line that tells of the others.
	if (lines > line_max) {
		const size_t left_out = lines - line_max + 1;

		worker_rows = worker_count > left_out ? worker_count - left_out : 1;
		lines = count_lines(overview->status, worker_rows);
	}
	if (lines <= line_max) {
		put_all(&p, overview->status, worker_rows);
		return p.lines;
	}
	p.line_max = line_max - 1;
	put_all(&p, overview->status, worker_rows);
	p.line_max = line_max;
	put(&p, "… %" PRIu32 " more lines: sealane status", lines - (line_max - 1));
	return p.lines;
}
