#include "io/fault.h"
#include "io/input.h"
#include "io/output.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	TEXT_SIZE = 300000
};

static uint8_t text[TEXT_SIZE];

static const char *const backends[] = {"uring", "posix", "plain"};

// Faults: the bad_number-th step of a kind fails with bad_error.
static enum io_step bad_step;
static uint64_t bad_number;
static uint64_t step_number;
static int bad_error;

static int fail_one_step(enum io_step step)
{
	if (step != bad_step)
		return 0;
	return ++step_number == bad_number ? bad_error : 0;
}

static void arm(enum io_step step, uint64_t number, int error)
{
	bad_step = step;
	bad_number = number;
	bad_error = error;
	step_number = 0;
	io_fault = fail_one_step;
}

static void fill_text(void)
{
	uint64_t random = 3;

	for (size_t i = 0; i < TEXT_SIZE; i++)
		text[i] = (uint8_t)('a' + scratch_random(&random) % 20);
	scratch_empty(scratch_directory());
}

/** Put the text in pieces of odd sizes, up to twice a buffer's. */
static enum sl_status put_text(struct output *out, uint32_t buffer_size, struct problem *p)
{
	uint64_t random = 11;

	for (size_t at = 0; at < TEXT_SIZE;) {
		size_t size = 1 + scratch_random(&random) % (buffer_size * 2);

		size = size < TEXT_SIZE - at ? size : TEXT_SIZE - at;
		SL_TRY(output_put(out, view_of(text + at, size), p));
		at += size;
	}
	return SL_OK;
}

static enum sl_status write_text(
	const char *path,
	const struct output_options *o,
	struct problem *p
)
{
	struct output *out;
	enum sl_status status;

	SL_TRY(output_open(path, o, &out, p));
	status = put_text(
		out, o != NULL && o->buffer_size != 0 ? o->buffer_size : OUTPUT_BUFFER_SIZE, p
	);
	if (status == SL_OK)
		status = output_finish(out, p);
	if (status == SL_OK)
		status = output_publish(out, p);
	output_free(out);
	return status;
}

/** Whether the file, decompressed, is the text. */
static bool reads_as_text(const char *path)
{
	struct input_options o = {.block_size = 1000};
	struct input *in;
	struct problem p;
	size_t at = 0;
	bool is_good = input_open(path, &o, &in, &p) == SL_OK;

	while (is_good) {
		struct input_block b;

		is_good = input_next(in, &b, &p) == SL_OK && b.offset == at
			&& b.bytes.size <= TEXT_SIZE - at
			&& view_equal(b.bytes, view_of(text + at, b.bytes.size));
		if (is_good && b.bytes.size == 0)
			break;
		at += b.bytes.size;
		input_release(b.block);
	}
	input_free(in);
	return is_good && at == TEXT_SIZE;
}

static void writes_all_forms(void)
{
	static const char *const names[] = {"a.ndjson", "a.gz", "a.zst"};
	static const struct output_options options[] = {
		{0},
		{.buffer_size = 64, .buffer_count = 2},
		{.buffer_size = 4096, .buffer_count = 7, .level = 1},
		{.buffer_size = 333, .buffer_count = 3, .size_expected = 1 << 20, .level = 9},
	};

	for (size_t b = 0; b < 3; b++)
		for (size_t n = 0; n < 3; n++)
			for (size_t o = 0; o < sizeof(options) / sizeof(options[0]); o++) {
				const char *path = scratch_path(names[n]);
				struct problem p;

				setenv("SEALANE_IO", backends[b], 1);
				unlink(path);
				CHECK_EQUAL(write_text(path, &options[o], &p), SL_OK);
				CHECK(reads_as_text(path));
				CHECK(n != 0 || scratch_holds(path, text, TEXT_SIZE));
				CHECK(n == 0 || !scratch_holds(path, text, TEXT_SIZE));
				CHECK_EQUAL(scratch_count(scratch_directory()), 1);
				unlink(path);
			}
	unsetenv("SEALANE_IO");
}

