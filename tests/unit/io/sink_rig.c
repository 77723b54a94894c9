#include "tests/unit/io/sink_rig.h"

#include "io/input.h"
#include "tests/support/scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const rig_kind_names[RIG_KIND_COUNT] = {
	"null",
	"files",
	"files, zstd",
	"files, not synced",
	"spool before files",
	"spool before files, zstd",
	"spool before null",
};

uint64_t rig_now_ms = 1000000;

struct held {
	struct rig *rig;
	uint64_t tag;
	uint64_t rows;
	size_t size;
	uint8_t bytes[];
};

static uint64_t now_ns(void)
{
	return rig_now_ms * 1000000;
}

static int64_t wall_ms(void)
{
	return 1795255200000 + (int64_t)rig_now_ms;
}

static const struct sink_clock rig_clock = {.monotonic_ns = now_ns, .wall_ms = wall_ms};

static void take_report(void *self, uint64_t tag, enum sl_status status)
{
	struct held *h = (struct held *)(uintptr_t)tag;
	struct rig *rig = self;

	rig->is_out_of_order |= h->tag != rig->next_report || h->rig != rig;
	rig->next_report++;
	rig->waiting--;
	if (status == SL_OK) {
		rig->rows_delivered += h->rows;
		rig->bytes_delivered += h->size;
	} else {
		rig->rows_failed += h->rows;
	}
	memset(h->bytes, '!', h->size);
	free(h);
}

void rig_prefer_memory(void)
{
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 0);
}

void rig_init(struct rig *rig, enum rig_kind kind, const char *name)
{
	*rig = (struct rig){.kind = kind};
	snprintf(rig->directory, sizeof(rig->directory), "%.200s/%.20s", scratch_directory(), name);
	snprintf(rig->spool, sizeof(rig->spool), "%.200s/%.20s.spool", scratch_directory(), name);
}

static enum sl_status open_inner(
	struct rig *rig,
	sink_report_fn *report,
	void *self,
	struct view mark,
	struct sink *ret_sink,
	struct problem *ret_problem
)
{
	struct sink_files_options o = {
		.directory = rig->directory,
		.prefix = "edits",
		.roll_bytes = rig->roll_bytes,
		.is_zstd = rig->kind == RIG_FILES_ZSTD || rig->kind == RIG_SPOOL_ZSTD,
		.sync_rule = rig->kind == RIG_FILES_UNSYNCED ? SINK_SYNC_NEVER : SINK_SYNC_ALWAYS,
		.mark = mark,
		.clock = rig_clock,
	};

	if (rig->kind == RIG_NULL || rig->kind == RIG_SPOOL_NULL)
		return sink_null_open(report, self, ret_sink);
	return sink_files_open(&o, report, self, ret_sink, ret_problem);
}

enum sl_status rig_open(struct rig *rig, struct view mark, struct problem *ret_problem)
{
	struct sink_spool_options o = {
		.directory = rig->spool,
		.segment_bytes = rig->segment_bytes,
		.bytes_max = rig->spool_bytes_max,
		.mark = mark,
		.clock = rig_clock,
	};
	sink_report_fn *report = NULL;
	struct sink_spool *spool;
	struct sink inner = {0};
	enum sl_status status;
	void *self = NULL;

	rig->next_report = rig->next_tag;
	rig->waiting = 0;
	if (rig->kind < RIG_SPOOL_FILES)
		return open_inner(rig, take_report, rig, mark, &rig->sink, ret_problem);
	status = sink_spool_new(&o, take_report, rig, &spool, ret_problem);
	if (status != SL_OK)
		return status;
	report = sink_spool_report(spool, &self);
	status = open_inner(rig, report, self, sink_spool_inner_mark(spool), &inner, ret_problem);
	if (status != SL_OK) {
		sink_spool_free(spool);
		return status;
	}
	rig->sink = sink_spool_before(spool, inner);
	return SL_OK;
}

enum sl_status rig_offer(struct rig *rig, size_t size)
{
	struct held *h = malloc(sizeof(*h) + size + 128);
	struct sink_parcel parcel;
	enum sl_status status;

