#include "tests/support/check.h"
#include "tests/support/scratch.h"
#include "tests/unit/io/sink_gate.h"
#include "tests/unit/io/sink_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Segments that are damaged, torn, or of others.

/** Segments of forty lines behind a mark; the gate is up again. */
static struct spool_mark make_segments(uint64_t segment_bytes)
{
	struct sink sink = gate_begin(segment_bytes, 0);
	struct spool_mark m;

	gate.is_down = true;
	gate_offer_all(&sink, 20);
	m = gate_commit(&sink);
	sink_close(&sink);
	gate.is_down = false;
	return m;
}

static bool opens(const struct spool_mark *m, struct problem *p)
{
	struct sink sink;

	if (gate_open(m == NULL ? gate_no_mark : view_of(m->bytes, m->size), &sink, p) != SL_OK)
		return false;
	gate.is_down = true; // look only
	sink_close(&sink);
	gate.is_down = false;
	return true;
}

static void finds_damage_at_every_byte(void)
{
	struct spool_mark m = make_segments(900);
	char path[600];

	CHECK_EQUAL(gate_segments(), 2);
	for (uint64_t segment = 1; segment <= 2; segment++) {
		struct scratch_bytes b;
		struct problem p;

		snprintf(
			path,
			sizeof(path),
			"%s/spool-%010llu.seg",
			scratch_path("spool"),
			(unsigned long long)segment
		);
		b = scratch_read(path);
		for (size_t at = 0; at < b.size; at++) {
			for (int bit = 0; bit < 8; bit += 3) {
				b.bytes[at] ^= (uint8_t)(1 << bit);
				scratch_write(path, b.bytes, b.size);
				p = (struct problem){0};
				CHECK(!opens(&m, &p));
				CHECK_EQUAL(p.status, SL_E_CORRUPT);
				CHECK(strcmp(p.file, path) == 0 && p.remedy[0] != '\0');
				CHECK(!opens(NULL, &p));
				b.bytes[at] ^= (uint8_t)(1 << bit);
			}
		}
		// Cut short anywhere: with a mark that is damage.
		for (size_t size = 0; size < b.size; size++) {
			scratch_write(path, b.bytes, size);
			CHECK(!opens(&m, &p));
		}
		CHECK_EQUAL(unlink(path), 0);
		CHECK(!opens(&m, &p));
		CHECK(strcmp(p.file, path) == 0);
		scratch_write(path, b.bytes, b.size);
		CHECK(opens(&m, &p));
		free(b.bytes);
	}
	gate_forget();
}

/** Without a mark the last segment may end in what a crash has left, at any byte. */
static void leaves_out_a_torn_end(void)
{
	struct scratch_bytes b;
	char path[600];
	uint64_t before = 0;

	(void)make_segments(900);
	snprintf(path, sizeof(path), "%s/spool-0000000002.seg", scratch_path("spool"));
	b = scratch_read(path);
	for (size_t size = 0; size <= b.size; size++) {
		uint8_t *torn = calloc(1, b.size + 5000);
		struct problem p;
		struct sink sink;
		uint64_t lines = 0;

		memcpy(torn, b.bytes, size);
		scratch_write(path, torn, size % 16 == 0 ? size + 4096 : size);
		free(torn);
		CHECK_FATAL(gate_open(gate_no_mark, &sink, &p) == SL_OK);
		gate.size = 0;
		gate_caller.reported = gate_caller.offered;
		for (int i = 0; i < 10; i++) {
			struct spool_mark m;

			sink_poll(&sink);
			CHECK_EQUAL(sink_sync(&sink, &p), SL_OK);
			m.size = sink_mark(&sink, m.bytes); // not confirmed: all stays
		}
		while (!gate_has(lines) && lines <= 20)
			lines++;
		CHECK(lines >= 10 && lines >= before && lines <= 20);
		before = lines;
		gate.is_down = true;
		sink_close(&sink);
		gate.is_down = false;
	}
	CHECK_EQUAL(before, 20);
	free(b.bytes);
	gate_forget();
}

/** A record that goes bad while it waits: nothing overtakes it, and that is said. */
static void stops_at_a_record_that_goes_bad(void)
{
	struct sink_stats s;
	struct sink sink = gate_begin(0, 0);
	char path[600];
	int fd;

	gate.is_down = true;
	gate_offer_all(&sink, 20);
	gate_commit(&sink);
	snprintf(path, sizeof(path), "%s/spool-0000000001.seg", scratch_path("spool"));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK_FATAL(fd >= 0 && pwrite(fd, "X", 1, 700) == 1);
	close(fd);
	gate.is_down = false;
	for (int i = 0; i < 20; i++) {
		sink_poll(&sink);
		gate_commit(&sink);
	}
	sink_stats(&sink, &s);
	CHECK(s.is_down && strstr(s.last_problem, "spool-0000000001.seg") != NULL);
	CHECK(gate.size > 0 && !gate_has(20));
	gate_offer_all(&sink, 5); // behind it
	CHECK_EQUAL(gate.count, 0);
	gate_commit(&sink);
	sink_close(&sink);
	gate_forget();
}

static void refuses(void)
{
	struct sink sink = gate_begin(0, 0);
	struct sink other;
	struct spool_mark m;
	struct problem p = {0};

	CHECK_EQUAL(gate_open(gate_no_mark, &other, &p), SL_E_BUSY);
	CHECK(p.remedy[0] != '\0');
	m = gate_commit(&sink);
	sink_close(&sink);
	CHECK(opens(&m, &p));
	for (size_t size = 8; size < 56; size++)
		CHECK_EQUAL(gate_open(view_of(m.bytes, size), &other, &p), SL_E_CORRUPT);
	for (size_t at = 8; at < 56; at += 8) {
		struct spool_mark bad = m;

		memset(bad.bytes + at, 0, 8);
		CHECK_EQUAL(gate_open(view_of(bad.bytes, bad.size), &other, &p), SL_E_CORRUPT);
		memset(bad.bytes + at, 0xff, 8);
		CHECK_EQUAL(gate_open(view_of(bad.bytes, bad.size), &other, &p), SL_E_CORRUPT);
	}
	sink_spool_free(NULL);
}
static const struct check_test tests[] = {
	{"finds damage at every byte", finds_damage_at_every_byte},
	{"leaves out a torn end", leaves_out_a_torn_end},
	{"stops at a record that goes bad", stops_at_a_record_that_goes_bad},
	{"refuses", refuses},
};

int main(void)
{
	rig_prefer_memory();
	return check_run("spool, damaged", tests, sizeof(tests) / sizeof(tests[0]));
}
