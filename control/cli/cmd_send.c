#include "control/cli/command.h"
#include "control/cli/send_options.h"
#include "dataplane/datagram/sealane_client.h"
#include "io/base/clock.h"
#include "io/chunks.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	REPORT_NS = 250000000, // between two lines of progress
	POLL_MS = 100,
	BATCH = 64, // events between two looks at the socket
	LINE_SIZE = 256,
	WIDTH_DEFAULT = 80
};

struct sending {
	const struct send_arguments *arguments;
	struct sl_client *client;
	uint64_t started_ns;
	uint64_t alive_ns; // the last acknowledgement, or the start
	uint64_t acked;    // events, then
	uint64_t report_ns;
	uint64_t row;
	uint32_t unpolled;
	bool has_bar;
	bool has_drawn;
};

/** Columns that a line has which the next one is drawn over: one that is wrapped can not be. */
static int bar_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return WIDTH_DEFAULT - 1;
	return size.ws_col - 1;
}

static void draw(struct sending *s, bool is_last)
{
	const uint64_t took_ns = clock_monotonic_ns() - s->started_ns;
	char line[LINE_SIZE];
	struct sl_client_stats stats;

	sl_client_get_stats(s->client, &stats);
	snprintf(
		line,
		sizeof(line),
		"%" PRIu64 " events sent, %" PRIu64 " stored, %" PRIu64 " events/s, %" PRIu64
		" datagrams, %" PRIu64 " of them again",
		stats.events_offered,
		stats.events_acked,
		took_ns != 0 ? stats.events_acked * 1000000 / (took_ns / 1000 + 1) : 0,
		stats.datagrams_sent,
		stats.datagrams_resent
	);
	if (s->has_bar)
		fprintf(stderr, "\r%.*s\033[K", is_last ? LINE_SIZE : bar_width(), line);
	else
		fputs(line, stderr);
	if (is_last)
		fputc('\n', stderr);
	s->has_drawn = true;
}

static void report(struct sending *s)
{
	const uint64_t now_ns = clock_monotonic_ns();

	if (!s->has_bar || now_ns < s->report_ns)
		return;
	s->report_ns = now_ns + REPORT_NS;
	draw(s, false);
}

static enum exit_code fail(struct sending *s, enum sl_client_status status)
{
	if (s->has_drawn)
		fputc('\n', stderr);
	fprintf(stderr, "sealane: %s\n", sl_client_error(s->client));
	switch (status) {
	case SL_CLIENT_REFUSED:
		fputs("    let the client send to the stream (clients.yaml), or name another "
		      "port\n",
		      stderr);
		return EXIT_KEYS;
	case SL_CLIENT_KEY_FILE:
		fputs("    name a file that `sealane create client` has written, of mode 0600\n",
		      stderr);
		return EXIT_KEYS;
	case SL_CLIENT_TOO_BIG:
	case SL_CLIENT_EVENT:
		return EXIT_INPUT;
	case SL_CLIENT_OPTION:
		return EXIT_USAGE;
	case SL_CLIENT_OK:
	case SL_CLIENT_AGAIN:
	case SL_CLIENT_ADDRESS:
	case SL_CLIENT_SYSTEM:
	case SL_CLIENT_TIMEOUT:
		break;
	}
	return EXIT_ENVIRONMENT;
}

/** Let the client work; SL_CLIENT_TIMEOUT when nothing has been acknowledged for too long. */
static enum sl_client_status work(struct sending *s, int wait_ms)
{
	const enum sl_client_status status = sl_client_poll(s->client, wait_ms);
	struct sl_client_stats stats;

	report(s);
	s->unpolled = 0;
	sl_client_get_stats(s->client, &stats);
	if (stats.events_acked != s->acked || stats.events_acked == stats.events_offered) {
		s->acked = stats.events_acked;
		s->alive_ns = clock_monotonic_ns();
	} else if (clock_monotonic_ns() - s->alive_ns > (uint64_t)s->arguments->timeout_ms * 1000000) {
		return SL_CLIENT_TIMEOUT;
	}
	return status;
}

static enum exit_code time_out(struct sending *s)
{
	// An empty wait asks the client for its words.
	(void)sl_client_flush(s->client, 0);
	return fail(s, SL_CLIENT_TIMEOUT);
}

static enum exit_code send_event(struct sending *s, struct view event)
{
	enum sl_client_status status;

