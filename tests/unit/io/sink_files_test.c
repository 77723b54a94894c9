#include "io/sink_files.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_rig_files.h"

#include <stdio.h>
#include <string.h>

static void names_files_by_time_and_number(void)
{
	struct rig rig;

	rig_now_ms = 1000000;
	rig_begin(&rig, RIG_FILES_ZSTD);
	CHECK_EQUAL(rig_offer(&rig, 100), SL_OK);
	CHECK(strcmp(rig_only_name(&rig, true), ".edits-20261121T101640Z-000001.ndjson.zst.partial")
	      == 0);
	sink_roll(&rig.sink);
	rig_commit(&rig, true);
	CHECK(strcmp(rig_only_name(&rig, false), "edits-20261121T101640Z-000001.ndjson.zst") == 0);

	// The clock goes back: the name does not.
	rig_now_ms -= 500000;
	CHECK_EQUAL(rig_offer(&rig, 100), SL_OK);
	CHECK(strcmp(rig_only_name(&rig, true), ".edits-20261121T101640Z-000002.ndjson.zst.partial")
	      == 0);
	rig_end(&rig);
	rig_now_ms = 1000000;
}

static void reads_only_its_own_names(void)
{
	static const struct {
		const char *text;
		bool is_name;
		bool is_partial;
		bool is_zstd;
		uint64_t number;
	} cases[] = {
		{"a-20261121T101640Z-000001.ndjson", true, false, false, 1},
		{".a-20261121T101640Z-000001.ndjson.partial", true, true, false, 1},
		{".a-20261121T101640Z-1234567.ndjson.zst.partial", true, true, true, 1234567},
		{"a-20261121T101640Z-000001.ndjson.zst", true, false, true, 1},
		{"a-20261121T101640Z-000001.ndjson.partial", false, false, false, 0},
		{".a-20261121T101640Z-000001.ndjson", false, false, false, 0},
		{".a-20261121T101640Z-000001.ndjson.partial.damaged", false, false, false, 0},
		{"a-b-20261121T101640Z-000001.ndjson", false, false, false, 0},
		{"b-20261121T101640Z-000001.ndjson", false, false, false, 0},
		{"a-20261321T101640Z-000001.ndjson", false, false, false, 0},
		{"a-20261121T101640Z-0000001.ndjson", false, false, false, 0},
		{"a-20261121T101640Z-00001.ndjson", false, false, false, 0},
		{"a-20261121T101640Z-99999999999999999999.ndjson", false, false, false, 0},
		{"a-20261121T101640-000001.ndjson", false, false, false, 0},
		{"a-2026", false, false, false, 0},
		{"a-", false, false, false, 0},
		{"a", false, false, false, 0},
		{"", false, false, false, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct files_name name = {0};
		bool is_partial = false;

		CHECK_EQUAL(
			files_name_read(cases[i].text, "a", &name, &is_partial), cases[i].is_name
		);
		CHECK(is_partial == cases[i].is_partial && name.is_zstd == cases[i].is_zstd);
		CHECK_EQUAL(name.number, cases[i].number);
	}
}

static void rolls_at_its_size(void)
{
	struct rig rig;

	rig_init(&rig, RIG_FILES_ZSTD, "s");
	rig.roll_bytes = 10000;
	rig_reopen(&rig, rig_no_mark);
	for (uint32_t i = 0; i < 25; i++) {
		// Before compression.
		CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
		rig_commit(&rig, true);
		CHECK_EQUAL(rig_published(&rig), (i + 1) / 10);
	}
	rig_end(&rig);
}

static void rolls_at_its_age(void)
{
	static const uint64_t hour_ms = 3600 * 1000;
	struct sink_stats stats;
	struct rig_mark m;
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	rig_now_ms += 5 * hour_ms; // nothing is never old
	rig_commit(&rig, true);
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_due);
	CHECK_EQUAL(rig_offer(&rig, 100), SL_OK);
	m = rig_commit(&rig, true);
	rig_now_ms += hour_ms - 1;
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_due);
	rig_commit(&rig, true);
	CHECK_EQUAL(rig_published(&rig), 0);

	// Its age goes on through a restart.
	sink_close(&rig.sink);
	rig_reopen(&rig, rig_mark_view(&m));
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_due);
	rig_now_ms += 1000;
	sink_stats(&rig.sink, &stats);
	CHECK(stats.is_due);
	CHECK_EQUAL(rig_published(&rig), 0);
	rig_commit(&rig, true);
	CHECK_EQUAL(rig_published(&rig), 1);
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_due);
	rig_end(&rig);
	rig_now_ms = 1000000;
}

