#include "io/fault.h"
#include "io/input.h"
#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/input_text.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const backends[] = {"uring", "posix", "plain"};

static bool reads_whole(const char *path, const struct input_options *o)
{
	struct problem p;
	size_t size;

	return read_text(path, o, &size, &p) == SL_OK && size == TEXT_SIZE;
}

static void reads_at_all_sizes(void)
{
	static const struct input_options options[] = {
		{0},
		{.block_size = 64, .block_count = 3},
		{.block_size = 1000, .block_count = 9, .depth = 8},
		{.block_size = 100000, .block_count = 4, .depth = 1},
		{.block_size = TEXT_SIZE},
		{.block_size = INPUT_BLOCK_SIZE_MAX},
	};
	const char *path = scratch_path("text");

	scratch_write(path, text, TEXT_SIZE);
	for (size_t b = 0; b < 3; b++)
		for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
			setenv("SEALANE_IO", backends[b], 1);
			CHECK(reads_whole(path, &options[i]));
		}
	unsetenv("SEALANE_IO");
}

static void decompresses(void)
{
	static const char *const names[] = {"text.gz", "text.ZST"};
	struct input_options small = {.block_size = 777};

	for (size_t i = 0; i < 2; i++) {
		const char *path = scratch_path(names[i]);
		size_t end = pack(i == 1, 0, TEXT_SIZE, 0);

		scratch_write(path, packed, end);
		CHECK(reads_whole(path, NULL));
		CHECK(reads_whole(path, &small));

		// Many members, an empty one among them.
		end = pack(i == 1, 0, 0, 0);
		for (size_t at = 0; at < TEXT_SIZE; at += 20000)
			end = pack(i == 1, at, 20000, end);
		scratch_write(path, packed, end);
		CHECK(reads_whole(path, NULL));
		CHECK(reads_whole(path, &small));
	}
}

static void reads_what_surrounds_members(void)
{
	static const uint8_t skippable[] = {0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3};
	const char *path = scratch_path("text.zst");
	struct problem p;
	size_t size;
	size_t end;

	memcpy(packed, skippable, sizeof(skippable));
	end = pack(true, 0, TEXT_SIZE, sizeof(skippable));
	memcpy(packed + end, skippable, sizeof(skippable));
	scratch_write(path, packed, end + sizeof(skippable));
	CHECK(reads_whole(path, NULL));

	// gzip: zeroes behind, as tapes leave them, but nothing else.
	path = scratch_path("text.gz");
	end = pack(false, 0, TEXT_SIZE, 0);
	memset(packed + end, 0, 1000);
	scratch_write(path, packed, end + 1000);
	CHECK(reads_whole(path, NULL));
	packed[end + 500] = 'x';
	scratch_write(path, packed, end + 1000);
	CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_E_CORRUPT);
	memcpy(packed + end, "rubbish behind", 14);
	scratch_write(path, packed, end + 14);
	CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_E_CORRUPT);
}

static void finds_the_cut(void)
{
	static const char *const names[] = {"cut.gz", "cut.zst"};
	struct problem p;
	size_t size;

	for (size_t i = 0; i < 2; i++) {
		const char *path = scratch_path(names[i]);
		size_t end = pack(i == 1, 0, 50000, 0);
		size_t first_end = end;
		char offset[32];

		end = pack(i == 1, 50000, 50000, end);
		for (size_t cut = 0; cut < end; cut += cut < 20 ? 1 : 997) {
			enum sl_status status;

			p = (struct problem){0};
			scratch_write(path, packed, cut);
			status = read_text(path, NULL, &size, &p);
			CHECK_EQUAL(status, SL_E_TRUNCATED);
			CHECK(strcmp(p.file, path) == 0 && p.remedy[0] != '\0');
			snprintf(offset, sizeof(offset), "at byte %zu", cut);
			CHECK(cut == 0 || strstr(p.what, offset) != NULL);
		}
		scratch_write(path, packed, end - 1);
		CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_E_TRUNCATED);
		// Between two members nobody can tell.
		scratch_write(path, packed, first_end);
		CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_OK);
		CHECK_EQUAL(size, 50000);
	}
}

