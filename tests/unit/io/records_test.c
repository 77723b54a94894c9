#include "io/base/view.h"
#include "io/records.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/scratch.h"

#include <string.h>

enum {
	TEXT_MAX = 700,
	ROUNDS = 20000
};

/** RFC 4180 byte by byte, written differently from the product's own. */
static bool reference_step(bool is_csv, int *state, char byte)
{
	enum {
		BEGINNING,
		PLAIN,
		INSIDE,
		BEHIND
	};

	if (!is_csv)
		return byte == '\n';
	switch (*state) {
	case INSIDE:
		*state = byte == '"' ? BEHIND : INSIDE;
		return false;
	case BEHIND:
	case BEGINNING:
		if (byte == '"') {
			*state = INSIDE;
			return false;
		}
		break;
	default:
		break;
	}
	*state = byte == ',' || byte == '\n' ? BEGINNING : PLAIN;
	return byte == '\n';
}

static struct record_ends reference_scan(bool is_csv, int *state, const uint8_t *text, size_t size)
{
	struct record_ends ends = {0};

	for (size_t i = 0; i < size; i++) {
		if (!reference_step(is_csv, state, (char)text[i]))
			continue;
		if (ends.count++ == 0)
			ends.first = i;
		ends.last = i;
	}
	return ends;
}

static bool is_same(struct record_ends a, struct record_ends b)
{
	return a.count == b.count && (a.count == 0 || (a.first == b.first && a.last == b.last));
}

static const struct record_case {
	const char *what;
	const char *text;
	uint64_t csv_count;
	uint64_t json_count;
	size_t csv_first; // offset of the first CSV record's LF
} record_cases[] = {
	{"nothing", "", 0, 0, 0},
	{"no line end", "a,b", 0, 0, 0},
	{"one line", "a,b\n", 1, 1, 3},
	{"CR LF", "a,b\r\n1,2\r\n", 2, 2, 4},
	{"a lone CR ends nothing", "a\rb\n", 1, 1, 3},
	{"quoted line end", "\"a\nb\",c\nd\n", 2, 3, 7},
	{"doubled quotes", "\"a\"\"\n\"\"b\"\nc\n", 2, 3, 9},
	{"quote in the middle of a field", "5\" nail,x\n6\" nail,y\n", 2, 2, 9},
	{"text behind a quoted field", "\"a\"b\"c\nd\n", 2, 2, 6},
	{"empty quoted field", "\"\",\"\"\n", 1, 1, 5},
	{"quote after CR", "\r\"a\nb\n", 2, 2, 3},
	{"never closed", "\"a\nb\nc\n", 0, 3, 0},
};

static void names_each_case(void)
{
	for (int level = 0; level < RECORDS_LEVEL_COUNT; level++) {
		if (!records_use_level((enum records_level)level))
			continue;
		for (size_t i = 0; i < sizeof(record_cases) / sizeof(record_cases[0]); i++) {
			const struct record_case *c = &record_cases[i];
			uint8_t text[128] = {0};
			size_t size = strlen(c->text);
			struct records csv = {.is_csv = true, .delimiter = ','};
			struct records json = {0};
			struct record_ends ends;

			memcpy(text, c->text, size);
			CHECK_EQUAL(
				records_find_end(&csv, text, size),
				c->csv_count == 0 ? size : c->csv_first
			);
			ends = records_scan(&csv, text, size);
			CHECK_EQUAL(ends.count, c->csv_count);
			CHECK(ends.count == 0 || ends.first == c->csv_first);
			CHECK_EQUAL(records_scan(&json, text, size).count, c->json_count);
		}
	}
}

/**
 * Text of few letters, so that all things that matter meet; sometimes clean CSV, sometimes rubbish.
 */
static void fill(uint8_t *text, size_t size, uint64_t *random)
{
	static const char *const alphabets[] = {"a\",\n\r", "aaaaaaaa,\n", "abcdefg,,\"\"\n", "\""};
	const char *alphabet = alphabets[scratch_random(random) % 4];
	size_t letters = strlen(alphabet);

	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)alphabet[scratch_random(random) % letters];
}

static void agrees_at_every_level(void)
{
	struct guarded g = guarded_new(TEXT_MAX + RECORDS_PADDING);
	uint64_t random = 1;
	uint64_t wrong_count = 0;

	for (int round = 0; round < ROUNDS; round++) {
		size_t size = scratch_random(&random) % (TEXT_MAX + 1);
		uint8_t *text = g.bytes + TEXT_MAX - size;
		size_t cut = size == 0 ? 0 : scratch_random(&random) % size;
		bool is_csv = round % 4 != 0;

		fill(text, size, &random);
		for (int level = 0; level < RECORDS_LEVEL_COUNT; level++) {
			struct records r = {.is_csv = is_csv, .delimiter = ','};
			struct record_ends ends;
			int state = 0;
			bool is_good;

			if (!records_use_level((enum records_level)level))
				continue;
			// In two stretches: the state must go over the cut.
			ends = records_scan(&r, text, cut);
			is_good = is_same(ends, reference_scan(is_csv, &state, text, cut));
			ends = records_scan(&r, text + cut, size - cut);
			is_good =
				is_good
				&& is_same(
					ends, reference_scan(is_csv, &state, text + cut, size - cut)
				);
			state = 0;
			ends = reference_scan(is_csv, &state, text, size);
			is_good = is_good
				&& records_find_end(&r, text, size)
					== (ends.count == 0 ? size : ends.first);
			wrong_count += !is_good;
		}
	}
	CHECK_EQUAL(wrong_count, 0);
	guarded_free(&g);
}

static const struct check_test tests[] = {
	{"names each case", names_each_case},
	{"agrees with the reference at every level and cut", agrees_at_every_level},
};

CHECK_MAIN("io/records")