static void writes_nothing_well(void)
{
	static const char *const names[] = {"empty", "empty.gz", "empty.zst"};

	for (size_t i = 0; i < 3; i++) {
		const char *path = scratch_path(names[i]);
		struct input_block b = {.bytes.size = 1};
		struct output *out;
		struct input *in;
		struct problem p;

		CHECK_FATAL(output_open(path, NULL, &out, &p) == SL_OK);
		CHECK_EQUAL(output_finish(out, &p), SL_OK);
		CHECK_EQUAL(output_publish(out, &p), SL_OK);
		CHECK_EQUAL(output_file_size(out) != 0, i != 0);
		output_free(out);
		CHECK_FATAL(input_open(path, NULL, &in, &p) == SL_OK);
		CHECK_EQUAL(input_next(in, &b, &p), SL_OK);
		CHECK_EQUAL(b.bytes.size, 0);
		input_free(in);
	}
	scratch_empty(scratch_directory());
}

static void shows_nothing_before_it_is_published(bool is_named)
{
	const char *path = scratch_path("out");
	struct output *out;
	struct problem p;

	if (is_named)
		arm(IO_STEP_UNNAMED, 1, EOPNOTSUPP);
	scratch_write(path, "old", 3);
	CHECK_FATAL(output_open(path, NULL, &out, &p) == SL_OK);
	CHECK_EQUAL(scratch_count(scratch_directory()), is_named ? 2 : 1);
	CHECK_EQUAL(output_put(out, view_of_text("new text"), &p), SL_OK);
	CHECK(scratch_holds(path, "old", 3));
	CHECK_EQUAL(output_finish(out, &p), SL_OK);
	CHECK(scratch_holds(path, "old", 3));
	CHECK_EQUAL(output_publish(out, &p), SL_OK);
	CHECK(scratch_holds(path, "new text", 8));
	CHECK_EQUAL(output_put_size(out), 8);
	CHECK_EQUAL(output_file_size(out), 8);
	output_free(out);
	CHECK_EQUAL(scratch_count(scratch_directory()), 1);

	// Given up: in the middle, and after it was finished.
	for (int is_finished = 0; is_finished < 2; is_finished++) {
		step_number = 0;
		CHECK_FATAL(output_open(path, NULL, &out, &p) == SL_OK);
		CHECK_EQUAL(output_put(out, view_of_text("never seen"), &p), SL_OK);
		CHECK(!is_finished || output_finish(out, &p) == SL_OK);
		output_free(out);
		CHECK(scratch_holds(path, "new text", 8));
		CHECK_EQUAL(scratch_count(scratch_directory()), 1);
	}
	io_fault = NULL;
	unlink(path);
}

static void shows_nothing_of_an_unnamed_file(void)
{
	shows_nothing_before_it_is_published(false);
}

static void shows_nothing_of_a_named_file(void)
{
	shows_nothing_before_it_is_published(true);
}

static void sets_the_mode(void)
{
	static const struct {
		uint32_t mode;
		mode_t mask;
		mode_t wanted;
		bool is_named;
	} cases[] = {
		{0, 022, 0644, false},
		{0, 077, 0600, false},
		{0600, 0, 0600, false},
		{0600, 0, 0600, true},
		{0664, 02, 0664, true},
	};

	mode_t before = umask(0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct output_options o = {.mode = cases[i].mode};
		const char *path = scratch_path("out");
		struct stat st;
		struct problem p;

		umask(cases[i].mask);
		arm(IO_STEP_UNNAMED, cases[i].is_named, EOPNOTSUPP);
		// What was there before has no say.
		scratch_write(path, "", 0);
		CHECK_EQUAL(chmod(path, 0666), 0);
		CHECK_EQUAL(write_text(path, &o, &p), SL_OK);
		CHECK_FATAL(stat(path, &st) == 0);
		CHECK_EQUAL(st.st_mode & 0777, cases[i].wanted);
		unlink(path);
	}
	io_fault = NULL;
	umask(before);
}

