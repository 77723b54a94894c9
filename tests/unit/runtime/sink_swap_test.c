#include "dataplane/runtime/egress_inner.h"
#include "dataplane/runtime/runtime_inner.h"
#include "io/base/clock.h"
#include "io/fault.h"
#include "tests/support/check.h"
#include "tests/support/plane_rig.h"
#include "tests/support/scratch.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

// A stream's sinks change while events are under way: none is lost, none is there twice, and those that a spool or a file
// in work holds come out.

static struct plane_rig *rig;

static uint64_t sent;

#define PORT "{port: 7001, mode: plain}"

#define STREAM(sink_text)                                                                          \
	(const struct rig_stream[])                                                                \
	{                                                                                          \
		{"edits", NULL, PORT, sink_text, "{null: true}"},                                  \
		{                                                                                  \
			0                                                                          \
		}                                                                                  \
	}

static enum sl_status apply(const struct rig_stream streams[])
{
	struct problem problem = {0};
	enum sl_status status = plane_rig_apply(rig, streams, &problem);

	if (status != SL_OK)
		problem_print(stdout, &problem);
	return status;
}

static void send_some(uint32_t count)
{
	for (uint32_t n = 0; n < count; n++, sent++) {
		char text[200];
		int size = snprintf(
			text,
			sizeof(text),
			"{\"n\":%llu,\"user\":\"user-%llu\",\"text\":\"t\",\"at\":\"2026-11-21T10:"
			"00:00Z\"}",
			(unsigned long long)sent,
			(unsigned long long)(sent % 100)
		);

		plane_rig_send_text(rig, 7001, text, (size_t)size);
	}
}

static bool has_taken(struct plane_rig *r, uint64_t events)
{
	return plane_rig_count(r, COUNTER_EVENTS_SEALED) >= events;
}

static const char *data_path(const char *name)
{
	static char paths[4][200];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, 200, "%s/data/%s", rig->directory, name);
	return path;
}

/** Events that are published; UINT64_MAX when one is there twice. */
static uint64_t count_published(const char *name)
{
	uint8_t *seen = calloc(sent + 1, 1);
	uint64_t total = 0;
	bool is_good = true;
	size_t size;
	char *text = plane_rig_read(rig, name, "edits", &size);

	for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1, total++) {
		uint64_t n = strtoull(line + strlen("{\"n\":"), NULL, 10);

		is_good = is_good && n < sent && seen[n]++ == 0;
	}
	free(text);
	free(seen);
	return is_good ? total : UINT64_MAX;
}

/** Stop, and find every number once. */
static bool is_all_there(const char *name)
{
	uint64_t lost = plane_rig_stop(rig);
	uint64_t total = count_published(name);

	if (total != sent)
		printf("%llu of %llu\n", (unsigned long long)total, (unsigned long long)sent);
	return lost == 0 && total == sent;
}

static void begin(void)
{
	rig = plane_rig_new();
	sent = 0;
}

static void end(void)
{
	plane_rig_free(rig);
	rig = NULL;
}

static void spools_come_and_go(void)
{
	begin();
	CHECK_EQUAL(apply(STREAM("{files: edits}")), SL_OK);
	send_some(300);
	CHECK_EQUAL(apply(STREAM("{files: edits, spool: {directory: one, size: 64 MiB}}")), SL_OK);
	send_some(300);
	CHECK_EQUAL(apply(STREAM("{files: edits, spool: {directory: two, size: 64 MiB}}")), SL_OK);
	send_some(300);
	CHECK_EQUAL(
		apply(STREAM("{files: edits, sync: never, spool: {directory: two, size: 64 "
			     "MiB}}")),
		SL_OK
	);
	CHECK_EQUAL(apply(STREAM("{files: edits}")), SL_OK);
	send_some(300);
	CHECK(plane_rig_wait(has_taken, rig, sent));
	CHECK(is_all_there("edits"));
	end();
}

static bool has_delivered(struct plane_rig *r, uint64_t rows)
{
	return plane_rig_delivered(r) >= rows;
}