static void publishes_nothing_before_it_is_confirmed(void)
{
	struct rig_mark first;
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	CHECK_EQUAL(rig_offer(&rig, 500), SL_OK);
	first = rig_commit(&rig, true);
	CHECK_EQUAL(rig_offer(&rig, 500), SL_OK);
	sink_roll(&rig.sink);
	rig_commit(&rig, false);
	CHECK_EQUAL(rig_published(&rig), 0);
	CHECK_EQUAL(rig_offer(&rig, 500), SL_OK);
	sink_roll(&rig.sink);
	// The mark of before the second sync is confirmed: the first file alone.
	{
		struct problem p;

		CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_OK);
	}
	sink_confirm(&rig.sink);
	CHECK_EQUAL(rig_published(&rig), 1);
	rig_commit(&rig, true);
	CHECK_EQUAL(rig_published(&rig), 2);
	CHECK_EQUAL(rig_lines(&rig), rig.next_line);
	sink_close(&rig.sink);

	// A checkpoint older than what was published is no state to come back to.
	{
		struct problem p = {0};

		CHECK_EQUAL(rig_open(&rig, rig_mark_view(&first), &p), SL_E_CORRUPT);
		CHECK(strstr(p.what, "published later") != NULL && p.remedy[0] != '\0');
	}
	rig_remove(&rig);
}

static void comes_back_to_its_mark(void)
{
	static const enum rig_kind kinds[] = {RIG_FILES, RIG_FILES_ZSTD, RIG_FILES_UNSYNCED};

	for (size_t i = 0; i < 3; i++) {
		struct rig_mark m;
		struct rig rig;
		uint64_t lines;

		rig_begin(&rig, kinds[i]);
		CHECK_EQUAL(rig_offer(&rig, 3000), SL_OK);
		m = rig_commit(&rig, true);
		lines = rig.next_line;
		// Later: more in the same file, its end, two more files.
		for (int k = 0; k < 3; k++) {
			CHECK_EQUAL(rig_offer(&rig, 2000), SL_OK);
			sink_roll(&rig.sink);
			rig_commit(&rig, false);
		}
		CHECK_EQUAL(rig_hidden(&rig), 3);
		sink_close(&rig.sink);
		rig_reopen(&rig, rig_mark_view(&m));
		CHECK_EQUAL(rig_hidden(&rig), 1);
		rig.next_line = lines;
		CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
		CHECK(rig_drain(&rig));
		CHECK_EQUAL(rig_lines(&rig), rig.next_line);
		CHECK_EQUAL(rig_published(&rig), 1);
		rig_end(&rig);
	}
}

static void goes_on_in_another_form(void)
{
	struct rig_mark m;
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	CHECK_EQUAL(rig_offer(&rig, 3000), SL_OK);
	m = rig_commit(&rig, true);
	sink_close(&rig.sink);
	rig.kind = RIG_FILES_ZSTD;
	rig_reopen(&rig, rig_mark_view(&m));
	CHECK_EQUAL(rig_published(&rig), 0);
	CHECK_EQUAL(rig_offer(&rig, 3000), SL_OK);
	CHECK(rig_drain(&rig));
	CHECK_EQUAL(rig_published(&rig), 2);
	CHECK_EQUAL(rig_lines(&rig), rig.next_line);
	rig_end(&rig);
}

