#include "control/cli/overview.h"
#include "tests/support/check.h"

#include <stdbool.h>
#include <string.h>

// What a screen shows of a status that is longer than it is high.

enum {
	LINE_MAX = 22, // of a screen of 24
	TEXT_MAX = 65536
};

static char text[TEXT_MAX];

static json_t *new_status(int worker_count, int stream_count)
{
	json_t *workers = json_array();
	json_t *streams = json_array();

	for (int i = 0; i < worker_count; i++)
		json_array_append_new(
			workers, json_pack("{s:i, s:i, s:f}", "worker", i, "turns", 7, "busy", 1.0)
		);
	for (int i = 0; i < stream_count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "stream-%d", i);
		json_array_append_new(
			streams,
			json_pack(
				"{s:s, s:i, s:s, s:{s:b}, s:{s:i}}",
				"stream",
				name,
				"port",
				7000 + i,
				"mode",
				"plain",
				"sink",
				"is_down",
				i == stream_count - 1,
				"event_drops",
				"syntax",
				i + 1
			)
		);
	}
	return json_pack("{s:{s:o}, s:o}", "dataplane", "workers", workers, "streams", streams);
}

/** @return lines, which are in text */
static uint32_t print(int worker_count, int stream_count, uint32_t line_max)
{
	json_t *status = new_status(worker_count, stream_count);
	const struct overview overview = {.status = status, .width = 80, .line_max = line_max};
	FILE *out = fmemopen(text, sizeof(text), "w");
	uint32_t lines;
	uint32_t line_ends = 0;

	CHECK_FATAL(status != NULL && out != NULL);
	lines = overview_print(out, &overview);
	fclose(out);
	json_decref(status);
	for (const char *c = text; *c != '\0'; c++)
		line_ends += *c == '\n';
	CHECK(line_ends == lines);
	return lines;
}

static bool has(const char *what)
{
	return strstr(text, what) != NULL;
}

static void all_of_it_without_a_screen(void)
{
	CHECK(print(30, 20, 0) > 80);
	CHECK(has("\n    29 ") && has("stream-19 ") && has("syntax 20") && !has("more"));
}

static void what_fits_is_whole(void)
{
	const uint32_t lines = print(4, 2, LINE_MAX);

	CHECK(lines <= LINE_MAX && !has("more"));
	CHECK(has("\n     3 ") && has("syntax 2"));
	// To the last line, too.
	CHECK(print(4, 2, lines) == lines && !has("more"));
}

static void workers_leave_room_for_streams(void)
{
	CHECK(print(32, 2, LINE_MAX) == LINE_MAX);
	CHECK(has("\n     0 ") && has("more workers: sealane status\n"));
	CHECK(has("stream-0  ") && has("stream-1  ") && has("a sink is down"));
	CHECK(has("syntax 1\n") && has("syntax 2\n") && !has("more lines:"));
}

static void what_is_cut_is_told(void)
{
	const uint32_t all = print(1, 20, 0);
	char last[64];

	CHECK(print(1, 20, LINE_MAX) == LINE_MAX);
	snprintf(last, sizeof(last), "\n… %u more lines: sealane status\n", all - LINE_MAX + 1);
	CHECK(has(last));
	// The stream is below the end of the screen, its alarm is not.
	CHECK(!has("stream-19  ") && has("stream-19: a sink is down"));
	CHECK(print(32, 20, 1) == 1 && has("more lines"));
}

static const struct check_test tests[] = {
	{"all of it without a screen", all_of_it_without_a_screen},
	{"what fits is whole", what_fits_is_whole},
	{"workers leave room for streams", workers_leave_room_for_streams},
	{"what is cut is told", what_is_cut_is_told},
};

CHECK_MAIN("overview")
