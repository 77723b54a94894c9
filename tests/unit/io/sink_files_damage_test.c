#include "io/fault.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_rig_files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// The sink of files, when files are damaged and disks fail.

enum damage {
	DAMAGE_CUT_CURRENT,
	DAMAGE_NO_CURRENT,
	DAMAGE_CUT_ENDED,
	DAMAGE_SIZE_ENDED,
	DAMAGE_COUNT
};

/** Make a mark with an ended file and one in work, then damage. */
static struct rig_mark damage(struct rig *rig, enum damage what)
{
	char paths[2][600];
	struct rig_mark m;

	CHECK_EQUAL(rig_offer(rig, 3000), SL_OK);
	rig_path(rig, rig_only_name(rig, true), paths[0]);
	sink_roll(&rig->sink);
	rig_commit(rig, false);
	CHECK_EQUAL(rig_offer(rig, 3000), SL_OK);
	m = rig_commit(rig, false);
	sink_close(&rig->sink);
	if (what == DAMAGE_SIZE_ENDED) {
		char name[600];
		char *slash;

		snprintf(name, sizeof(name), "%s", paths[0]);
		CHECK_EQUAL(truncate(name, 1000), 0);
		slash = strrchr(name, '/');
		memmove(slash + 1, slash + 2, strlen(slash + 2) + 1);
		name[strlen(name) - strlen(".partial")] = '\0';
		CHECK_EQUAL(rename(paths[0], name), 0);
		return m;
	}
	if (what == DAMAGE_CUT_ENDED) {
		CHECK_EQUAL(truncate(paths[0], 1000), 0);
		return m;
	}
	CHECK_EQUAL(unlink(paths[0]), 0); // as if published and taken away
	rig_path(rig, rig_only_name(rig, true), paths[1]);
	CHECK_EQUAL(what == DAMAGE_NO_CURRENT ? unlink(paths[1]) : truncate(paths[1], 1000), 0);
	return m;
}

static void finds_damaged_files(void)
{
	for (enum damage what = 0; what < DAMAGE_COUNT; what++) {
		struct problem p = {0};
		struct rig_mark m;
		struct rig rig;

		rig_begin(&rig, RIG_FILES);
		m = damage(&rig, what);
		CHECK_EQUAL(rig_open(&rig, rig_mark_view(&m), &p), SL_E_CORRUPT);
		CHECK(strstr(p.file, "edits-") != NULL && p.remedy[0] != '\0');
		CHECK_EQUAL(rig_open(&rig, rig_mark_view(&m), &p), SL_E_CORRUPT);
		rig_remove(&rig);
	}
}

/** A power cut may do that to files that were not to be synced: it goes on, and says so. */
static void goes_on_after_damage_when_not_synced(void)
{
	for (enum damage what = 0; what < DAMAGE_COUNT; what++) {
		struct sink_stats stats;
		struct rig_mark m;
		struct rig rig;

		rig_begin(&rig, RIG_FILES_UNSYNCED);
		m = damage(&rig, what);
		rig_reopen(&rig, rig_mark_view(&m));
		sink_stats(&rig.sink, &stats);
		CHECK(strstr(stats.last_problem, "edits-") != NULL);
		CHECK_EQUAL(rig_offer(&rig, 100), SL_OK);
		rig_commit(&rig, true);
		rig_end(&rig);
	}
}

static uint64_t fail_at;
static uint64_t fail_count; // steps that fail, from fail_at on
static uint64_t steps;
static int fail_error;

static int fail_some_steps(enum io_step step)
{
	if (step == IO_STEP_RING || step == IO_STEP_PIN)
		return 0;
	steps++;
	return steps >= fail_at && steps < fail_at + fail_count ? fail_error : 0;
}

