#include "io/checkpoint.h"
#include "io/checkpoint_form.h"
#include "io/fault.h"
#include "tests/support/check.h"
#include "tests/support/guarded.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path(void)
{
	return scratch_path("state");
}

static enum sl_status put_text(struct checkpoint *c, const char *text)
{
	struct problem p;

	return checkpoint_put(c, view_of_text(text), true, &p);
}

/** Open, and compare the state with a text; "" = none. */
static bool opens_with(const char *text)
{
	struct checkpoint *c;
	struct view state;
	struct problem p;
	bool is_so;

	if (checkpoint_open(path(), &c, &state, &p) != SL_OK)
		return false;
	is_so = view_equal(state, view_of_text(text));
	checkpoint_close(c);
	return is_so;
}

/** Write these records to a new file. */
static void write_records(const char *const texts[], size_t count)
{
	struct checkpoint *c;
	struct view state;
	struct problem p;

	unlink(path());
	CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
	CHECK_EQUAL(state.size, 0);
	for (size_t i = 0; i < count; i++)
		CHECK_EQUAL(put_text(c, texts[i]), SL_OK);
	checkpoint_close(c);
}

static void keeps_the_newest(void)
{
	static const char *const texts[] = {"first", "the second one", "3"};

	for (size_t count = 1; count <= 3; count++) {
		write_records(texts, count);
		CHECK(opens_with(texts[count - 1]));
		CHECK(opens_with(texts[count - 1]));
	}
	unlink(path());
	CHECK(opens_with(""));
	scratch_empty(scratch_directory());
}

static void leaves_out_a_torn_end(void)
{
	static const char *const texts[] = {"first", "the second one is longer"};
	struct scratch_bytes b;
	size_t first = (size_t)checkpoint_record_size(5);

	write_records(texts, 2);
	b = scratch_read(path());
	for (size_t size = 0; size <= b.size; size += size % 512 < 64 ? 1 : size % 8 + 8) {
		const char *wanted = size < first ? "" : size < b.size ? texts[0] : texts[1];
		struct checkpoint *c;
		struct view state;
		struct problem p;

		// Cut short, and at whole words with zeros where the rest was to come.
		for (int has_zeros = 0; has_zeros < 1 + (size % 8 == 0); has_zeros++) {
			uint8_t *torn = calloc(1, b.size + 5000);

			memcpy(torn, b.bytes, size);
			scratch_write(path(), torn, has_zeros ? size + 4096 : size);
			free(torn);
			CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
			CHECK(view_equal(state, view_of_text(wanted)));
			CHECK_EQUAL(put_text(c, "after"), SL_OK);
			checkpoint_close(c);
			CHECK(opens_with("after"));
		}
	}
	free(b.bytes);
	unlink(path());
}

/** A disk may write a record's sectors in any order. */
static void leaves_out_a_record_with_holes(void)
{
	static char large[20000];
	const char *const texts[] = {"first", large};
	size_t first = (size_t)checkpoint_record_size(5);
	uint64_t random = 6;
	struct scratch_bytes b;

	memset(large, 'x', sizeof(large) - 1);
	write_records(texts, 2);
	b = scratch_read(path());
	for (int i = 0; i < 500; i++) {
		uint8_t *torn = malloc(b.size);
		size_t holes = 0;
		struct checkpoint *c;
		struct view state;
		struct problem p = {0};
		enum sl_status status;

		memcpy(torn, b.bytes, b.size);
		for (size_t at = first; at < b.size; at += 512) {
			if (scratch_random(&random) % (2 + (unsigned)i % 40) != 0)
				continue;
			memset(torn + at, 0, 512);
			holes++;
		}
		scratch_write(path(), torn, b.size);
		status = checkpoint_open(path(), &c, &state, &p);
		CHECK_EQUAL(status, SL_OK);
		if (status == SL_OK) {
			CHECK(view_equal(state, view_of_text(holes == 0 ? large : "first")));
			CHECK_EQUAL(put_text(c, "after"), SL_OK);
			checkpoint_close(c);
			CHECK(opens_with("after"));
		}
		// Without a hole it is damage.
		torn[first + 600] ^= 1;
		if (holes == 0) {
			scratch_write(path(), torn, b.size);
			CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
		}
		free(torn);
	}
	free(b.bytes);
	unlink(path());
}

