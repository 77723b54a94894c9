#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_rig_files.h"

#include <stdlib.h>
#include <unistd.h>

// What every kind of sink keeps to.

#define POLL_NS_MAX   UINT64_C(20000000000)
#define SPOOL_POLL_NS UINT64_C(500000000)

static const char *const backends[] = {"uring", "posix"};

static bool is_true(const struct rig *rig)
{
	struct sink_stats s;

	sink_stats(&rig->sink, &s);
	return !rig->is_out_of_order && s.rows_delivered == rig->rows_delivered
		&& s.rows_failed == rig->rows_failed && s.bytes_delivered == rig->bytes_delivered
		&& s.rows_waiting == rig->rows_offered - rig->rows_delivered - rig->rows_failed;
}

static size_t random_size(uint64_t *random)
{
	uint64_t r = scratch_random(random);

	if (r % 16 == 0)
		return 0;
	return r % 97 == 1 ? 3 << 20 : r % 5 == 0 ? 1 + (r >> 8) % 200000 : 1 + (r >> 8) % 3000;
}

static void commit(struct rig *rig)
{
	uint8_t mark[SINK_MARK_MAX];
	struct problem p;

	CHECK_EQUAL(sink_sync(&rig->sink, &p), SL_OK);
	CHECK_EQUAL(rig->waiting, 0);
	CHECK(sink_mark(&rig->sink, mark) <= SINK_MARK_MAX);
	sink_confirm(&rig->sink);
}

static void reports_each_parcel_once(enum rig_kind kind)
{
	struct rig rig;
	struct problem p;
	uint64_t random = 5 + kind;
	uint64_t lines = 0;

	rig_init(&rig, kind, "s");
	rig.roll_bytes = 300000;
	CHECK_FATAL(rig_open(&rig, (struct view){0}, &p) == SL_OK);
	for (int i = 0; i < 400; i++) {
		uint64_t r = scratch_random(&random);

		CHECK_EQUAL(rig_offer(&rig, random_size(&random)), SL_OK);
		if (r % 3 == 0)
			sink_poll(&rig.sink);
		if (r % 7 == 0)
			sink_sync_begin(&rig.sink);
		if (r % 7 == 0 && r % 2 == 0)
			for (int k = 0; k < 5; k++)
				sink_poll(&rig.sink);
		if (r % 7 == 0)
			commit(&rig);
		CHECK(is_true(&rig));
	}
	CHECK_EQUAL(rig.rows_failed, 0);
	CHECK(rig_drain(&rig));
	CHECK(is_true(&rig));
	sink_close(&rig.sink);
	CHECK_EQUAL(rig.waiting, 0);
	CHECK(!rig.is_out_of_order);
	CHECK_EQUAL(rig.rows_delivered, rig.rows_offered);
	if (rig_is_kept(kind)) {
		CHECK(rig_read(&rig, &lines));
		CHECK_EQUAL(lines, rig.next_line);
		CHECK(rig_published(&rig) > 3);
		CHECK_EQUAL(rig_hidden(&rig), 0);
	}
	rig_remove(&rig);
}

static void reports_by_polls_too(enum rig_kind kind)
{
	const bool is_spool = kind == RIG_SPOOL_FILES || kind == RIG_SPOOL_ZSTD;
	uint64_t end_ns;
	struct rig rig;
	struct problem p;

	rig_init(&rig, kind, "s");
	CHECK_FATAL(rig_open(&rig, (struct view){0}, &p) == SL_OK);
	CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
	sink_sync_begin(&rig.sink);
	end_ns = clock_monotonic_ns() + (is_spool ? SPOOL_POLL_NS : POLL_NS_MAX);
	while (rig.waiting != 0 && clock_monotonic_ns() < end_ns) {
		sink_poll(&rig.sink);
		usleep(100);
	}
	// A spool asks at the sync.
	if (is_spool)
		CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_OK);
	CHECK_EQUAL(rig.waiting, 0);
	CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_OK);
	CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
	sink_close(&rig.sink);
	CHECK_EQUAL(rig.waiting, 0);
	CHECK_EQUAL(rig.rows_failed, 0);
	rig_remove(&rig);
}