/** A failing step: nothing accepted is lost or doubled, and it comes back by itself. */
static void survives_failing_steps(enum rig_kind kind, uint64_t count, int error)
{
	fail_count = count;
	fail_error = error;
	for (fail_at = 1; fail_at < 400; fail_at += count) {
		struct sink_stats stats;
		struct problem p;
		struct rig rig;
		bool was_down = false;

		rig_init(&rig, kind, "s");
		rig.roll_bytes = 5000;
		rig_now_ms = 1000000;
		rig_reopen(&rig, rig_no_mark);
		steps = 0;
		io_fault = fail_some_steps;
		for (int i = 0; i < 60; i++) {
			uint8_t mark[SINK_MARK_MAX];
			enum sl_status status = rig_offer(&rig, 900);

			sink_stats(&rig.sink, &stats);
			CHECK(status == SL_OK || (status == SL_E_FULL && stats.is_down));
			was_down |= stats.is_down;
			CHECK(!stats.is_down || stats.last_problem[0] != '\0');
			rig_now_ms += 200;
			sink_poll(&rig.sink);
			if (i % 4 != 0)
				continue;
			status = sink_sync(&rig.sink, &p);
			sink_stats(&rig.sink, &stats);
			CHECK_EQUAL(status != SL_OK, stats.is_down);
			was_down |= stats.is_down;
			if (status != SL_OK) {
				CHECK(p.file[0] != '\0' && p.remedy[0] != '\0');
				continue;
			}
			(void)sink_mark(&rig.sink, mark);
			sink_confirm(&rig.sink);
		}
		io_fault = NULL;
		CHECK(rig_drain(&rig));
		CHECK_EQUAL(rig.rows_failed, 0);
		CHECK_EQUAL(rig.rows_delivered, rig.rows_offered);
		CHECK(rig.waiting == 0 && !rig.is_out_of_order);
		CHECK_EQUAL(rig_lines(&rig), rig.next_line);
		rig_end(&rig);
		if (steps < fail_at)
			break;
		CHECK(was_down || fail_count == 1);
	}
	CHECK(fail_at > 50 && fail_at < 400);
}

static void survives_each_failing_step(void)
{
	survives_failing_steps(RIG_FILES, 1, ENOSPC);
	survives_failing_steps(RIG_FILES_ZSTD, 1, EIO);
	survives_failing_steps(RIG_FILES, 9, EIO);
	setenv("SEALANE_IO", "posix", 1);
	survives_failing_steps(RIG_FILES, 3, ENOSPC);
	unsetenv("SEALANE_IO");
}

static void gives_back_what_it_has_not_delivered(void)
{
	struct sink_stats stats;
	struct problem p;
	struct rig rig;
	uint64_t lines;

	rig_begin(&rig, RIG_FILES);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	rig_commit(&rig, true);
	lines = rig.next_line;
	sink_recall(&rig.sink); // of a sink that works: nothing
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	sink_recall(&rig.sink);
	CHECK_EQUAL(rig.waiting, 3);
	steps = 0;
	fail_at = 1;
	fail_count = 1;
	fail_error = EIO;
	io_fault = fail_some_steps;
	CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_E_IO);
	io_fault = NULL;
	sink_recall(&rig.sink);
	CHECK_EQUAL(rig.waiting, 0);
	CHECK(rig.rows_failed == rig.next_line - lines && !rig.is_out_of_order);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_E_FULL);
	rig_now_ms += 1000;
	sink_poll(&rig.sink);
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_down);
	rig.next_line = lines;
	CHECK_EQUAL(rig_offer(&rig, 100), SL_OK);
	CHECK(rig_drain(&rig));
	CHECK_EQUAL(rig_lines(&rig), rig.next_line);
	rig_end(&rig);
}

