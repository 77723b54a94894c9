#include "bench/load/stock.h"

#include "bench/load/random.h"
#include "bench/load/stock_line.h"
#include "io/chunks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	LINES_MAX = 65536,          // of the file: more add nothing
	LINES_SIZE_MAX = 256 << 20, // bytes of them
	ESCAPE_SIZE = 6             // bytes of what an escape adds
};

static const char filler[] = " and then some more of the same, as people write it";

struct source_line {
	size_t at;
	size_t size;
};

/** The file's lines. */
struct source {
	uint8_t *bytes; // owned
	size_t size;
	size_t capacity;
	struct source_line *line; // [count] owned
	uint32_t count;
	size_t line_capacity;
};

/** A place to write an event to, piece by piece. */
struct writer {
	uint8_t *to;
	uint8_t *start;
};

static void put(struct writer *w, const void *bytes, size_t size)
{
	if (size != 0)
		memcpy(w->to, bytes, size);
	w->to += size;
}

/** Twice as much room when there is not enough. @return false: there is no memory */
static bool make_room(void **memory, size_t *capacity, size_t wanted, size_t item_size)
{
	void *more;

	if (wanted <= *capacity)
		return true;
	more = reallocarray(*memory, wanted * 2, item_size);
	if (more == NULL)
		return false;
	*memory = more;
	*capacity = wanted * 2;
	return true;
}

static bool keep_line(struct source *source, struct view line)
{
	if (source->count == LINES_MAX || source->size + line.size > LINES_SIZE_MAX
	    || !make_room(
		    (void **)&source->line,
		    &source->line_capacity,
		    source->count + 1,
		    sizeof(*source->line)
	    )
	    || !make_room((void **)&source->bytes, &source->capacity, source->size + line.size, 1))
		return false;
	memcpy(source->bytes + source->size, line.bytes, line.size);
	source->line[source->count++] = (struct source_line){source->size, line.size};
	source->size += line.size;
	return true;
}

static enum sl_status check_line(
	const struct stock_options *o,
	struct view line,
	uint64_t row,
	struct problem *ret_problem
)
{
	const char *names[] = {o->subject, o->text};
	struct view inside;

	if (line.size > STOCK_EVENT_MAX / 2)
		return problem_set(
			ret_problem,
			SL_E_SYNTAX,
			"row %" PRIu64 " is longer than %d bytes",
			row,
			STOCK_EVENT_MAX / 2
		);
	for (int i = 0; i < 2; i++) {
		if (stock_line_find(line, names[i], &inside))
			continue;
		(void)!problem_set(
			ret_problem,
			SL_E_SYNTAX,
			"row %" PRIu64 " has no member \"%s\" that is a string",
			row,
			names[i]
		);
		problem_remedy(ret_problem, "name members that all events have: --subject, --text");
		return SL_E_SYNTAX;
	}
	return SL_OK;
}

static enum sl_status read_chunk(
	const struct stock_options *o,
	const struct chunk *chunk,
	struct source *source,
	struct problem *ret_problem
)
{
	struct chunk_cursor cursor = {0};
	struct view row;

	while (chunk_next_row(chunk, &cursor, &row)) {
		SL_TRY(check_line(o, row, cursor.number, ret_problem));
		if (!keep_line(source, row))
			break;
	}
	return SL_OK;
}

static enum sl_status read_source(
	const struct stock_options *o,
	struct source *source,
	struct problem *ret_problem
)
{
	struct chunks *chunks = NULL;
	struct input *input;
	struct chunk chunk;
	enum sl_status status = input_open(o->path, NULL, &input, ret_problem);

	if (status != SL_OK)
		return status;
	status = chunks_open(input, NULL, &chunks);
	while (status == SL_OK) {
		status = chunks_next(chunks, &chunk, ret_problem);
		if (status != SL_OK || chunk.is_end)
			break;
		status = read_chunk(o, &chunk, source, ret_problem);
		chunk_release(&chunk);
	}
	chunks_free(chunks);
	input_free(input);
	if (status == SL_OK && source->count == 0)
		return problem_set(ret_problem, SL_E_SYNTAX, "there is no event in %s", o->path);
	return status;
}

static bool is_unicode_escape(struct view text, size_t at)
{
	return at + 6 <= text.size && text.bytes[at] == '\\' && text.bytes[at + 1] == 'u';
}

/** Do these four digits begin a pair of escapes? */
static bool is_high_surrogate(const uint8_t digits[4])
{
	return (digits[0] | 32) == 'd' && strchr("89abAB", digits[1]) != NULL;
}

/** Where text may be cut: not inside an escape, nor inside a character. @return at most size */
static size_t cut_before(struct view text, size_t size)
{
	size_t at = 0;

	while (at < text.size) {
		size_t step = 1;

		if (is_unicode_escape(text, at))
			step = is_high_surrogate(text.bytes + at + 2) ? 12 : 6;
		else if (text.bytes[at] == '\\')
			step = 2;
		else
			while (at + step < text.size && (text.bytes[at + step] & 0xc0) == 0x80)
				step++;
		if (at + step > size)
			break;
		at += step;
	}
	return at;
}

/** The text member: as it was, cut, or with words behind it. */
static void put_text(struct writer *w, struct view text, size_t wanted, bool has_escape)
{
	size_t size = cut_before(text, wanted);

	put(w, text.bytes, size);
	if (size == text.size) {
		for (; size < wanted && size < STOCK_TEXT_MAX; size++)
			put(w, filler + size % (sizeof(filler) - 1), 1);
	}
	if (has_escape)
		put(w, "\\u00e9", ESCAPE_SIZE);
}