static void finds_damage(void)
{
	static const char *const names[] = {"bad.gz", "bad.zst"};
	uint64_t random = 9;

	for (size_t i = 0; i < 2; i++) {
		const char *path = scratch_path(names[i]);
		size_t end = pack(i == 1, 0, TEXT_SIZE, 0);
		size_t found_count = 0;

		for (int round = 0; round < 60; round++) {
			size_t at = end / 10 + scratch_random(&random) % (end / 2);
			struct input_options o = {.block_size = 5000};
			struct input_block b;
			struct problem p = {0};
			struct input *in;
			enum sl_status status;

			packed[at] ^= 0x10;
			scratch_write(path, packed, end);
			packed[at] ^= 0x10;
			CHECK_FATAL(input_open(path, &o, &in, &p) == SL_OK);
			do {
				status = input_next(in, &b, &p);
				if (status == SL_OK)
					input_release(b.block);
			} while (status == SL_OK && b.bytes.size != 0);
			input_free(in);
			found_count += status == SL_E_CORRUPT || status == SL_E_TRUNCATED;
			CHECK(status == SL_OK || strstr(p.what, "byte ") != NULL);
		}
		// Only gzip has a check of the text here; zstd's is a choice of who compresses.
		CHECK(i == 0 ? found_count == 60 : found_count > 0);
	}
}

static void compares_name_and_content(void)
{
	static const uint8_t xz[] = {0xfd, '7', 'z', 'X', 'Z', 0, 1, 2};
	struct problem p;
	size_t size;

	for (size_t i = 0; i < 2; i++) {
		static const char *const wrong[2][2] = {{"a.zst", "a"}, {"a.gz", "a.json"}};
		struct input_options none = {.compression = COMPRESSION_NONE};
		struct input_options right = {
			.compression = i == 1 ? COMPRESSION_ZSTD : COMPRESSION_GZIP};
		size_t end = pack(i == 1, 0, TEXT_SIZE, 0);

		for (size_t n = 0; n < 2; n++) {
			const char *path = scratch_path(wrong[i][n]);

			scratch_write(path, packed, end);
			CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_E_SYNTAX);
			CHECK(strcmp(p.file, path) == 0);
			CHECK(strstr(p.what, i == 1 ? "zstd" : "gzip") != NULL);
			CHECK(strstr(p.what, "name") != NULL && p.remedy[0] != '\0');
			CHECK(reads_whole(path, &right));
			scratch_write(path, text, TEXT_SIZE);
			CHECK(reads_whole(path, &none));
			CHECK_EQUAL(read_text(path, &right, &size, &p), SL_E_SYNTAX);
		}
		scratch_write(scratch_path(i == 1 ? "b.zst" : "b.gz"), text, TEXT_SIZE);
		CHECK_EQUAL(
			read_text(scratch_path(i == 1 ? "b.zst" : "b.gz"), NULL, &size, &p),
			SL_E_SYNTAX
		);
		CHECK(strstr(p.what, "is not") != NULL && p.remedy[0] != '\0');
	}
	scratch_write(scratch_path("c.json"), xz, sizeof(xz));
	CHECK_EQUAL(read_text(scratch_path("c.json"), NULL, &size, &p), SL_E_SYNTAX);
	CHECK(strstr(p.what, "xz") != NULL);
}

static void refuses_names(void)
{
	char missing[4200];

	const struct {
		const char *path;
		enum sl_status status;
	} cases[] = {
		{scratch_directory(), SL_E_INVALID},
		{missing, SL_E_NOT_FOUND},
		{"", SL_E_NOT_FOUND},
	};

	snprintf(missing, sizeof(missing), "%s/no such file", scratch_directory());
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct problem p = {0};
		struct input *in;

		CHECK_EQUAL(input_open(cases[i].path, NULL, &in, &p), cases[i].status);
		CHECK_EQUAL(p.status, cases[i].status);
		CHECK(strcmp(p.file, cases[i].path) == 0);
		CHECK(p.what[0] != '\0' && p.remedy[0] != '\0');
	}
}

static void refuses_an_unreadable_directory(void)
{
	const char *directory = scratch_path("closed");
	char path[4200];
	int status = 1;
	pid_t child;

	CHECK_FATAL(mkdir(directory, 0700) == 0);
	snprintf(path, sizeof(path), "%s/text", directory);
	scratch_write(path, text, 10);
	CHECK_FATAL(chmod(directory, 0) == 0);
	fflush(stdout);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0) {
		struct problem p = {0};
		struct input *in;
		enum sl_status result;

		// Root may open anything.
		if (geteuid() == 0 && setuid(65534) != 0)
			_exit(2);
		result = input_open(path, NULL, &in, &p);
		_exit(result != SL_E_DENIED || p.remedy[0] == '\0' || p.file[0] == '\0');
	}
	waitpid(child, &status, 0);
	CHECK_EQUAL(status, 0);
	CHECK_FATAL(chmod(directory, 0700) == 0);
	scratch_empty(directory);
	rmdir(directory);
}

