#include "bench/sink_drive.h"

#include "io/base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t parcels[PARCELS][PARCEL_SIZE];
bool is_held[SINKS_MAX][PARCELS];
char base[PATH_SIZE];

void stop(const char *what)
{
	fprintf(stderr, "sink_bench: %s\n", what);
	exit(EXIT_FAILURE);
}

void stop_at(const struct problem *p)
{
	problem_print(stderr, p);
	exit(EXIT_FAILURE);
}

void fill_parcels(void)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint64_t random = 1;

	for (size_t i = 0; i < PARCELS; i++)
		for (size_t at = 0; at < PARCEL_SIZE; at++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			parcels[i][at] = at % 400 == 399 ? '\n'
				: at % 400 < 200
				? (uint8_t) "{\"channel\":\"#en.wikipedia\",\"page\":\""[at % 36]
				: (uint8_t)digits[random >> 58];
		}
}

void take_report(void *self, uint64_t tag, enum sl_status status)
{
	bool *held = self;

	if (status != SL_OK)
		stop("a parcel failed");
	held[tag] = false;
}

void empty(const char *directory)
{
	DIR *d = opendir(directory);

	for (struct dirent *e = d == NULL ? NULL : readdir(d); e != NULL; e = readdir(d))
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			unlinkat(dirfd(d), e->d_name, 0);
	if (d != NULL)
		closedir(d);
	rmdir(directory);
}

void path_of(char ret_path[static PATH_SIZE], const char *name, int number)
{
	snprintf(ret_path, PATH_SIZE, "%.240s/sink_bench.%d.%s%d", base, getpid(), name, number);
}

static struct sink open_sink(const struct way *way, int number)
{
	char directory[PATH_SIZE];
	char spool_directory[PATH_SIZE];
	struct sink_files_options files = {
		.directory = directory,
		.prefix = "bench",
		.is_zstd = way->is_zstd,
		.sync_rule = way->sync_rule,
	};
	struct sink_spool_options spool_options = {
		.directory = spool_directory,
		.sync_rule = way->sync_rule,
	};
	sink_report_fn *report = take_report;
	struct sink_spool *spool = NULL;
	void *self = is_held[number];
	struct sink sink = {0};
	struct problem p;

	path_of(directory, "files", number);
	path_of(spool_directory, "spool", number);
	if (way->has_spool && sink_spool_new(&spool_options, report, self, &spool, &p) != SL_OK)
		stop_at(&p);
	if (spool != NULL)
		report = sink_spool_report(spool, &self);
	if (way->sinks == 0) {
		if (sink_null_open(report, self, &sink) != SL_OK)
			stop("no memory");
	} else if (sink_files_open(&files, report, self, &sink, &p) != SL_OK) {
		stop_at(&p);
	}
	return spool == NULL ? sink : sink_spool_before(spool, sink);
}

static void commit(
	const struct way *way,
	const struct sink sinks[],
	int count,
	struct checkpoint *checkpoint
)
{
	static uint8_t state[SINKS_MAX * SINK_MARK_MAX];
	size_t size = 0;
	struct problem p;

	for (int i = 0; i < count && way->is_overlapped; i++)
		sink_sync_begin(&sinks[i]);
	for (int i = 0; i < count; i++)
		if (sink_sync(&sinks[i], &p) != SL_OK)
			stop_at(&p);
	for (int i = 0; i < count; i++)
		size += sink_mark(&sinks[i], state + size);
	if (checkpoint_put(checkpoint, view_of(state, size), way->sync_rule == SINK_SYNC_ALWAYS, &p)
	    != SL_OK)
		stop_at(&p);
	for (int i = 0; i < count; i++)
		sink_confirm(&sinks[i]);
}

void offer_next(const struct sink *sink, int number, size_t *at)
{
	struct sink_parcel parcel = {
		.bytes = view_of(parcels[*at % PARCELS], PARCEL_SIZE),
		.rows = PARCEL_SIZE / 400,
		.tag = *at % PARCELS,
	};

	while (is_held[number][parcel.tag])
		sink_poll(sink);
	is_held[number][parcel.tag] = true;
	while (sink_offer(sink, &parcel) == SL_E_FULL)
		sink_poll(sink);
	++*at;
}

void open_drive(const struct way *way, int first, struct drive *ret_drive)
{
	char path[PATH_SIZE];
	struct view state;
	struct problem p;

	*ret_drive = (struct drive
	){.way = way, .count = way->sinks == 0 ? 1 : way->sinks, .first = first};
	for (int i = 0; i < ret_drive->count; i++)
		ret_drive->sinks[i] = open_sink(way, first + i);
	path_of(path, "checkpoint", first);
	if (checkpoint_open(path, &ret_drive->checkpoint, &state, &p) != SL_OK)
		stop_at(&p);
}

double run_drive(struct drive *d, uint64_t size)
{
	uint64_t start_ns = clock_monotonic_ns();

	for (uint64_t end = d->done + size; d->done < end;) {
		for (uint64_t part = 0; part < COMMIT_BYTES; part += PARCEL_SIZE) {
			int i = (int)((d->done + part) / PARCEL_SIZE % (uint64_t)d->count);

			offer_next(&d->sinks[i], d->first + i, &d->at[i]);
		}
		d->done += COMMIT_BYTES;
		commit(d->way, d->sinks, d->count, d->checkpoint);
	}
	return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

void close_drive(struct drive *d)
{
	char path[PATH_SIZE];

	for (int i = 0; i < d->count; i++) {
		sink_close(&d->sinks[i]);
		path_of(path, "files", d->first + i);
		empty(path);
		path_of(path, "spool", d->first + i);
		empty(path);
	}
	checkpoint_close(d->checkpoint);
	path_of(path, "checkpoint", d->first);
	unlink(path);
}
