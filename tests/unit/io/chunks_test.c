#include "io/chunks.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TEXT_MAX = 6000,
	ROWS_MAX = TEXT_MAX + 1,
	ROUNDS = 3000
};

/** A record as the whole text says it is. */
struct row {
	uint64_t number;
	uint64_t offset;
	size_t size; // without the line end; with CSV's CR when oversize
	bool is_oversize;
};

struct rows {
	struct row items[ROWS_MAX];
	size_t count;
	uint64_t blank_count;
	uint64_t number; // of the last record
};

static struct rows expected;
static struct rows found;

static bool is_blank(const uint8_t *text, size_t size, bool is_csv)
{
	for (size_t i = 0; i < size; i++)
		if (is_csv || strchr(" \t\r", text[i]) == NULL || text[i] == 0)
			return false;
	return true;
}

static void add_expected(
	const uint8_t *text,
	size_t start,
	size_t end,
	bool is_csv,
	bool is_ended,
	size_t max
)
{
	size_t size = end - start;
	size_t bare = size;
	struct row row;

	if (is_csv && is_ended && size != 0 && text[end - 1] == '\r')
		bare--;
	expected.number++;
	if (bare <= max && is_blank(text + start, bare, is_csv)) {
		expected.blank_count++;
		return;
	}
	row = (struct row){expected.number, start, bare > max ? size : bare, bare > max};
	expected.items[expected.count++] = row;
}

/** Cut the whole text, byte by byte. */
static void expect(const uint8_t *text, size_t size, bool is_csv, size_t max)
{
	size_t start = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	bool is_quoted = false;
	bool may_quote = true; // at a field's beginning, or behind a closing quote

	expected = (struct rows){0};
	for (size_t i = start; i < size; i++) {
		uint8_t byte = text[i];

		if (is_csv && is_quoted) {
			is_quoted = byte != '"';
			may_quote = true;
			continue;
		}
		if (is_csv && byte == '"' && may_quote) {
			is_quoted = true;
			continue;
		}
		may_quote = byte == ',' || byte == '\n';
		if (byte != '\n')
			continue;
		add_expected(text, start, i, is_csv, true, max);
		start = i + 1;
	}
	if (start < size)
		add_expected(text, start, size, is_csv, false, max);
}

/** What the chunks say, against text; false when bytes, offsets or numbers are wrong. */
static bool take_piece(const struct chunk *c, const uint8_t *text)
{
	struct row *last = &found.items[found.count == 0 ? 0 : found.count - 1];
	bool is_good = view_equal(c->bytes, view_of(text + c->offset, c->bytes.size));

	if (c->piece == 0) {
		found.items[found.count++] =
			(struct row){c->first_row, c->offset, c->bytes.size, true};
		found.number++;
		return is_good && c->first_row == found.number;
	}
	is_good = is_good && last->is_oversize && last->number == c->first_row
		&& c->offset == last->offset + last->size;
	last->size += c->bytes.size;
	return is_good;
}

static bool take_rows(const struct chunk *c, const uint8_t *text)
{
	struct chunk_cursor cursor = {0};
	struct view row;
	bool is_good = c->first_row == found.number + 1
		&& memcmp(c->bytes.bytes, text + c->offset, c->bytes.size) == 0;

	while (chunk_next_row(c, &cursor, &row)) {
		uint64_t offset = chunk_row_offset(c, row);

		found.items[found.count++] = (struct row){cursor.number, offset, row.size, false};
	}
	found.blank_count += cursor.blank_count;
	found.number += c->row_count;
	return is_good && cursor.seen_count == c->row_count && c->row_count != 0;
}