static void put_number(struct writer *w, const char *name, struct stock_event *event)
{
	// The digits begin at an even place, so that a checksum over them is the digits' own.
	const size_t front = strlen("{\"") + strlen(name) + strlen("\":\"");

	put(w, "{\"", 2);
	put(w, name, strlen(name));
	put(w, "\":", 2);
	if (front % 2 != 0)
		put(w, " ", 1);
	put(w, "\"", 1);
	event->number_at = (uint32_t)(w->to - w->start);
	put(w, "0000000000000000", STOCK_NUMBER_SIZE);
	put(w, "\",", 2);
}

/** Bytes that the text is to have so that the event is as long as wished. */
static size_t text_size_for(
	const struct stock_options *o,
	size_t others,
	size_t own,
	uint64_t *random
)
{
	const uint32_t spread = o->size / 4;
	const size_t wanted = o->size - spread / 2 + random_below(random, spread + 1);

	if (o->size == 0)
		return own;
	return wanted > others ? wanted - others : 0;
}

static void make_event(
	const struct stock_options *o,
	struct view line,
	uint64_t *random,
	struct writer *w,
	struct stock *stock
)
{
	struct stock_event *event = &stock->events[stock->count];
	const bool has_escape = random_unit(random) < o->escape_share;
	struct view part[2]; // subject and text, in order of the line
	struct view subject = {0};
	struct view text = {0};
	const uint8_t *at = line.bytes;
	size_t others;

	(void)stock_line_find(line, o->subject, &subject);
	(void)stock_line_find(line, o->text, &text);
	part[0] = subject.bytes < text.bytes ? subject : text;
	part[1] = subject.bytes < text.bytes ? text : subject;
	*event = (struct stock_event){.bytes = w->to};
	w->start = w->to;
	if (o->number != NULL) {
		put_number(w, o->number, event);
		at = (const uint8_t *)memchr(line.bytes, '{', line.size) + 1;
	}
	others = (size_t)(w->to - w->start) + line.size - subject.size - text.size
		+ STOCK_SUBJECT_SIZE + (has_escape ? ESCAPE_SIZE : 0);
	for (int i = 0; i < 2; i++) {
		put(w, at, (size_t)(part[i].bytes - at));
		at = part[i].bytes + part[i].size;
		if (part[i].bytes == subject.bytes) {
			event->subject_at = (uint32_t)(w->to - w->start);
			put(w, "user-00000000", STOCK_SUBJECT_SIZE);
		} else {
			const uint8_t *from = w->to;

			put_text(w, text, text_size_for(o, others, text.size, random), has_escape);
			stock->escape_count += memchr(from, '\\', (size_t)(w->to - from)) != NULL;
		}
	}
	put(w, at, (size_t)(line.bytes + line.size - at));
	event->size = (uint32_t)(w->to - w->start);
	stock->size += event->size;
	stock->count++;
}

static enum sl_status make_events(
	const struct stock_options *o,
	const struct source *source,
	struct stock *stock
)
{
	const size_t added_max = STOCK_TEXT_MAX + ESCAPE_SIZE + STOCK_SUBJECT_SIZE
		+ STOCK_NUMBER_SIZE + STOCK_NAME_MAX + 10;
	uint64_t random = o->seed;
	size_t size = 0;
	struct writer w;

	for (uint32_t i = 0; i < o->count; i++)
		size += source->line[i % source->count].size + added_max;
	stock->bytes = malloc(size);
	stock->events = calloc(o->count, sizeof(*stock->events));
	if (stock->bytes == NULL || stock->events == NULL)
		return SL_E_NOMEM;
	w.to = stock->bytes;
	for (uint32_t i = 0; i < o->count; i++) {
		const struct source_line *line = &source->line[i % source->count];

		make_event(o, view_of(source->bytes + line->at, line->size), &random, &w, stock);
	}
	return SL_OK;
}

enum sl_status stock_make(
	const struct stock_options *options,
	struct stock *ret_stock,
	struct problem *ret_problem
)
{
	struct source source = {0};
	struct stock stock = {0};
	enum sl_status status;

	if (options->count == 0 || options->count > STOCK_EVENTS_MAX
	    || options->size > STOCK_EVENT_MAX / 2 || strcmp(options->subject, options->text) == 0
	    || (options->number != NULL && strlen(options->number) > STOCK_NAME_MAX))
		return problem_set(ret_problem, SL_E_INVALID, "the events are not to be had so");
	status = read_source(options, &source, ret_problem);
	if (status == SL_OK) {
		status = make_events(options, &source, &stock);
		if (status != SL_OK)
			(void)!problem_set(ret_problem, status, "no memory for the events");
	}
	free(source.bytes);
	free(source.line);
	if (status == SL_OK)
		*ret_stock = stock;
	else
		stock_done(&stock);
	return status;
}

void stock_done(struct stock *stock)
{
	free(stock->events);
	free(stock->bytes);
	*stock = (struct stock){0};
}

/** Digits two by two, from the end. @param count even */
static void write_digits(uint8_t *to, uint64_t value, int count)
{
	for (int i = count - 2; i >= 0; i -= 2) {
		const uint32_t pair = (uint32_t)(value % 100);

		value /= 100;
		to[i] = (uint8_t)('0' + pair / 10);
		to[i + 1] = (uint8_t)('0' + pair % 10);
	}
}

void stock_stamp(const struct stock_event *event, uint32_t subject, uint64_t number)
{
	write_digits(
		event->bytes + event->subject_at + STOCK_SUBJECT_SIZE - STOCK_DIGITS,
		subject,
		STOCK_DIGITS
	);
	if (event->number_at != 0)
		write_digits(event->bytes + event->number_at, number, STOCK_NUMBER_SIZE);
}