static void refuses_options(void)
{
	static const struct input_options bad[] = {
		{.block_size = INPUT_BLOCK_SIZE_MIN - 1},
		{.block_size = INPUT_BLOCK_SIZE_MAX + 1},
		{.block_count = INPUT_BLOCK_COUNT_MIN - 1},
		{.block_count = INPUT_BLOCK_COUNT_MAX + 1},
		{.block_count = 4, .depth = 4},
		{.compression = (enum compression)7},
	};
	const char *path = scratch_path("text");

	scratch_write(path, text, TEXT_SIZE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct problem p;
		struct input *in;

		CHECK_EQUAL(input_open(path, &bad[i], &in, &p), SL_E_INVALID);
	}
}

static void reads_nothing_well(void)
{
	struct problem p;
	size_t size;

	scratch_write(scratch_path("empty"), "", 0);
	CHECK_EQUAL(read_text(scratch_path("empty"), NULL, &size, &p), SL_OK);
	CHECK_EQUAL(size, 0);
	CHECK_EQUAL(read_text("/dev/null", NULL, &size, &p), SL_OK);
	CHECK_EQUAL(size, 0);
	for (size_t i = 0; i < 2; i++) {
		const char *path = scratch_path(i == 0 ? "empty.gz" : "empty.zst");

		scratch_write(path, "", 0);
		CHECK_EQUAL(read_text(path, NULL, &size, &p), SL_E_TRUNCATED);
		CHECK(p.remedy[0] != '\0');
	}
}

/** Regular files that do not say how large they are: made up by the kernel, or growing. */
static void reads_to_the_end_without_a_size(void)
{
	const char *path = scratch_path("growing");
	struct input_options o = {.block_size = 100};
	struct input_block b;
	struct problem p;
	struct input *in;
	size_t size = 0;

	CHECK_FATAL(input_open("/proc/version", &o, &in, &p) == SL_OK);
	CHECK_EQUAL(input_progress(in).total, 0);
	CHECK_FATAL(input_next(in, &b, &p) == SL_OK);
	CHECK(b.bytes.size > 13 && memcmp(b.bytes.bytes, "Linux version", 13) == 0);
	input_release(b.block);
	input_free(in);

	scratch_write(path, "", 0);
	CHECK_FATAL(input_open(path, &o, &in, &p) == SL_OK);
	scratch_write(path, text, 1050);
	do {
		CHECK_FATAL(input_next(in, &b, &p) == SL_OK);
		CHECK(view_equal(b.bytes, view_of(text + size, b.bytes.size)));
		size += b.bytes.size;
		input_release(b.block);
	} while (b.bytes.size != 0);
	CHECK_EQUAL(size, 1050);
	CHECK_EQUAL(input_next(in, &b, &p), SL_OK);
	CHECK_EQUAL(b.bytes.size, 0);
	input_free(in);
}

static uint64_t reads_left;

static int fail_read(enum io_step step)
{
	return step == IO_STEP_READ && reads_left-- == 0 ? EIO : 0;
}

static void tells_failed_reads(void)
{
	static const char *const names[] = {"text", "text.gz"};
	struct input_options o = {.block_size = 20000};

	scratch_write(scratch_path("text"), text, TEXT_SIZE);
	scratch_write(scratch_path("text.gz"), packed, pack(false, 0, TEXT_SIZE, 0));
	for (size_t i = 0; i < 6; i++) {
		uint64_t number = 0;
		enum sl_status status;

		setenv("SEALANE_IO", backends[i / 2], 1);
		do {
			struct problem p = {0};
			size_t size;

			reads_left = number++;
			io_fault = fail_read;
			status = read_text(scratch_path(names[i % 2]), &o, &size, &p);
			io_fault = NULL;
			CHECK(status == SL_OK || status == SL_E_IO);
			CHECK(status == SL_OK || strstr(p.file, names[i % 2]) != NULL);
		} while (status != SL_OK);
		CHECK(number > (i % 2 == 0 ? 10 : 1));
	}
	unsetenv("SEALANE_IO");
}