static bool gather(struct chunks *chunks, const uint8_t *text)
{
	bool is_good = true;
	bool is_open = false; // an oversize record is under way
	uint64_t index = 0;

	found = (struct rows){0};
	for (;;) {
		struct problem p;
		struct chunk c;

		if (chunks_next(chunks, &c, &p) != SL_OK)
			return false;
		if (c.is_end)
			return is_good && !is_open && chunks_next(chunks, &c, &p) == SL_OK
				&& c.is_end;
		is_good = is_good && c.index == index++;
		is_good = is_good && (!is_open || (c.is_oversize && c.piece != 0));
		is_good = is_good && (c.is_oversize ? take_piece(&c, text) : take_rows(&c, text));
		is_open = c.is_oversize && !c.is_last;
		chunk_release(&c);
	}
}

static bool is_as_expected(void)
{
	bool is_good = found.count == expected.count && found.number == expected.number
		&& found.blank_count == expected.blank_count;

	for (size_t i = 0; is_good && i < found.count; i++)
		is_good = found.items[i].number == expected.items[i].number
			&& found.items[i].offset == expected.items[i].offset
			&& found.items[i].size == expected.items[i].size
			&& found.items[i].is_oversize == expected.items[i].is_oversize;
	return is_good;
}

static bool cuts_well(
	const uint8_t *text,
	size_t size,
	const struct chunks_options *o,
	uint32_t block_size
)
{
	struct input_options io = {.block_size = block_size, .block_count = 3};
	const char *path = scratch_path("text");
	struct input *input;
	struct chunks *chunks;
	struct problem p;
	bool is_good;

	scratch_write(path, text, size);
	expect(text, size, o->format == CHUNK_CSV, o->record_size_max);
	if (input_open(path, &io, &input, &p) != SL_OK)
		return false;
	if (chunks_open(input, o, &chunks) != SL_OK) {
		input_free(input);
		return false;
	}
	is_good = gather(chunks, text) && is_as_expected();
	chunks_free(chunks);
	input_free(input);
	return is_good;
}

/** A ring for each of thousands of inputs takes longer than all else; the giant record and the workers have theirs. */
static void use_rings(bool is_wanted)
{
	if (is_wanted)
		unsetenv("SEALANE_IO");
	else
		setenv("SEALANE_IO", "plain", 1);
}

static size_t fill(uint8_t *text, uint64_t *random)
{
	static const char *const alphabets[] = {
		"abcdefgh,\"\"\n\r",
		"abcdefghijklmnopqrstuvwxyz0123456789\n",
		"a\n \t\r",
		"abcdefghijklmnopqrstuvwxyz,,,\r\n\"\"",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"};
	const char *alphabet = alphabets[scratch_random(random) % 5];
	size_t letters = strlen(alphabet);
	size_t size = scratch_random(random) % (1u << (scratch_random(random) % 12));

	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)alphabet[scratch_random(random) % letters];
	if (size >= 3 && scratch_random(random) % 8 == 0)
		memcpy(text, "\xef\xbb\xbf", 3);
	return size;
}

static void gives_back_random_records(void)
{
	static uint8_t text[TEXT_MAX];
	uint64_t random = 7;
	uint64_t wrong_count = 0;

	use_rings(false);
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t block_size = 64 + (uint32_t)(scratch_random(&random) % 70);
		struct chunks_options o = {
			.format = scratch_random(&random) % 2 == 0 ? CHUNK_NDJSON : CHUNK_CSV,
			.record_size_max = block_size + (uint32_t)(scratch_random(&random) % 200),
		};
		size_t size = fill(text, &random);

		wrong_count += !cuts_well(text, size, &o, block_size);
	}
	use_rings(true);
	CHECK_EQUAL(wrong_count, 0);
}