static bool has_segments(const char *name)
{
	return access(data_path(name), F_OK) == 0 && scratch_count(data_path(name)) != 0;
}

static bool is_spool_empty(struct plane_rig *r, uint64_t unused)
{
	(void)r;
	(void)unused;
	return !has_segments("one");
}

/** A disk that is soon full, under the files of the sink. Root may. */
static void mount_small_disk(const char *options)
{
	CHECK_EQUAL(mkdir(data_path(""), 0700), 0);
	CHECK_EQUAL(mkdir(data_path("edits"), 0700), 0);
	CHECK_FATAL(mount("none", data_path("edits"), "tmpfs", 0, options) == 0);
}

/** What a spool holds when it is taken out of the definition still goes to its sink. */
static void spools_are_emptied(void)
{
	static const char *const after[] = {
		"{files: edits}",
		"{files: edits, spool: {directory: two, size: 64 MiB}}",
		"{files: edits, sync: never, spool: {directory: one, size: 64 MiB}}",
		"{null: true}",
		"{files: elsewhere, spool: {directory: one, size: 64 MiB}}",
	};

	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		uint64_t before;

		begin();
		mount_small_disk("size=32k");
		CHECK_EQUAL(
			apply(STREAM("{files: edits, spool: {directory: one, size: 64 MiB}}")),
			SL_OK
		);
		send_some(500);
		CHECK(plane_rig_wait(has_delivered, rig, sent));
		CHECK(has_segments("one"));
		before = sent;
		CHECK_EQUAL(apply(STREAM(after[i])), SL_OK);
		if (i < 3)
			send_some(300);
		usleep(100000);
		CHECK(has_segments("one"));
		CHECK_EQUAL(mount("none", data_path("edits"), NULL, MS_REMOUNT, "size=16m"), 0);
		CHECK(plane_rig_wait(is_spool_empty, rig, 0));
		if (i < 3)
			CHECK(plane_rig_wait(has_delivered, rig, before + 300));
		CHECK(is_all_there("edits"));
		CHECK_EQUAL(umount(data_path("edits")), 0);
		end();
	}
}

static void shell(const char *format, ...)
{
	char command[600];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	CHECK_FATAL(system(command) == 0);
}

/** The dataplane dies while nothing is under way, and comes back. */
static void crash(void)
{
	const char *at = rig->directory;

	// What was delivered is in the checkpoint: with nothing left for the disk to write its sync does not take long.
	shell("sync -f %s", at);
	sleep(1);
	shell("rm -rf %s/copy && mkdir %s/copy && cp -a %s/data %s/state %s/copy",
	      at,
	      at,
	      at,
	      at,
	      at);
	CHECK_EQUAL(plane_rig_stop(rig), 0);
	shell("rm -rf %s/data %s/state && mv %s/copy/* %s", at, at, at, at);
	plane_rig_restart(rig);
}