static void notices_a_shrinking_file(void)
{
	const char *path = scratch_path("shrinking");
	struct input_options o = {.block_size = 4096, .block_count = 3, .depth = 1};
	struct input_block b;
	struct problem p = {0};
	struct input *in;
	enum sl_status status;

	scratch_write(path, text, TEXT_SIZE);
	CHECK_FATAL(input_open(path, &o, &in, &p) == SL_OK);
	CHECK_FATAL(truncate(path, 10000) == 0);
	do {
		status = input_next(in, &b, &p);
		if (status == SL_OK)
			input_release(b.block);
	} while (status == SL_OK && b.bytes.size != 0);
	CHECK_EQUAL(status, SL_E_TRUNCATED);
	CHECK(strcmp(p.file, path) == 0 && p.remedy[0] != '\0');
	// It goes on to say so.
	CHECK_EQUAL(input_next(in, &b, &p), SL_E_TRUNCATED);
	input_free(in);
}

static void *stop_soon(void *input)
{
	usleep(50000);
	input_stop(input);
	return NULL;
}

/** A reader that waits for a silent pipe, or for blocks that nobody gives back, can be stopped. */
static void stops(void)
{
	char path[4200];
	struct input_options o = {.block_size = 1000, .block_count = 3};

	snprintf(path, sizeof(path), "%s/pipe", scratch_directory());
	CHECK_FATAL(mkfifo(path, 0600) == 0);
	scratch_write(scratch_path("text"), text, TEXT_SIZE);
	for (int is_pipe = 0; is_pipe < 2; is_pipe++) {
		int keep_open = open(path, O_RDWR | O_CLOEXEC);
		struct input_block blocks[4] = {0};
		struct problem p = {0};
		enum sl_status status = SL_OK;
		struct input *in;
		pthread_t id;
		size_t count = 0;

		CHECK_FATAL(
			input_open(is_pipe ? path : scratch_path("text"), &o, &in, &p) == SL_OK
		);
		CHECK_FATAL(pthread_create(&id, NULL, stop_soon, in) == 0);
		while (status == SL_OK && count < 4) {
			status = input_next(in, &blocks[count], &p);
			count += status == SL_OK;
		}
		CHECK_EQUAL(status, SL_E_INTERRUPTED);
		CHECK(p.file[0] != '\0');
		pthread_join(id, NULL);
		while (count > 0)
			input_release(blocks[--count].block);
		input_free(in);
		close(keep_open);
	}
	unlink(path);
}

static void says_how_it_reads(void)
{
	struct problem p;
	struct input *in;

	scratch_write(scratch_path("text"), text, TEXT_SIZE);
	setenv("SEALANE_IO", "posix", 1);
	CHECK_FATAL(input_open(scratch_path("text"), NULL, &in, &p) == SL_OK);
	CHECK(strstr(input_backend(in), "SEALANE_IO=posix") != NULL);
	CHECK(strcmp(input_name(in), scratch_path("text")) == 0);
	input_free(in);
	setenv("SEALANE_IO", "rubbish", 1);
	CHECK_EQUAL(input_open(scratch_path("text"), NULL, &in, &p), SL_E_INVALID);
	CHECK(p.remedy[0] != '\0');
	unsetenv("SEALANE_IO");
	CHECK_FATAL(input_open("/dev/null", NULL, &in, &p) == SL_OK);
	CHECK(strstr(input_backend(in), "plain reads") != NULL);
	CHECK_EQUAL(input_progress(in).total, 0);
	input_free(in);
}

static const struct check_test tests[] = {
	{"(makes the text)", fill_text},
	{"reads at all sizes", reads_at_all_sizes},
	{"decompresses", decompresses},
	{"reads what surrounds members", reads_what_surrounds_members},
	{"finds the cut", finds_the_cut},
	{"finds damage", finds_damage},
	{"compares name and content", compares_name_and_content},
	{"refuses names", refuses_names},
	{"refuses an unreadable directory", refuses_an_unreadable_directory},
	{"refuses options", refuses_options},
	{"reads nothing well", reads_nothing_well},
	{"reads to the end without a size", reads_to_the_end_without_a_size},
	{"tells failed reads", tells_failed_reads},
	{"notices a shrinking file", notices_a_shrinking_file},
	{"stops", stops},
	{"says how it reads", says_how_it_reads},
};

CHECK_MAIN("io/input")