/** A real full disk where we may mount one; else a limit of file sizes. */
static void waits_for_room_on_a_full_disk(void)
{
	struct rlimit before;
	struct rlimit small = {.rlim_cur = 100000};
	struct sink_stats stats;
	struct problem p;
	struct rig rig;
	uint64_t waiting = 0;
	bool is_mounted;

	rig_init(&rig, RIG_FILES, "disk");
	CHECK_FATAL(mkdir(rig.directory, 0700) == 0);
	is_mounted = mount("none", rig.directory, "tmpfs", 0, "size=128k") == 0;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	if (!is_mounted)
		setrlimit(RLIMIT_FSIZE, &small);
	rig_reopen(&rig, rig_no_mark);
	// It may be found full in the middle.
	for (int i = 0; i < 10; i++)
		waiting += rig_offer(&rig, 20000) == SL_OK;
	CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_E_NO_SPACE);
	CHECK(waiting > 4 && rig.waiting == waiting);
	CHECK_EQUAL(rig_offer(&rig, 20000), SL_E_FULL);
	sink_stats(&rig.sink, &stats);
	CHECK(stats.is_down && stats.last_problem[0] != '\0');
	rig_now_ms += 1000;
	CHECK_EQUAL(sink_sync(&rig.sink, &p), SL_E_NO_SPACE);
	if (is_mounted)
		CHECK_EQUAL(mount("none", rig.directory, NULL, MS_REMOUNT, "size=1m"), 0);
	setrlimit(RLIMIT_FSIZE, &before);
	rig_now_ms += 1000;
	CHECK(rig_drain(&rig));
	CHECK_EQUAL(rig.rows_delivered, rig.rows_offered);
	CHECK_EQUAL(rig_lines(&rig), rig.next_line);
	sink_close(&rig.sink);
	if (is_mounted)
		CHECK_EQUAL(umount(rig.directory), 0);
	rig_remove(&rig);
}

static void fails_what_it_can_not_keep_at_the_end(void)
{
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	rig_commit(&rig, true);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	steps = 0;
	fail_at = 1;
	fail_count = 1000;
	io_fault = fail_some_steps;
	sink_close(&rig.sink);
	io_fault = NULL;
	CHECK(rig.waiting == 0 && !rig.is_out_of_order);
	CHECK(rig.rows_failed > 0 && rig.rows_failed + rig.rows_delivered == rig.rows_offered);
	rig_remove(&rig);
}

/** Somebody removes or moves what is in work: what was not synced before is not lost with it, and it is said. */
static void notices_that_its_file_is_gone(void)
{
	static const enum rig_kind kinds[] = {RIG_FILES, RIG_FILES_ZSTD, RIG_SPOOL_FILES};

	for (int is_moved = 0; is_moved < 2; is_moved++)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			struct sink_stats stats;
			struct problem p;
			struct rig rig;
			char path[600];

			rig_begin(&rig, kinds[i]);
			CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
			rig_commit(&rig, true);
			rig.lines_taken = rig.next_line;
			rig_path(&rig, rig_only_name(&rig, true), path);
			CHECK_EQUAL(
				is_moved ? rename(path, scratch_path("moved")) : unlink(path), 0
			);
			CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
			CHECK_EQUAL(
				sink_sync(&rig.sink, &p),
				kinds[i] == RIG_SPOOL_FILES ? SL_OK : SL_E_NOT_FOUND
			);
			sink_stats(&rig.sink, &stats);
			CHECK(stats.is_down && strstr(stats.last_problem, "edits-") != NULL);
			rig_now_ms += 1000;
			CHECK(rig_drain(&rig));
			CHECK_EQUAL(rig.rows_delivered, rig.rows_offered);
			CHECK_EQUAL(rig_lines(&rig), rig.next_line);
			rig_end(&rig);
			unlink(scratch_path("moved"));
		}
}