	if (h == NULL)
		abort();
	*h = (struct held){.rig = rig, .tag = rig->next_tag};
	while (h->size < size) {
		uint64_t line = rig->next_line + h->rows;

		h->size += (size_t)snprintf(
			(char *)h->bytes + h->size,
			128,
			"{\"line\":%llu,\"text\":\"%.*s\"}\n",
			(unsigned long long)line,
			(int)(line * 7 % 40),
			"the quick brown fox jumps over the lazy dog"
		);
		h->rows++;
	}
	parcel = (struct sink_parcel){
		.bytes = view_of(h->bytes, h->size),
		.rows = h->rows,
		.tag = (uint64_t)(uintptr_t)h,
	};
	status = sink_offer(&rig->sink, &parcel);
	if (status != SL_OK) {
		free(h);
		return status;
	}
	rig->next_line += parcel.rows;
	rig->rows_offered += parcel.rows;
	rig->next_tag++;
	rig->waiting++;
	return SL_OK;
}

bool rig_is_kept(enum rig_kind kind)
{
	return kind != RIG_NULL && kind != RIG_SPOOL_NULL;
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int is_partial(const struct dirent *e)
{
	size_t size = strlen(e->d_name);

	return size > 8 && strcmp(e->d_name + size - 8, ".partial") == 0;
}

static uint32_t count(const struct rig *rig, int (*filter)(const struct dirent *))
{
	struct dirent **names;
	int n = scandir(rig->directory, &names, filter, alphasort);

	for (int i = 0; i < n; i++)
		free(names[i]);
	if (n >= 0)
		free(names);
	return n < 0 ? 0 : (uint32_t)n;
}

uint32_t rig_published(const struct rig *rig)
{
	return count(rig, is_visible);
}

uint32_t rig_hidden(const struct rig *rig)
{
	return count(rig, is_partial);
}

/** Check the lines of one file, from *lines on. */
static bool read_file(const char *path, uint64_t *lines)
{
	struct input_options o = {.block_size = 16 << 10, .block_count = 4, .depth = 2};
	struct input *in;
	struct problem p;
	struct input_block b;
	FILE *text;
	char *got = NULL;
	size_t got_size = 0;
	char *at;
	bool is_good = true;

	if (input_open(path, &o, &in, &p) != SL_OK)
		return false;
	text = open_memstream(&got, &got_size);
	for (;;) {
		is_good = input_next(in, &b, &p) == SL_OK;
		if (!is_good)
			break;
		if (b.bytes.size == 0)
			break;
		fwrite(b.bytes.bytes, 1, b.bytes.size, text);
		input_release(b.block);
	}
	input_free(in);
	fclose(text);
	is_good &= got_size != 0;
	for (at = got; is_good && at < got + got_size; ++*lines) {
		char wanted[128];
		int size = snprintf(
			wanted,
			sizeof(wanted),
			"{\"line\":%llu,\"text\":\"%.*s\"}\n",
			(unsigned long long)*lines,
			(int)(*lines * 7 % 40),
			"the quick brown fox jumps over the lazy dog"
		);

		is_good = strncmp(at, wanted, (size_t)size) == 0;
		at += size;
	}
	free(got);
	return is_good;
}

bool rig_read(const struct rig *rig, uint64_t *ret_lines)
{
	struct dirent **names;
	int n = scandir(rig->directory, &names, is_visible, alphasort);
	bool is_good = n >= 0;

	*ret_lines = rig->lines_taken;
	for (int i = 0; i < n; i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/%s", rig->directory, names[i]->d_name);
		is_good = is_good && read_file(path, ret_lines);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return is_good;
}

bool rig_drain(struct rig *rig)
{
	uint8_t mark[SINK_MARK_MAX];
	struct sink_stats stats;
	struct problem p;

	for (int i = 0; i < 10000; i++) {
		rig_now_ms += 10;
		sink_poll(&rig->sink);
		sink_roll(&rig->sink);
		if (sink_sync(&rig->sink, &p) == SL_OK) {
			(void)sink_mark(&rig->sink, mark);
			sink_confirm(&rig->sink);
		}
		sink_stats(&rig->sink, &stats);
		if (!stats.is_due)
			return true;
	}
	return false;
}

void rig_take_away(struct rig *rig, uint64_t lines)
{
	struct dirent **names;
	int n = scandir(rig->directory, &names, is_visible, alphasort);

	for (int i = 0; i < n; i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/%s", rig->directory, names[i]->d_name);
		unlink(path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	rig->lines_taken = lines;
}

void rig_remove(const struct rig *rig)
{
	const char *const directories[] = {rig->directory, rig->spool};

	for (size_t i = 0; i < 2; i++) {
		if (access(directories[i], F_OK) != 0)
			continue;
		scratch_empty(directories[i]);
		rmdir(directories[i]);
	}
}