/** The caller keeps what is refused, and it is taken later. */
static void pushes_back(enum rig_kind kind)
{
	struct rig rig;
	struct problem p;
	uint64_t refused = 0;
	uint64_t lines;

	rig_init(&rig, kind, "s");
	CHECK_FATAL(rig_open(&rig, (struct view){0}, &p) == SL_OK);
	for (int i = 0; i < 10000; i++) {
		enum sl_status status = rig_offer(&rig, 30);

		CHECK(status == SL_OK || status == SL_E_FULL);
		if (status != SL_OK) {
			refused++;
			commit(&rig);
		}
	}
	CHECK(refused > 0 && refused < 10);
	CHECK(rig_drain(&rig));
	sink_close(&rig.sink);
	CHECK(rig.rows_delivered == rig.rows_offered && rig.waiting == 0);
	if (rig_is_kept(kind))
		CHECK(rig_read(&rig, &lines) && lines == rig.next_line);
	rig_remove(&rig);
}

/** What was synced after the mark is not published by its confirm, though it has ended: a restore may take it back. */
static void publishes_what_the_mark_covers(enum rig_kind kind)
{
	struct rig_mark m;
	struct rig rig;
	struct problem p;
	uint64_t lines;

	if (!rig_is_kept(kind))
		return;
	for (int is_ended = 0; is_ended < 2; is_ended++) {
		rig_begin(&rig, kind);
		CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
		if (is_ended)
			sink_roll(&rig.sink);
		m = rig_commit(&rig, false);
		lines = rig.next_line;
		CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
		sink_roll(&rig.sink);
		CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_OK);
		sink_confirm(&rig.sink);
		CHECK(rig_published(&rig) <= (uint32_t)is_ended);
		sink_close(&rig.sink);
		rig_reopen(&rig, rig_mark_view(&m));
		rig.next_line = lines;
		CHECK_EQUAL(rig_offer(&rig, 1000), SL_OK);
		CHECK(rig_drain(&rig));
		CHECK_EQUAL(rig_lines(&rig), rig.next_line);
		CHECK_EQUAL(rig_hidden(&rig), 0);
		rig_end(&rig);
	}
}

static void run_all(void (*run)(enum rig_kind kind))
{
	for (size_t b = 0; b < 2; b++) {
		setenv("SEALANE_IO", backends[b], 1);
		for (enum rig_kind kind = 0; kind < RIG_KIND_COUNT; kind++)
			run(kind);
	}
	unsetenv("SEALANE_IO");
}

static void all_report_once(void)
{
	run_all(reports_each_parcel_once);
}

static void all_report_by_polls(void)
{
	run_all(reports_by_polls_too);
}

static void all_push_back(void)
{
	run_all(pushes_back);
}

static void all_publish_what_the_mark_covers(void)
{
	run_all(publishes_what_the_mark_covers);
}

static void refuses_too_large_a_parcel(void)
{
	static const enum rig_kind kinds[] = {RIG_FILES, RIG_SPOOL_FILES};

	for (size_t i = 0; i < 2; i++) {
		struct sink_parcel parcel = {.bytes = view_of("", (64 << 20) + 1)};
		struct rig rig;
		struct problem p;

		rig_init(&rig, kinds[i], "s");
		CHECK_FATAL(rig_open(&rig, (struct view){0}, &p) == SL_OK);
		CHECK_EQUAL(sink_offer(&rig.sink, &parcel), SL_E_TOO_BIG);
		sink_close(&rig.sink);
		rig_remove(&rig);
	}
}

static void closes_zeroes(void)
{
	struct sink sink = {0};

	sink_close(&sink);
	CHECK(sink.ops == NULL);
}

static const struct check_test tests[] = {
	{"every kind reports each parcel once, in order", all_report_once},
	{"every kind syncs by polls too", all_report_by_polls},
	{"every kind pushes back and takes again", all_push_back},
	{"every kind publishes what the mark covers", all_publish_what_the_mark_covers},
	{"refuses too large a parcel", refuses_too_large_a_parcel},
	{"closes what is not open", closes_zeroes},
};

CHECK_MAIN("sinks")