/** What was in work is taken up by who writes to the place now. */
static void changes_after_a_crash(void)
{
	static const struct {
		struct rig_stream before[2];
		struct rig_stream after[2];
	} cases[] = {
		{{{"edits", NULL, PORT, "{files: edits}", "{null: true}"}},
		 {{"edits",
		   NULL,
		   PORT,
		   "{files: edits, spool: {directory: one, size: 64 MiB}}",
		   "{null: true}"}}},
		{{{"edits",
		   NULL,
		   PORT,
		   "{files: edits, spool: {directory: one, size: 64 MiB}}",
		   "{null: true}"}},
		 {{"edits", NULL, PORT, "{files: edits}", "{null: true}"}}},
		{{{"edits",
		   NULL,
		   PORT,
		   "{files: edits, spool: {directory: one, size: 64 MiB}}",
		   "{null: true}"}},
		 {{"edits",
		   NULL,
		   PORT,
		   "{files: edits, spool: {directory: two, size: 64 MiB}}",
		   "{null: true}"}}},
		// Another output's, another stream's.
		{{{"edits", NULL, PORT, "{files: edits, prefix: edits}", "{null: true}"}},
		 {{"edits", NULL, PORT, "{files: elsewhere}", "{files: edits, prefix: edits}"}}},
		{{{"edits", NULL, PORT, "{files: edits, prefix: edits}", "{null: true}"}},
		 {{"others", NULL, PORT, "{null: true}", "{files: edits, prefix: edits}"}}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		CHECK_EQUAL(apply(cases[i].before), SL_OK);
		send_some(200);
		CHECK(plane_rig_wait(has_delivered, rig, sent));
		crash();
		CHECK_EQUAL(apply(cases[i].after), SL_OK);
		CHECK(is_all_there("edits"));
		end();
	}
}

static void keeps_spools_that_hold_events(void)
{
	struct problem problem = {0};
	uint64_t spooled;

	begin();
	mount_small_disk("size=32k");
	CHECK_EQUAL(apply(STREAM("{files: edits, spool: {directory: one, size: 64 MiB}}")), SL_OK);
	send_some(500);
	CHECK(plane_rig_wait(has_delivered, rig, sent));
	spooled = scratch_count(data_path("one"));
	CHECK(spooled != 0);
	CHECK_EQUAL(plane_rig_stop(rig), 0);
	plane_rig_restart(rig);
	// Without the spool its events would be in nobody's hands.
	CHECK_EQUAL(plane_rig_apply(rig, STREAM("{files: edits}"), &problem), SL_E_BUSY);
	CHECK(strstr(problem.what, "spool") != NULL && problem.remedy[0] != '\0');
	CHECK_EQUAL(scratch_count(data_path("one")), spooled);
	CHECK_EQUAL(mount("none", data_path("edits"), NULL, MS_REMOUNT, "size=16m"), 0);
	CHECK_EQUAL(apply(STREAM("{files: edits, spool: {directory: one, size: 64 MiB}}")), SL_OK);
	CHECK(plane_rig_wait(is_spool_empty, rig, 0));
	CHECK_EQUAL(apply(STREAM("{files: edits}")), SL_OK);
	CHECK(is_all_there("edits"));
	CHECK_EQUAL(umount(data_path("edits")), 0);
	end();
}

/** A full disk: what was not delivered is counted at the stop, and nothing is there twice after it. */
static void stops_while_the_disk_is_full(void)
{
	uint64_t missing;

	begin();
	mount_small_disk("size=128k");
	CHECK_EQUAL(apply(STREAM("{files: edits}")), SL_OK);
	send_some(100);
	CHECK(plane_rig_wait(has_delivered, rig, sent));
	send_some(900);
	usleep(200000);
	missing = plane_rig_frame_drops(rig, FRAME_DROP_BUSY);
	missing += runtime_stop(rig->runtime, 300);
	rig->runtime = NULL;
	CHECK(missing > 0 && missing < sent);
	CHECK_EQUAL(mount("none", data_path("edits"), NULL, MS_REMOUNT, "size=16m"), 0);
	plane_rig_restart(rig);
	CHECK_EQUAL(apply(STREAM("{files: edits}")), SL_OK);
	send_some(100);
	CHECK(plane_rig_wait(has_delivered, rig, 100));
	CHECK_EQUAL(plane_rig_stop(rig), 0);
	CHECK_EQUAL(count_published("edits") + missing, sent);
	CHECK_EQUAL(umount(data_path("edits")), 0);
	end();
}

#define CONTRACT(name)                                                                             \
	"contract: acme/" name                                                                     \
	"/1.0.0\nkey: user\nundeclared: pass\nfields:\n  user: {type: string, personal: 0}\n"

#define EDITS                                                                                      \
	{                                                                                          \
		"edits", NULL, PORT, "{files: edits}", "{null: true}"                              \
	}

/** A stream that nothing is sent to. */
#define IDLE(name, port)                                                                           \
	{                                                                                          \
		name, CONTRACT(name), "{port: " port ", mode: plain}", "{files: " name "}",        \
			"{null: true}"                                                             \
	}

static const struct rig_stream without[] = {IDLE("zoo", "7003"), {0}};
static const struct rig_stream with[] = {EDITS, IDLE("zoo", "7003"), {0}};

static pthread_t caller;
static bool has_opened; // the caller has begun to open sinks

static bool is_published(struct plane_rig *r, uint64_t unused)
{
	size_t size;
	char *text = plane_rig_read(r, "edits", "edits", &size);

	(void)unused;
	free(text);
	return size != 0;
}

/** When the caller opens its first sink, egress ends what it has of the stream that was taken out. */
static int let_egress_go_on(enum io_step step)
{
	(void)step;
	if (has_opened || !pthread_equal(pthread_self(), caller))
		return 0;
	has_opened = true;
	atomic_store(&rig->is_held, false);
	CHECK(plane_rig_wait(is_published, rig, 0));
	usleep(200000); // and writes down that it is published, and closes
	return 0;
}

/** A stream comes back, its file of before is published meanwhile, and a mark from before would be damage. */
static void comes_back_while_it_is_closed(void)
{
	static const struct rig_stream after[] = {
		IDLE("ants", "7002"), EDITS, IDLE("zoo", "7003"), {0}};

	begin();
	CHECK_EQUAL(apply(with), SL_OK);
	send_some(50);
	CHECK(plane_rig_wait(has_delivered, rig, sent));
	atomic_store(&rig->is_held, true);
	send_some(50); // their keys are not durable: egress can not be done with them
	CHECK(plane_rig_wait(has_taken, rig, sent));
	CHECK_EQUAL(apply(without), SL_OK);
	caller = pthread_self();
	has_opened = false;
	io_fault = let_egress_go_on;
	CHECK_EQUAL(apply(after), SL_OK);
	io_fault = NULL;
	CHECK(has_opened);
	send_some(100);
	CHECK(plane_rig_wait(has_taken, rig, sent));
	CHECK(is_all_there("edits"));
	end();
}

static struct sink_ops slow_ops; // as those of files, with a close that takes its time
static void (*close_files)(void *self);
static atomic_bool is_closing;

static void close_slowly(void *self)
{
	atomic_store(&is_closing, true);
	usleep(300000);
	close_files(self);
}

static void slow_down(struct egress *e, struct egress_command *command)
{
	(void)command;
	for (struct outlet *o = e->outlets; o != NULL; o = o->next) {
		if (strcmp(o->name, "edits") != 0)
			continue;
		slow_ops = *o->sink[PARCEL_SEALED].ops;
		close_files = slow_ops.close;
		slow_ops.close = close_slowly;
		o->sink[PARCEL_SEALED].ops = &slow_ops;
	}
}

static bool has_begun_to_close(struct plane_rig *r, uint64_t unused)
{
	(void)r;
	(void)unused;
	return atomic_load(&is_closing);
}

/** Until its sinks are closed who comes back waits: they are in use. */
static void waits_for_a_close_that_takes_long(void)
{
	struct egress_command command = {.run = slow_down};

	begin();
	atomic_store(&is_closing, false);
	CHECK_EQUAL(apply(with), SL_OK);
	egress_call(rig->runtime->egress, &command);
	send_some(50);
	CHECK(plane_rig_wait(has_taken, rig, sent));
	CHECK_EQUAL(apply(without), SL_OK);
	CHECK(plane_rig_wait(has_begun_to_close, rig, 0));
	CHECK_EQUAL(apply(with), SL_OK);
	send_some(50);
	CHECK(plane_rig_wait(has_taken, rig, sent));
	CHECK(is_all_there("edits"));
	end();
}

static const struct check_test tests[] = {
	{"spools come and go", spools_come_and_go},
	{"spools are emptied", spools_are_emptied},
	{"changes after a crash", changes_after_a_crash},
	{"keeps spools that hold events", keeps_spools_that_hold_events},
	{"stops while the disk is full", stops_while_the_disk_is_full},
	{"comes back while it is closed", comes_back_while_it_is_closed},
	{"waits for a close that takes long", waits_for_a_close_that_takes_long},
};

CHECK_MAIN("sinks that change")