	// A line end of DOS is none of the event.
	if (event.size > 1 && event.bytes[event.size - 1] == '\r')
		event.size--;
	while ((status = sl_client_offer(s->client, event.bytes, event.size, NULL))
	       == SL_CLIENT_AGAIN) {
		status = work(s, POLL_MS);
		if (status == SL_CLIENT_TIMEOUT)
			return time_out(s);
		if (status != SL_CLIENT_OK)
			return fail(s, status);
	}
	if (status != SL_CLIENT_OK) {
		fprintf(stderr, "sealane: %s: row %" PRIu64 "\n", s->arguments->file, s->row);
		return fail(s, status);
	}
	if (++s->unpolled < BATCH)
		return EXIT_DONE;
	status = work(s, 0);
	if (status == SL_CLIENT_TIMEOUT)
		return time_out(s);
	return status == SL_CLIENT_OK ? EXIT_DONE : fail(s, status);
}

/** The next rows. The time that the input takes is none in which the appliance has not answered. */
static enum sl_status read_rows(
	struct sending *s,
	struct chunks *chunks,
	struct chunk *ret_chunk,
	struct problem *ret_problem
)
{
	const uint64_t from_ns = clock_monotonic_ns();
	const enum sl_status status = chunks_next(chunks, ret_chunk, ret_problem);

	s->alive_ns += clock_monotonic_ns() - from_ns;
	return status;
}

static enum exit_code send_rows(struct sending *s, struct chunks *chunks)
{
	enum exit_code code = EXIT_DONE;
	struct problem problem;
	struct chunk chunk = {0};

	do {
		struct chunk_cursor cursor = {0};
		struct view row;
		const enum sl_status status = read_rows(s, chunks, &chunk, &problem);

		if (status != SL_OK) {
			problem_print(stderr, &problem);
			return exit_of_status(status);
		}
		if (chunk.is_oversize) {
			fprintf(stderr,
				"sealane: %s: row %" PRIu64 ": longer than any event may be\n",
				s->arguments->file,
				chunk.first_row);
			code = EXIT_INPUT;
		}
		while (code == EXIT_DONE && chunk_next_row(&chunk, &cursor, &row)) {
			s->row = cursor.number;
			code = send_event(s, row);
		}
		chunk_release(&chunk);
	} while (code == EXIT_DONE && !chunk.is_end);
	return code;
}

/** Wait until all is stored. */
static enum exit_code finish(struct sending *s)
{
	struct sl_client_stats stats;

	(void)sl_client_flush(s->client, 0);
	for (;;) {
		enum sl_client_status status;

		sl_client_get_stats(s->client, &stats);
		if (stats.events_acked == stats.events_offered)
			break;
		status = work(s, POLL_MS);
		if (status == SL_CLIENT_TIMEOUT)
			return time_out(s);
		if (status != SL_CLIENT_OK)
			return fail(s, status);
	}
	if (!s->arguments->is_quiet)
		draw(s, true);
	return EXIT_DONE;
}

static enum exit_code send_file(struct sending *s)
{
	const struct chunks_options chunks_options = {.format = CHUNK_NDJSON};
	struct problem problem;
	struct input *input;
	struct chunks *chunks;
	enum exit_code code;
	enum sl_status status = input_open(s->arguments->file, NULL, &input, &problem);

	if (status != SL_OK) {
		problem_print(stderr, &problem);
		return exit_of_status(status);
	}
	status = chunks_open(input, &chunks_options, &chunks);
	if (status != SL_OK) {
		input_free(input);
		fprintf(stderr, "sealane: %s\n", status_text(status));
		return exit_of_status(status);
	}
	code = send_rows(s, chunks);
	chunks_free(chunks);
	input_free(input);
	return code == EXIT_DONE ? finish(s) : code;
}

enum exit_code command_send(int argc, char **argv)
{
	struct send_arguments arguments;
	struct sending sending = {.arguments = &arguments};
	struct sl_client_options options;
	enum sl_client_status status;
	enum exit_code code;

	if (!send_arguments_read(argc, argv, &arguments))
		return EXIT_USAGE;
	options = (struct sl_client_options){
		.host = arguments.host,
		.port = arguments.port,
		.key_file = arguments.key_file,
		.stream = arguments.stream,
		.datagram_bytes_max = arguments.datagram_bytes_max,
	};
	sending.has_bar = !arguments.is_quiet && isatty(STDERR_FILENO) == 1;
	sending.started_ns = sending.alive_ns = clock_monotonic_ns();
	status = sl_client_connect(&options, &sending.client);
	code = status == SL_CLIENT_OK ? send_file(&sending) : fail(&sending, status);
	sl_client_close(sending.client);
	return code;
}
