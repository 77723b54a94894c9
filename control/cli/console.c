#include "control/cli/console.h"

#include "io/base/clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	CONSOLE_BAR_WIDTH = 30,
	CONSOLE_TEXT_MAX = 512,
	CONSOLE_RATE_NS = 1000000000 // of a job, before its rate says anything
};

void console_init(struct console *c, bool is_json, bool has_stream)
{
	*c = (struct console){.is_json = is_json, .job = ""};
	c->out = is_json && !has_stream ? stdout : stderr;
	c->has_bar = !is_json && isatty(STDERR_FILENO) && getenv("NO_PROGRESS") == NULL;
}

static void erase_bar(struct console *c)
{
	if (c->has_drawn)
		fputs("\r\033[K", c->out);
	c->has_drawn = false;
}

/** RFC 3339 of now, to the second. */
static void print_time(char *text, size_t size)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	struct tm parts;

	gmtime_r(&now, &parts);
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

static void print_object(struct console *c, json_t *object)
{
	char time[32];

	print_time(time, sizeof(time));
	json_object_set_new(object, "time", json_string(time));
	json_object_set_new(object, "job", json_string(c->job));
	json_dumpf(object, c->out, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
	fputc('\n', c->out);
	fflush(c->out);
	json_decref(object);
}

void console_state(struct console *c, enum batch_state state, const char *message)
{
	char time[32];

	erase_bar(c);
	if (c->is_json) {
		print_object(
			c,
			json_pack("{s:s,s:s}", "state", batch_state_name(state), "message", message)
		);
		return;
	}
	print_time(time, sizeof(time));
	fprintf(c->out, "%s %-8s %s\n", time, batch_state_name(state), message);
}

static double seconds_of(const struct batch_progress *p)
{
	return (double)p->elapsed_ns / 1e9;
}

static double rate_of(uint64_t count, const struct batch_progress *p)
{
	return p->elapsed_ns == 0 ? 0 : (double)count / seconds_of(p);
}

/** Share of the input that is read, in percent; -1 = not known. */
static int percent_of(const struct batch_progress *p)
{
	if (p->input_total == 0)
		return -1;
	return p->input_read >= p->input_total ? 100 : (int)(p->input_read * 100 / p->input_total);
}

static void draw_bar(struct console *c, const struct batch_progress *p)
{
	int percent = percent_of(p);
	char bar[CONSOLE_BAR_WIDTH + 1];

	memset(bar, '.', CONSOLE_BAR_WIDTH);
	bar[CONSOLE_BAR_WIDTH] = '\0';
	if (percent >= 0) {
		memset(bar, '#', (size_t)(percent * CONSOLE_BAR_WIDTH / 100));
		fprintf(c->out, "\r\033[K[%s] %3d%%", bar, percent);
	} else {
		fputs("\r\033[K", c->out);
	}
	fprintf(c->out,
		" %" PRIu64 " events, %.0f/s, %.0f MB/s",
		p->rows,
		rate_of(p->rows, p),
		rate_of(p->bytes_in, p) / 1e6);
	if (p->rows_bad != 0)
		fprintf(c->out, ", %" PRIu64 " bad", p->rows_bad);
	if (p->is_ending)
		fputs(", finishing keys and files", c->out);
	fflush(c->out);
	c->has_drawn = true;
}

static json_t *figures(const struct batch_progress *p)
{
	return json_pack(
		"{s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:f}",
		"events",
		(json_int_t)p->rows,
		"bad",
		(json_int_t)p->rows_bad,
		"blank_lines",
		(json_int_t)p->rows_blank,
		"fields_sealed",
		(json_int_t)p->fields_sealed,
		"bytes_in",
		(json_int_t)p->bytes_in,
		"bytes_sealed",
		(json_int_t)p->bytes_sealed,
		"seconds",
		seconds_of(p),
		"events_per_second",
		rate_of(p->rows, p)
	);
}

void console_progress(void *self, const struct batch_progress *p, bool is_tick)
{
	struct console *c = self;
	char message[CONSOLE_TEXT_MAX];

	if (is_tick) {
		if (c->has_bar)
			draw_bar(c, p);
		return;
	}
	if (c->is_json) {
		json_t *object = figures(p);

		json_object_set_new(object, "state", json_string(batch_state_name(BATCH_RUNNING)));
		if (percent_of(p) >= 0)
			json_object_set_new(object, "percent", json_integer(percent_of(p)));
		print_object(c, object);
		return;
	}
	// The first report comes with the first events: a rate would be one of the start.
	if (p->elapsed_ns < CONSOLE_RATE_NS)
		snprintf(message, sizeof(message), "%" PRIu64 " events so far", p->rows);
	else
		snprintf(
			message,
			sizeof(message),
			"%" PRIu64 " events, %.0f/s",
			p->rows,
			rate_of(p->rows, p)
		);
	console_state(c, BATCH_RUNNING, message);
}

static void print_json_end(struct console *c, const struct batch_progress *p, const char *message)
{
	json_t *object = figures(p);
	json_t *reasons = json_object();
	json_t *views = json_array();

	for (int reason = 1; reason < DROP_COUNT; reason++)
		if (p->rows_dropped[reason] != 0)
			json_object_set_new(
				reasons,
				drop_counter((enum drop_reason)reason),
				json_integer((json_int_t)p->rows_dropped[reason])
			);
	for (uint32_t v = 0; v < c->view_count; v++)
		json_array_append_new(
			views,
			json_pack(
				"{s:s,s:I,s:I}",
				"file",
				c->view_names[v],
				"events",
				(json_int_t)p->view_rows[v],
				"withheld",
				(json_int_t)p->view_withheld[v]
			)
		);
	json_object_set_new(object, "state", json_string(batch_state_name(BATCH_FINISHED)));
	json_object_set_new(object, "message", json_string(message));
	json_object_set_new(object, "keys", json_integer((json_int_t)p->keys_used));
	json_object_set_new(object, "bad_by_reason", reasons);
	json_object_set_new(object, "derived", views);
	print_object(c, object);
}

static void print_text_end(struct console *c, const struct batch_progress *p)
{
	for (uint32_t v = 0; v < c->view_count; v++) {
		fprintf(c->out, "    %s: %" PRIu64 " events", c->view_names[v], p->view_rows[v]);
		if (p->view_withheld[v] != 0)
			fprintf(c->out,
				", %" PRIu64 " withheld (unreadable: fail)",
				p->view_withheld[v]);
		fputc('\n', c->out);
	}
	for (int reason = 1; reason < DROP_COUNT; reason++)
		if (p->rows_dropped[reason] != 0)
			fprintf(c->out,
				"    bad: %" PRIu64 " %s (%s)\n",
				p->rows_dropped[reason],
				drop_counter((enum drop_reason)reason),
				drop_help((enum drop_reason)reason));
}

void console_finished(struct console *c, const struct batch_progress *p)
{
	char message[CONSOLE_TEXT_MAX];

	snprintf(
		message,
		sizeof(message),
		"processed %" PRIu64 " events in %.3f seconds: %.0f events/s, %.0f MB/s; %" PRIu64
		" fields sealed, %" PRIu64 " bad",
		p->rows,
		seconds_of(p),
		rate_of(p->rows, p),
		rate_of(p->bytes_in, p) / 1e6,
		p->fields_sealed,
		p->rows_bad
	);
	erase_bar(c);
	if (c->is_json) {
		print_json_end(c, p, message);
		return;
	}
	console_state(c, BATCH_FINISHED, message);
	print_text_end(c, p);
}

void console_error(struct console *c, enum batch_state state, const struct problem *problem)
{
	erase_bar(c);
	if (c->is_json) {
		json_t *object = json_pack(
			"{s:s,s:s}", "state", batch_state_name(state), "message", problem->what
		);

		if (problem->file[0] != '\0')
			json_object_set_new(object, "file", json_string(problem->file));
		if (problem->row != 0)
			json_object_set_new(object, "row", json_integer((json_int_t)problem->row));
		if (problem->line != 0)
			json_object_set_new(object, "line", json_integer(problem->line));
		json_object_set_new(object, "remedy", json_string(problem->remedy));
		print_object(c, object);
		return;
	}
	console_state(c, state, "the job ended without writing a target");
	problem_print(stderr, problem);
}