/** Numbers go on behind what is there, whatever the mark says. */
static void gives_no_name_twice(void)
{
	struct rig rig;
	char path[600];

	rig_begin(&rig, RIG_FILES);
	sink_close(&rig.sink);
	rig_path(&rig, "edits-20991231T235959Z-000041.ndjson", path);
	scratch_write(path, "{}\n", 3);
	rig_path(&rig, ".edits-20991231T235959Z-000050.ndjson.partial", path);
	scratch_write(path, "{}\n", 3);
	rig_reopen(&rig, rig_no_mark);
	// Without a mark nobody knows whether its events were acknowledged.
	CHECK_EQUAL(rig_hidden(&rig), 0);
	rig_path(&rig, ".edits-20991231T235959Z-000050.ndjson.partial.orphan", path);
	CHECK(scratch_holds(path, "{}\n", 3));
	CHECK_EQUAL(rig_offer(&rig, 10), SL_OK);
	CHECK(strcmp(rig_only_name(&rig, true), ".edits-20991231T235959Z-000051.ndjson.partial")
	      == 0);
	rig_end(&rig);
}

static void is_opened_once(void)
{
	struct problem p = {0};
	struct rig other;
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	rig_init(&other, RIG_FILES, "s");
	CHECK_EQUAL(rig_open(&other, rig_no_mark, &p), SL_E_BUSY);
	CHECK(strcmp(p.file, rig.directory) == 0 && p.remedy[0] != '\0');
	rig_end(&rig);
}

static void refuses_prefixes(void)
{
	static const char *const prefixes[] = {
		"",
		".a",
		"a/b",
		"a\nb",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaa"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct sink_files_options o = {
			.directory = scratch_path("s"),
			.prefix = prefixes[i],
		};
		struct problem p = {0};
		struct sink sink;

		CHECK_EQUAL(sink_files_open(&o, NULL, NULL, &sink, &p), SL_E_INVALID);
		CHECK(p.what[0] != '\0' && p.remedy[0] != '\0');
	}
}

/** Marks are checkpointed with a checksum; still none may do harm. */
static void refuses_marks_of_others(void)
{
	uint64_t random = 4;
	struct rig_mark m;
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL(rig_offer(&rig, 3000), SL_OK);
		sink_roll(&rig.sink);
		m = rig_commit(&rig, false);
	}
	CHECK_EQUAL(rig_offer(&rig, 3000), SL_OK);
	m = rig_commit(&rig, false);
	for (size_t size = 1; size <= m.size; size++) {
		struct files_mark read;
		enum sl_status status = files_mark_read(view_of(m.bytes, size), &read);

		CHECK_EQUAL(status, size == m.size ? SL_OK : SL_E_CORRUPT);
	}
	for (int i = 0; i < 20000; i++) {
		struct rig_mark bad = m;
		struct files_mark read;

		for (int k = 0; k < 3; k++)
			bad.bytes[scratch_random(&random) % m.size] =
				(uint8_t)scratch_random(&random);
		if (files_mark_read(rig_mark_view(&bad), &read) != SL_OK)
			continue;
		CHECK(read.ended_count <= FILES_ENDED_MAX && read.next_number > 0);
		for (uint32_t k = 0; k < read.ended_count; k++) {
			char text[FILES_NAME_MAX];

			files_name_write(text, "edits", &read.ended[k].name, true);
			CHECK(read.ended[k].name.number < read.next_number);
		}
	}
	rig_end(&rig);
}
static const struct check_test tests[] = {
	{"names files by time and number", names_files_by_time_and_number},
	{"reads only its own names", reads_only_its_own_names},
	{"rolls at its size", rolls_at_its_size},
	{"rolls at its age", rolls_at_its_age},
	{"publishes nothing before it is confirmed", publishes_nothing_before_it_is_confirmed},
	{"comes back to its mark", comes_back_to_its_mark},
	{"goes on in another form", goes_on_in_another_form},
	{"gives no name twice", gives_no_name_twice},
	{"is opened once", is_opened_once},
	{"refuses prefixes", refuses_prefixes},
	{"refuses marks of others", refuses_marks_of_others},
};

int main(void)
{
	rig_prefer_memory();
	return check_run("sink of files", tests, sizeof(tests) / sizeof(tests[0]));
}