/** The directory is removed with all that is in it: it is made again. */
static void makes_its_directory_again(void)
{
	for (int has_file = 0; has_file < 2; has_file++) {
		struct problem p;
		struct rig other;
		struct rig rig;

		rig_begin(&rig, RIG_FILES);
		if (has_file) {
			CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
			rig_commit(&rig, true);
		}
		rig.lines_taken = rig.next_line;
		rig_remove(&rig);
		(void)!rig_offer(&rig, 900);
		(void)!sink_sync(&rig.sink, &p);
		rig_now_ms += 1000;
		CHECK(rig_drain(&rig));
		CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
		CHECK(rig_drain(&rig));
		CHECK(rig.rows_delivered == rig.rows_offered && rig.waiting == 0);
		CHECK_EQUAL(rig_lines(&rig), rig.next_line);
		// And it is kept from others again.
		rig_init(&other, RIG_FILES, "s");
		CHECK_EQUAL(rig_open(&other, rig_no_mark, &p), SL_E_BUSY);
		rig_end(&rig);
	}
}

/** An ended file that is gone before it has its name: there is nothing to be done for ever. */
static void goes_on_without_what_is_gone(void)
{
	struct sink_stats stats;
	char path[600];
	struct rig rig;

	rig_begin(&rig, RIG_FILES);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	rig_path(&rig, rig_only_name(&rig, true), path);
	sink_roll(&rig.sink);
	rig_commit(&rig, false);
	rig.lines_taken = rig.next_line;
	CHECK_EQUAL(unlink(path), 0);
	sink_confirm(&rig.sink);
	sink_stats(&rig.sink, &stats);
	CHECK(!stats.is_due && strstr(stats.last_problem, "edits-") != NULL);
	CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
	CHECK(rig_drain(&rig));
	CHECK_EQUAL(rig_lines(&rig), rig.next_line);
	rig_end(&rig);
}

static void sets_permissions(void)
{
	static const enum rig_kind kinds[] = {RIG_FILES, RIG_SPOOL_FILES};

	mode_t before = umask(0);

	for (size_t i = 0; i < 2; i++) {
		struct stat st;
		struct rig rig;
		char path[600];

		rig_begin(&rig, kinds[i]);
		CHECK(stat(rig.directory, &st) == 0 && (st.st_mode & 07777) == 0750);
		if (i == 1)
			CHECK(stat(rig.spool, &st) == 0 && (st.st_mode & 07777) == 0750);
		CHECK_EQUAL(rig_offer(&rig, 900), SL_OK);
		CHECK(rig_drain(&rig));
		rig_path(&rig, rig_only_name(&rig, false), path);
		CHECK(stat(path, &st) == 0 && (st.st_mode & 07777) == 0640);
		rig_end(&rig);
	}
	umask(before);
}

/** Who may write to the directory can not make the sink write elsewhere. */
static void follows_no_links(void)
{
	struct problem p = {0};
	struct rig rig;
	char path[600];

	rig_begin(&rig, RIG_FILES);
	sink_close(&rig.sink);
	rig_path(&rig, ".edits.lock", path);
	unlink(path);
	CHECK_EQUAL(symlink(scratch_path("elsewhere"), path), 0);
	CHECK(rig_open(&rig, rig_no_mark, &p) != SL_OK);
	CHECK(access(scratch_path("elsewhere"), F_OK) != 0);
	rig_remove(&rig);
}

static const struct check_test tests[] = {
	{"finds damaged files", finds_damaged_files},
	{"goes on after damage when not synced", goes_on_after_damage_when_not_synced},
	{"survives each failing step", survives_each_failing_step},
	{"gives back what it has not delivered", gives_back_what_it_has_not_delivered},
	{"waits for room on a full disk", waits_for_room_on_a_full_disk},
	{"notices that its file is gone", notices_that_its_file_is_gone},
	{"makes its directory again", makes_its_directory_again},
	{"goes on without what is gone", goes_on_without_what_is_gone},
	{"sets permissions", sets_permissions},
	{"follows no links", follows_no_links},
	{"fails what it can not keep at the end", fails_what_it_can_not_keep_at_the_end},
};

int main(void)
{
	rig_prefer_memory();
	return check_run("sink of files, damaged", tests, sizeof(tests) / sizeof(tests[0]));
}
