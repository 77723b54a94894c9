#include "control/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	TEXT_MAX = 2048,
	LINE_MAX = 4096
};

static const char *const names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
};

/** A text between quotes: what would end them or the line is escaped. */
static size_t put_quoted(char *to, size_t room, const char *text)
{
	size_t size = 0;

	if (room < 8)
		return 0;
	to[size++] = '"';
	for (; *text != '\0' && size + 6 < room; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			to[size++] = '\\';
		if (c == '\n') {
			to[size++] = '\\';
			c = 'n';
		}
		to[size++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	to[size++] = '"';
	return size;
}

static size_t put_head(char *line, enum log_level level, const char *topic)
{
	struct timespec now;
	struct tm utc;
	size_t size;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	size = strftime(line, 64, "ts=%Y-%m-%dT%H:%M:%S", &utc);
	size += (size_t)snprintf(
		line + size,
		LINE_MAX - size,
		".%03ldZ level=%s topic=%s msg=",
		now.tv_nsec / 1000000,
		names[level],
		topic
	);
	return size;
}

/** One write a line, so that lines of several processes do not mix. */
static void put_line(char *line, size_t size)
{
	line[size++] = '\n';
	(void)!fwrite(line, 1, size, stderr);
}

void log_line(enum log_level level, const char *topic, const char *format, ...)
{
	char text[TEXT_MAX];
	char line[LINE_MAX + 1];
	va_list args;
	size_t size;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size = put_head(line, level, topic);
	size += put_quoted(line + size, LINE_MAX - size, text);
	put_line(line, size);
}

void log_problem(enum log_level level, const char *topic, const struct problem *problem)
{
	char place[PROBLEM_FILE_MAX + 40];
	char line[LINE_MAX + 1];
	size_t size = put_head(line, level, topic);

	size += put_quoted(line + size, LINE_MAX - size, problem->what);
	if (problem->file[0] != '\0') {
		snprintf(
			place,
			sizeof(place),
			"%s:%u:%u",
			problem->file,
			problem->line,
			problem->column
		);
		size += (size_t)snprintf(line + size, LINE_MAX - size, " at=");
		size += put_quoted(line + size, LINE_MAX - size, place);
	}
	if (problem->remedy[0] != '\0') {
		size += (size_t)snprintf(line + size, LINE_MAX - size, " remedy=");
		size += put_quoted(line + size, LINE_MAX - size, problem->remedy);
	}
	put_line(line, size);
}

void log_problems(const char *topic, const struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++)
		log_problem(
			problems->items[i].is_warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
			topic,
			&problems->items[i]
		);
}
