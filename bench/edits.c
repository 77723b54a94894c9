#include "bench/edits.h"

#include "bench/give_up.h"
#include "dataplane/pipeline/batch.h"
#include "dataplane/pipeline/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char user_name[] = "\"user\":\"";
static const char comment_name[] = "\"comment\":\"";
static const char day_name[] = "\"time\":\"2015-";
static const char the_day[] = "09-12"; // nearly all edits are of this day

/** SplitMix64. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/** The inside of the first string behind name. */
static struct view string_after(struct view row, const char *name)
{
	const uint8_t *from = memmem(row.bytes, row.size, name, strlen(name));
	const uint8_t *end;

	if (from == NULL)
		give_up("an edit without %s", name);
	from += strlen(name);
	for (end = from; *end != '"'; end++)
		end += *end == '\\';
	return view_of(from, (size_t)(end - from));
}

static void describe(struct edits *edits)
{
	edits->text = must(calloc(edits->rows.count, sizeof(*edits->text)));
	for (size_t n = 0; n < edits->rows.count; n++) {
		struct view row = edits->rows.line[n];
		struct view comment = string_after(row, comment_name);

		edits->text[n] = (struct bench_text){.bytes = row.bytes, .size = row.size};
		edits->bytes += row.size;
		edits->escaped_count += memchr(comment.bytes, '\\', comment.size) != NULL;
	}
}

struct edits edits_real(size_t row_count_max)
{
	struct edits edits = {.rows = data_read_lines("wikipedia-edits.ndjson.gz")};

	if (edits.rows.count > row_count_max)
		edits.rows.count = row_count_max;
	edits.user_count = edits.rows.count;
	edits.user = must(calloc(edits.user_count, sizeof(*edits.user)));
	for (size_t n = 0; n < edits.rows.count; n++) {
		struct view inside = string_after(edits.rows.line[n], user_name);

		edits.user[n] = must(calloc(1, inside.size + 1));
		json_unescape(inside, (uint8_t *)edits.user[n]);
	}
	describe(&edits);
	return edits;
}

size_t edits_vary(struct view row, const char *user, uint8_t *ret_row)
{
	struct view old = string_after(row, user_name);
	size_t size = (size_t)(old.bytes - row.bytes);
	size_t rest = row.size - size - old.size;
	uint8_t *day;

	memcpy(ret_row, row.bytes, size);
	day = memmem(ret_row, size, day_name, sizeof(day_name) - 1);
	if (day == NULL)
		give_up("an edit without time");
	memcpy(day + sizeof(day_name) - 1, the_day, sizeof(the_day) - 1);
	memcpy(ret_row + size, user, strlen(user));
	size += strlen(user);
	memcpy(ret_row + size, old.bytes + old.size, rest);
	return size + rest;
}

void edits_user_name(size_t n, char ret_name[static EDITS_USER_SIZE])
{
	snprintf(ret_name, EDITS_USER_SIZE, "user-%07u", (unsigned)n % 10000000);
}

static void name_users(struct edits *edits, size_t user_count)
{
	edits->user_count = user_count;
	edits->user = must(calloc(user_count, sizeof(*edits->user)));
	for (size_t n = 0; n < user_count; n++) {
		edits->user[n] = must(malloc(EDITS_USER_SIZE));
		edits_user_name(n, edits->user[n]);
	}
}

struct edits edits_varied(size_t row_count_max, size_t user_count, size_t copy_count)
{
	struct edits edits = {.is_varied = true};
	struct edits real = edits_real(row_count_max);
	size_t count = real.rows.count * copy_count;
	uint64_t state = 1;
	uint8_t *to;

	name_users(&edits, user_count);
	to = must(malloc(
		(real.bytes + real.rows.count * EDITS_USER_SIZE) * copy_count + BATCH_FRAME_PADDING
	));
	edits.rows.bytes = to;
	edits.rows.line = must(calloc(count, sizeof(*edits.rows.line)));
	for (size_t n = 0; n < count; n++) {
		struct view *line = &edits.rows.line[n];

		line->bytes = to;
		line->size = edits_vary(
			real.rows.line[n % real.rows.count],
			edits.user[random_next(&state) % user_count],
			to
		);
		to += line->size;
	}
	memset(to, 0, BATCH_FRAME_PADDING);
	edits.rows.count = count;
	edits_done(&real);
	describe(&edits);
	return edits;
}

void edits_done(struct edits *edits)
{
	for (size_t n = 0; n < edits->user_count; n++)
		free(edits->user[n]);
	free(edits->user);
	free(edits->text);
	data_lines_done(&edits->rows);
}