/** One text of all kinds of records, moved byte by byte over the blocks' borders. */
static void cuts_at_every_position(void)
{
	static const char middle[] = "{\"a\":1}\r\n \t\r\n\n\"x\ny\",\"\"\"\",z\r\n5\" "
				     "nail,\"q\"\"\n\"\"\"\r\n,,\n\"a\"b\n";
	uint8_t text[400];
	uint64_t wrong_count = 0;

	use_rings(false);
	for (uint32_t block_size = 64; block_size < 80; block_size++)
		for (size_t before = 0; before < 150; before++) {
			struct chunks_options o = {.record_size_max = 80};
			size_t size = before + sizeof(middle) - 1;

			memset(text, 'x', before);
			memcpy(text + before, middle, sizeof(middle) - 1);
			wrong_count += !cuts_well(text, size, &o, block_size);
			o.format = CHUNK_CSV;
			wrong_count += !cuts_well(text, size, &o, block_size);
			// The same without the last line end, and with CR there instead.
			wrong_count += !cuts_well(text, size - 1, &o, block_size);
			text[size - 1] = '\r';
			wrong_count += !cuts_well(text, size, &o, block_size);
		}
	use_rings(true);
	CHECK_EQUAL(wrong_count, 0);
}

/** Records of just the limit, and one byte more and less, with LF, CR LF or nothing behind. */
static void knows_the_limit(void)
{
	static const char *const line_ends[] = {
		"", "\n", "\r\n", "\r", "\n\n", "\nxyz\n", "\r\nxyz"};
	// 127 and 255: the limit's last byte, or the CR behind it, is a block's last.
	static const size_t limits[] = {64, 100, 126, 127, 128, 254, 255};
	uint8_t text[700];
	uint64_t wrong_count = 0;

	use_rings(false);
	for (size_t l = 0; l < sizeof(limits) / sizeof(limits[0]); l++)
		for (size_t max = limits[l], record = max - 2; record <= max + 130; record++)
			for (size_t i = 0; i < sizeof(line_ends) / sizeof(line_ends[0]); i++) {
				size_t size = record + strlen(line_ends[i]);
				struct chunks_options o = {.record_size_max = (uint32_t)max};

				memset(text, 'x', record);
				memcpy(text + record, line_ends[i], strlen(line_ends[i]));
				wrong_count += !cuts_well(text, size, &o, 64);
				o.format = CHUNK_CSV;
				wrong_count += !cuts_well(text, size, &o, 64);
			}
	use_rings(true);
	CHECK_EQUAL(wrong_count, 0);
}

static void seals_off_a_giant_record(void)
{
	const size_t size = (40u << 20) + 77;
	struct chunks_options o = {.format = CHUNK_CSV};
	uint8_t *text = malloc(size);
	const char *path = scratch_path("giant");
	struct input *input;
	struct chunks *chunks;
	struct problem p;

	CHECK_FATAL(text != NULL);
	// A quoted cell full of line ends.
	memset(text, '\n', size);
	memcpy(text, "a,b\n\"", 5);
	memcpy(text + size - 8, "\"\r\n1,2\r\n", 8);
	scratch_write(path, text, size);
	CHECK_FATAL(input_open(path, NULL, &input, &p) == SL_OK);
	CHECK_FATAL(chunks_open(input, &o, &chunks) == SL_OK);
	CHECK(gather(chunks, text));
	CHECK_EQUAL(found.count, 3);
	CHECK(found.items[1].is_oversize);
	CHECK_EQUAL(found.items[1].size, size - 4 - 6);
	CHECK_EQUAL(found.items[2].number, 3);
	CHECK_EQUAL(found.items[2].size, 3);
	chunks_free(chunks);
	input_free(input);
	free(text);
	unlink(path);
}