static void follows_a_link(void)
{
	const char *path = scratch_path("link");
	struct stat st;
	struct problem p;

	scratch_write(scratch_path("real"), "old", 3);
	CHECK_FATAL(symlink("real", path) == 0);
	CHECK_EQUAL(write_text(path, NULL, &p), SL_OK);
	CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK(scratch_holds(scratch_path("real"), text, TEXT_SIZE));
	scratch_empty(scratch_directory());
}

static void refuses_names(void)
{
	char file_as_directory[4200];
	char missing[4200];

	const struct {
		const char *path;
		enum sl_status status;
	} cases[] = {
		{"", SL_E_NOT_FOUND},
		{scratch_directory(), SL_E_INVALID},
		{"/", SL_E_INVALID},
		{missing, SL_E_NOT_FOUND},
		{file_as_directory, SL_E_NOT_FOUND},
	};

	snprintf(missing, sizeof(missing), "%s/no/out", scratch_directory());
	snprintf(file_as_directory, sizeof(missing), "%s/file/out", scratch_directory());
	scratch_write(scratch_path("file"), "x", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct problem p = {0};
		struct output *out;

		CHECK_EQUAL(output_open(cases[i].path, NULL, &out, &p), cases[i].status);
		CHECK_EQUAL(p.status, cases[i].status);
		CHECK(p.what[0] != '\0' && p.remedy[0] != '\0');
		CHECK(strlen(cases[i].path) > 200 || strcmp(p.file, cases[i].path) == 0);
	}
	scratch_empty(scratch_directory());
}

static void refuses_options(void)
{
	static const struct output_options bad[] = {
		{.buffer_size = 63},
		{.buffer_size = OUTPUT_BUFFER_SIZE_MAX + 1},
		{.buffer_count = 1},
		{.buffer_count = OUTPUT_BUFFER_COUNT_MAX + 1},
		{.mode = 04755},
		{.compression = (enum compression)9},
		{.compression = COMPRESSION_GZIP, .level = 10},
		{.compression = COMPRESSION_ZSTD, .level = 99},
		{.compression = COMPRESSION_ZSTD, .level = -1},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct problem p;
		struct output *out;

		CHECK_EQUAL(output_open(scratch_path("out"), &bad[i], &out, &p), SL_E_INVALID);
	}
	CHECK_EQUAL(scratch_count(scratch_directory()), 0);
}

/**
 * Every step that can fail does, one after the other: an error, no litter, the old file as it was.
 */
static void survives_each_failing_step(void)
{
	static const struct {
		enum io_step step;
		int error;
		enum sl_status status;
	} cases[] = {
		{IO_STEP_WRITE, EIO, SL_E_IO},
		{IO_STEP_WRITE, ENOSPC, SL_E_NO_SPACE},
		{IO_STEP_SYNC, EIO, SL_E_IO},
		{IO_STEP_PUBLISH, EACCES, SL_E_DENIED},
	};

	static const char *const names[] = {"out", "out.gz", "out.zst"};
	struct output_options o = {.buffer_size = 20000, .buffer_count = 3};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) * 9; i++) {
		const char *path = scratch_path(names[i % 3]);
		size_t c = i / 9;
		uint64_t number = 1;

		setenv("SEALANE_IO", backends[i / 3 % 3], 1);
		for (;; number++) {
			struct problem p = {0};
			enum sl_status status;

			scratch_write(path, "old", 3);
			arm(cases[c].step, number, cases[c].error);
			status = write_text(path, &o, &p);
			io_fault = NULL;
			CHECK_EQUAL(scratch_count(scratch_directory()), 1);
			if (status == SL_OK)
				break;
			CHECK_EQUAL(status, cases[c].status);
			CHECK(strcmp(p.file, path) == 0 && p.remedy[0] != '\0');
			// The second sync is the directory's: the file is there then.
			if (cases[c].step != IO_STEP_SYNC || number == 1)
				CHECK(scratch_holds(path, "old", 3));
		}
		CHECK(number > 1);
		CHECK(reads_as_text(path));
		unlink(path);
	}
	unsetenv("SEALANE_IO");
}