static void finds_damage_at_every_bit(void)
{
	static const char *const texts[] = {"first", "the second one", "3 thirds"};
	struct scratch_bytes b;

	write_records(texts, 3);
	b = scratch_read(path());
	// Of the zeros that fill up pages a part is enough.
	for (size_t bit = 0; bit < b.size * 8; bit += bit / 8 % 4096 - 100 < 3900 ? 97 : 1) {
		struct checkpoint *c;
		struct view state;
		struct problem p = {0};

		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		scratch_write(path(), b.bytes, b.size);
		CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
		CHECK(strcmp(p.file, path()) == 0 && p.what[0] != '\0' && p.remedy[0] != '\0');
		b.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(b.bytes);
	unlink(path());
}

static void finds_missing_and_moved_records(void)
{
	static const char *const texts[] = {"one", "two", "six"};
	size_t size = (size_t)checkpoint_record_size(3);
	struct scratch_bytes b;
	static uint8_t moved[3 * CHECKPOINT_PAGE_SIZE];
	struct checkpoint *c;
	struct view state;
	struct problem p;

	write_records(texts, 3);
	b = scratch_read(path());
	CHECK_FATAL(b.size == 3 * size && 3 * size == sizeof(moved));
	memcpy(moved, b.bytes, size);
	memcpy(moved + size, b.bytes + 2 * size, size);
	scratch_write(path(), moved, 2 * size);
	CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
	memcpy(moved + 2 * size, b.bytes + size, size);
	scratch_write(path(), moved, 3 * size);
	CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
	// A hole with a later record behind it is nothing that a crash leaves.
	memcpy(moved, b.bytes, 3 * size);
	memset(moved + size, 0, size);
	scratch_write(path(), moved, 3 * size);
	CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
	scratch_write(path(), "not a checkpoint, but a text that someone has put here", 54);
	CHECK_EQUAL(checkpoint_open(path(), &c, &state, &p), SL_E_CORRUPT);
	free(b.bytes);
	unlink(path());
}

static void is_written_anew_when_it_has_grown(void)
{
	static uint8_t bytes[100000];
	struct checkpoint *c;
	struct view state;
	struct problem p;
	struct stat st;
	off_t largest = 0;

	CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
	for (uint32_t i = 0; i < 100; i++) {
		size_t size = 1000 * (i % 97) + i;

		memset(bytes, (int)i, sizeof(bytes));
		CHECK_EQUAL(checkpoint_put(c, view_of(bytes, size), i % 2 == 0, &p), SL_OK);
		CHECK(stat(path(), &st) == 0);
		largest = st.st_size > largest ? st.st_size : largest;
		checkpoint_close(c);
		CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
		CHECK(view_equal(state, view_of(bytes, size)));
	}
	CHECK(largest > 900000 && largest < 2000000);
	CHECK_EQUAL(scratch_count(scratch_directory()), 1);
	checkpoint_close(c);
	unlink(path());
}

static void refuses(void)
{
	static uint8_t large[CHECKPOINT_MAX + 1];
	struct checkpoint *c;
	struct checkpoint *other;
	struct view state;
	struct problem p = {0};

	CHECK_EQUAL(checkpoint_open(scratch_path("no/state"), &c, &state, &p), SL_E_NOT_FOUND);
	CHECK(p.remedy[0] != '\0');
	CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
	CHECK_EQUAL(checkpoint_open(path(), &other, &state, &p), SL_E_BUSY);
	CHECK_EQUAL(checkpoint_put(c, view_of(large, sizeof(large)), true, &p), SL_E_TOO_BIG);
	CHECK_EQUAL(checkpoint_put(c, view_of(large, sizeof(large) - 1), true, &p), SL_OK);
	CHECK_EQUAL(checkpoint_put(c, (struct view){0}, true, &p), SL_OK);
	checkpoint_close(c);
	checkpoint_close(NULL);
	CHECK(opens_with(""));
	unlink(path());
}

/** Who holds it writes it anew again and again; who comes never gets in, not by the file of before either. */
static void is_held_through_being_written_anew(void)
{
	static uint8_t bytes[200000];
	struct checkpoint *c;
	struct view state;
	struct problem p;
	int status;
	pid_t child;

	CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0) {
		int entered = 0;
		struct checkpoint *other;

		checkpoint_close(c); // the parent's lock stays: it has the file open too
		for (int i = 0; i < 40000; i++)
			entered += checkpoint_open(path(), &other, &state, &p) != SL_E_BUSY;
		_exit(entered == 0 ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		CHECK_EQUAL(checkpoint_put(c, view_of(bytes, sizeof(bytes)), false, &p), SL_OK);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	checkpoint_close(c);
	scratch_empty(scratch_directory());
}

static uint64_t fail_at;
static uint64_t steps;

static int fail_one_step(enum io_step step)
{
	return step != IO_STEP_READ && ++steps == fail_at ? ENOSPC : 0;
}

/** One step fails: what was put before is there, and the next put goes. */
static void survives_each_failing_step(void)
{
	static char texts[40][60001];

	for (fail_at = 1; fail_at < 200; fail_at++) {
		const char *last = "";
		struct checkpoint *c;
		struct view state;
		struct problem p;
		uint64_t failures = 0;

		unlink(path());
		CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
		steps = 0;
		io_fault = fail_one_step;
		for (size_t i = 0; i < 40; i++) {
			memset(texts[i], 'a' + (int)i % 20, i % 2 == 0 ? 60000 : 50);
			if (put_text(c, texts[i]) == SL_OK) {
				last = texts[i];
				continue;
			}
			failures++;
			io_fault = NULL;
			if (i % 3 == 0) {
				// The record may be whole and yet have failed: then it counts.
				checkpoint_close(c);
				CHECK_FATAL(checkpoint_open(path(), &c, &state, &p) == SL_OK);
				CHECK(view_equal(state, view_of_text(last))
				      || view_equal(state, view_of_text(texts[i])));
			}
			CHECK_EQUAL(put_text(c, "again"), SL_OK);
			last = "again";
			io_fault = fail_one_step;
		}
		io_fault = NULL;
		checkpoint_close(c);
		CHECK(opens_with(last));
		CHECK_EQUAL(scratch_count(scratch_directory()), 1);
		if (failures == 0)
			break;
	}
	CHECK(fail_at > 50 && fail_at < 200);
	unlink(path());
}

/** Every size of rubbish is refused or left out, without a look beyond its end. */
static void reads_no_further_than_its_end(void)
{
	uint64_t random = 9;

	for (size_t size = 0; size < 200; size++) {
		struct guarded g = guarded_new(size);
		struct checkpoint_found found;
		uint64_t at;

		for (size_t i = 0; i < size; i++)
			g.bytes[i] = (uint8_t)scratch_random(&random);
		if (checkpoint_find(view_of(g.bytes, size), &found, &at) == SL_OK)
			CHECK(found.sequence == 0 && found.end == 0);
		guarded_free(&g);
	}
}

static const struct check_test tests[] = {
	{"keeps the newest record", keeps_the_newest},
	{"leaves out a torn end, of any size", leaves_out_a_torn_end},
	{"leaves out a record with holes", leaves_out_a_record_with_holes},
	{"finds damage at every bit", finds_damage_at_every_bit},
	{"finds missing and moved records", finds_missing_and_moved_records},
	{"is written anew when it has grown", is_written_anew_when_it_has_grown},
	{"refuses what it must", refuses},
	{"is held through being written anew", is_held_through_being_written_anew},
	{"survives each failing step", survives_each_failing_step},
	{"reads no further than its end", reads_no_further_than_its_end},
};

int main(void)
{
	rig_prefer_memory();
	return check_run("checkpoint", tests, sizeof(tests) / sizeof(tests[0]));
}