static void refuses_options(void)
{
	static const struct chunks_options bad[] = {
		{.delimiter = '"'},
		{.delimiter = '\n'},
		{.delimiter = '\r'},
		{.record_size_max = EVENT_SIZE_MAX + 1},
		{.record_size_max = 100},
		{.format = (enum chunk_format)(CHUNK_BY_FIRST_BYTE + 1)},
	};
	const char *path = scratch_path("text");
	struct input *input;
	struct chunks *chunks;
	struct problem p;

	scratch_write(path, "x\n", 2);
	CHECK_FATAL(input_open(path, NULL, &input, &p) == SL_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK_EQUAL(chunks_open(input, &bad[i], &chunks), SL_E_INVALID);
	input_free(input);
}

static void passes_a_failure_on(void)
{
	const char *path = scratch_path("cut.gz");
	struct input *input;
	struct chunks *chunks;
	struct chunk chunk;
	struct problem p = {0};

	scratch_write(path, "\x1f\x8b\x08\0\0\0\0\0\0\3\xff", 11);
	CHECK_FATAL(input_open(path, NULL, &input, &p) == SL_OK);
	CHECK_FATAL(chunks_open(input, NULL, &chunks) == SL_OK);
	CHECK(chunks_next(chunks, &chunk, &p) != SL_OK);
	CHECK(strstr(p.file, "cut.gz") != NULL);
	CHECK(chunks_next(chunks, &chunk, &p) != SL_OK);
	chunks_free(chunks);
	input_free(input);
}

// Chunks on their way from the reader to the workers.
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunk items[64];
	size_t count;
	bool is_ended;
	uint64_t sum;
	uint64_t row_count;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void *work_off(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&work.lock);
	for (;;) {
		struct chunk_cursor cursor = {0};
		struct chunk chunk;
		struct view row;
		uint64_t sum = 0;
		uint64_t row_count = 0;

		while (work.count == 0 && !work.is_ended)
			pthread_cond_wait(&work.changed, &work.lock);
		if (work.count == 0)
			break;
		chunk = work.items[--work.count];
		pthread_mutex_unlock(&work.lock);
		for (; chunk_next_row(&chunk, &cursor, &row); row_count++)
			sum += strtoull((const char *)row.bytes, NULL, 10) * cursor.number;
		chunk_release(&chunk);
		pthread_mutex_lock(&work.lock);
		work.sum += sum;
		work.row_count += row_count;
	}
	pthread_mutex_unlock(&work.lock);
	return NULL;
}

static void hand_out(struct chunks *chunks)
{
	struct problem p;

	for (;;) {
		struct chunk chunk;

		CHECK_FATAL(chunks_next(chunks, &chunk, &p) == SL_OK);
		pthread_mutex_lock(&work.lock);
		work.is_ended = chunk.is_end;
		if (!chunk.is_end)
			work.items[work.count++] = chunk;
		pthread_cond_broadcast(&work.changed);
		pthread_mutex_unlock(&work.lock);
		if (chunk.is_end)
			return;
	}
}

static void serves_workers(void)
{
	enum {
		ROWS = 200000
	};

	struct input_options io = {.block_size = 4096, .block_count = 8};
	const char *path = scratch_path("numbers");
	FILE *f = fopen(path, "we");
	uint64_t sum = 0;
	struct input *input;
	struct chunks *chunks;
	struct problem p;
	pthread_t ids[3];

	CHECK_FATAL(f != NULL);
	for (uint64_t i = 1; i <= ROWS; i++) {
		fprintf(f, "%llu\n", (unsigned long long)(i * 31 % 1000));
		sum += i * 31 % 1000 * i;
	}
	fclose(f);
	CHECK_FATAL(input_open(path, &io, &input, &p) == SL_OK);
	CHECK_FATAL(chunks_open(input, NULL, &chunks) == SL_OK);
	for (size_t i = 0; i < 3; i++)
		CHECK_FATAL(pthread_create(&ids[i], NULL, work_off, NULL) == 0);
	hand_out(chunks);
	for (size_t i = 0; i < 3; i++)
		pthread_join(ids[i], NULL);
	CHECK_EQUAL(work.row_count, ROWS);
	CHECK_EQUAL(work.sum, sum);
	chunks_free(chunks);
	input_free(input);
}

static const struct check_test tests[] = {
	{"gives back random records", gives_back_random_records},
	{"cuts at every position", cuts_at_every_position},
	{"knows the limit of a record", knows_the_limit},
	{"delivers a giant record in pieces", seals_off_a_giant_record},
	{"refuses options", refuses_options},
	{"passes a failure on", passes_a_failure_on},
	{"serves workers", serves_workers},
};

CHECK_MAIN("io/chunks")