static void keeps_saying_why(void)
{
	struct output_options o = {.buffer_size = 64};
	struct problem p;
	struct output *out;
	enum sl_status status = SL_OK;

	arm(IO_STEP_WRITE, 2, ENOSPC);
	CHECK_FATAL(output_open(scratch_path("out"), &o, &out, &p) == SL_OK);
	for (int i = 0; i < 100 && status == SL_OK; i++)
		status = output_put(out, view_of(text, 64), &p);
	CHECK_EQUAL(status, SL_E_NO_SPACE);
	CHECK_EQUAL(output_put(out, view_of(text, 1), &p), SL_E_NO_SPACE);
	p = (struct problem){0};
	CHECK_EQUAL(output_finish(out, &p), SL_E_NO_SPACE);
	CHECK(strstr(p.what, "No space left") != NULL);
	io_fault = NULL;
	output_free(out);
	CHECK_EQUAL(scratch_count(scratch_directory()), 0);
}

/** A real full disk where we may mount one; else a limit of file sizes. */
static void leaves_nothing_on_a_full_disk(void)
{
	const char *disk = scratch_path("disk");
	char path[4200];
	struct rlimit before;
	struct rlimit small = {.rlim_cur = 100000};
	bool is_mounted;

	CHECK_FATAL(mkdir(disk, 0700) == 0);
	is_mounted = mount("none", disk, "tmpfs", 0, "size=128k") == 0;
	snprintf(path, sizeof(path), "%s/out", disk);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	if (!is_mounted)
		setrlimit(RLIMIT_FSIZE, &small);
	for (size_t b = 0; b < 3; b++) {
		struct output_options o = {.buffer_size = 10000};
		struct problem p = {0};

		setenv("SEALANE_IO", backends[b], 1);
		CHECK_EQUAL(write_text(path, &o, &p), SL_E_NO_SPACE);
		CHECK(strcmp(p.file, path) == 0 && p.remedy[0] != '\0');
		CHECK_EQUAL(scratch_count(disk), 0);
	}
	unsetenv("SEALANE_IO");
	setrlimit(RLIMIT_FSIZE, &before);
	if (is_mounted)
		CHECK_EQUAL(umount(disk), 0);
	rmdir(disk);
}

static void leaves_nothing_when_killed(void)
{
	const char *path = scratch_path("out");
	uint64_t random = 5;

	for (int round = 0; round < 24; round++) {
		bool has_old = round % 2 == 0;
		int status;
		pid_t child;

		setenv("SEALANE_IO", backends[round / 2 % 3], 1);
		unlink(path);
		if (has_old)
			scratch_write(path, "old", 3);
		child = fork();
		CHECK_FATAL(child >= 0);
		if (child == 0) {
			struct output_options o = {.buffer_size = 4096};
			struct problem p;
			struct output *out;

			if (output_open(path, &o, &out, &p) != SL_OK)
				_exit(1);
			while (put_text(out, o.buffer_size, &p) == SL_OK)
				;
			_exit(1);
		}
		usleep(1000 + (useconds_t)(scratch_random(&random) % 30000));
		kill(child, SIGKILL);
		CHECK_EQUAL(waitpid(child, &status, 0), child);
		CHECK(WIFSIGNALED(status));
		CHECK_EQUAL(scratch_count(scratch_directory()), has_old);
		CHECK(!has_old || scratch_holds(path, "old", 3));
	}
	unsetenv("SEALANE_IO");
	scratch_empty(scratch_directory());
}

/** Run body with standard output as a pipe whose reader takes the text, or goes at once. */
static void writes_standard_output(bool has_reader)
{
	int ends[2];
	int status = 1;
	pid_t child;

	fflush(stdout);
	CHECK_FATAL(pipe(ends) == 0);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0) {
		struct output_options o = {.buffer_size = 5000};
		struct problem p = {0};
		enum sl_status result;

		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		result = write_text("-", &o, &p);
		if (has_reader)
			_exit(result != SL_OK);
		// Not killed by SIGPIPE, and told what happened.
		_exit(result != SL_E_IO || strstr(p.what, "Broken pipe") == NULL
		      || strcmp(p.file, "standard output") != 0 || p.remedy[0] == '\0');
	}
	close(ends[1]);
	for (size_t at = 0; has_reader;) {
		uint8_t piece[3000];
		ssize_t n = read(ends[0], piece, sizeof(piece));

		if (n <= 0) {
			CHECK_EQUAL(at, TEXT_SIZE);
			break;
		}
		CHECK(at + (size_t)n <= TEXT_SIZE && memcmp(piece, text + at, (size_t)n) == 0);
		at += (size_t)n;
	}
	close(ends[0]);
	waitpid(child, &status, 0);
	CHECK_EQUAL(status, 0);
}

static void writes_a_pipe(void)
{
	writes_standard_output(true);
}

static void bears_a_reader_that_goes(void)
{
	writes_standard_output(false);
}

static void leaves_devices_alone(void)
{
	struct stat st;
	struct problem p = {0};

	CHECK_EQUAL(write_text("/dev/null", NULL, &p), SL_OK);
	CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
	CHECK_EQUAL(write_text("/dev/full", NULL, &p), SL_E_NO_SPACE);
	CHECK(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
	CHECK(strcmp(p.file, "/dev/full") == 0);
}

static void publishes_several_together(void)
{
	static const char *const names[] = {"a", "b.zst", "c.gz"};
	struct output *outs[3];
	struct problem p;

	for (size_t i = 0; i < 3; i++) {
		CHECK_FATAL(output_open(scratch_path(names[i]), NULL, &outs[i], &p) == SL_OK);
		CHECK_EQUAL(put_text(outs[i], OUTPUT_BUFFER_SIZE, &p), SL_OK);
	}
	for (size_t i = 0; i < 3; i++)
		CHECK_EQUAL(output_finish(outs[i], &p), SL_OK);
	CHECK_EQUAL(scratch_count(scratch_directory()), 0);
	for (size_t i = 0; i < 3; i++) {
		CHECK_EQUAL(output_publish(outs[i], &p), SL_OK);
		CHECK(reads_as_text(scratch_path(names[i])));
		output_free(outs[i]);
	}
	scratch_empty(scratch_directory());
}

static const struct check_test tests[] = {
	{"(makes the text)", fill_text},
	{"writes all forms", writes_all_forms},
	{"writes nothing well", writes_nothing_well},
	{"shows nothing of an unnamed file", shows_nothing_of_an_unnamed_file},
	{"shows nothing of a named file", shows_nothing_of_a_named_file},
	{"sets the mode", sets_the_mode},
	{"follows a link", follows_a_link},
	{"refuses names", refuses_names},
	{"refuses options", refuses_options},
	{"survives each failing step", survives_each_failing_step},
	{"keeps saying why", keeps_saying_why},
	{"leaves nothing on a full disk", leaves_nothing_on_a_full_disk},
	{"leaves nothing when killed", leaves_nothing_when_killed},
	{"writes a pipe", writes_a_pipe},
	{"bears a reader that goes", bears_a_reader_that_goes},
	{"leaves devices alone", leaves_devices_alone},
	{"publishes several together", publishes_several_together},
};

CHECK_MAIN("io/output")
