#include "bench/sink_drive.h"
#include "io/base/clock.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// Rates of sinks, driven as an egress thread does, beside what the disk does by itself in the same run:
//
//      sink_bench [MB] [directory]...                  default 1024 MB in /dev/shm and /tmp
//      sink_bench pairs [MB] [rounds] [directory]...   files alone and behind a spool in turns (sink_pairs.c)
//
// Each row is run in turn with the others, ROUNDS times; the best and the median are printed with the median processor
// time, and for pairs the median of their ratios.

enum {
	ROUNDS = 5
};

static uint64_t size_wanted; // bytes of a run, all sinks together

/** A sink that is down, then up: what the spool keeps, and gives again. */
static bool is_shut;

static enum sl_status shut_offer(void *self, const struct sink_parcel *parcel)
{
	const struct sink *behind = self;

	return is_shut ? SL_E_FULL : sink_offer(behind, parcel);
}

static void shut_poll(void *self)
{
	sink_poll(self);
}

static enum sl_status shut_sync(void *self, struct problem *ret_problem)
{
	return sink_sync(self, ret_problem);
}

static size_t shut_mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	(void)capacity;
	return sink_mark(self, ret_bytes);
}

static void shut_stats(void *self, struct sink_stats *ret_stats)
{
	sink_stats(self, ret_stats);
	ret_stats->is_down = is_shut;
}

static void shut_close(void *self)
{
	sink_close(self);
}

static const struct sink_ops shut_ops = {
	.offer = shut_offer,
	.poll = shut_poll,
	.sync = shut_sync,
	.mark = shut_mark,
	.stats = shut_stats,
	.close = shut_close,
};

/** @return seconds */
static double run_sinks(const struct way *way)
{
	struct drive d;
	double s;

	open_drive(way, 0, &d);
	s = run_drive(&d, size_wanted);
	close_drive(&d);
	return s;
}

/** What the disk does: the same bytes, written and synced as often, by the plainest loop. */
static double run_plain(const struct way *way)
{
	char path[PATH_SIZE];
	uint64_t start_ns;
	size_t at = 0;
	int fd;

	path_of(path, "plain", 0);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		stop("can not make its files");
	start_ns = clock_monotonic_ns();
	for (uint64_t done = 0; done < size_wanted;) {
		if (write(fd, parcels[at++ % PARCELS], PARCEL_SIZE) != PARCEL_SIZE)
			stop("can not write its files");
		done += PARCEL_SIZE;
		if (done % COMMIT_BYTES == 0 && way->sync_rule == SINK_SYNC_ALWAYS)
			fdatasync(fd);
	}
	start_ns = clock_monotonic_ns() - start_ns;
	close(fd);
	unlink(path);
	return (double)start_ns / 1e9;
}

enum {
	WAY_PLAIN,
	WAY_FILES,
	WAY_SPOOL,
	WAY_ZSTD,
	WAY_THREE_SERIAL,
	WAY_THREE,
	WAY_PLAIN_UNSYNCED,
	WAY_UNSYNCED,
	WAY_NULL,
	WAY_NULL_SPOOL,
	WAY_COUNT
};

/** Of this process, the kernel's work for it included. */
static double cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
		+ (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static const struct way ways[WAY_COUNT] = {
	[WAY_PLAIN] = {"plain loop, fdatasync", -1},
	[WAY_FILES] = {"files", 1, .is_overlapped = true},
	[WAY_SPOOL] = {"files behind a spool", 1, .has_spool = true, .is_overlapped = true},
	[WAY_ZSTD] = {"files, zstd", 1, .is_zstd = true, .is_overlapped = true},
	[WAY_THREE_SERIAL] = {"three of files, one sync after another", 3},
	[WAY_THREE] = {"three of files, syncs begun together", 3, .is_overlapped = true},
	[WAY_PLAIN_UNSYNCED] = {"plain loop, not synced", -1, .sync_rule = SINK_SYNC_NEVER},
	[WAY_UNSYNCED] = {"files, not synced", 1, .sync_rule = SINK_SYNC_NEVER},
	[WAY_NULL] = {"null", 0},
	[WAY_NULL_SPOOL] = {"null behind a spool", 0, .has_spool = true},
};

/** Fill a spool, then let it out into the null sink. Prints both rates. */
static void run_spool(void)
{
	char directory[PATH_SIZE];
	struct sink_spool_options o = {.directory = directory, .bytes_max = UINT64_MAX};
	struct sink_spool *spool;
	struct sink_stats stats;
	struct sink sinks[2];
	sink_report_fn *report;
	struct problem p;
	void *self;
	uint64_t start_ns = clock_monotonic_ns();
	uint64_t filled_ns;
	size_t at = 0;

	path_of(directory, "spool", 0);
	if (sink_spool_new(&o, take_report, is_held[0], &spool, &p) != SL_OK)
		stop_at(&p);
	report = sink_spool_report(spool, &self);
	if (sink_null_open(report, self, &sinks[1]) != SL_OK)
		stop("no memory");
	sinks[0] = sink_spool_before(spool, (struct sink){.ops = &shut_ops, .self = &sinks[1]});
	is_shut = true;
	while (at * PARCEL_SIZE < size_wanted) {
		offer_next(&sinks[0], 0, &at);
		if (at % (COMMIT_BYTES / PARCEL_SIZE) == 0 && sink_sync(&sinks[0], &p) != SL_OK)
			stop_at(&p);
	}
	filled_ns = clock_monotonic_ns();
	is_shut = false;
	do {
		sink_poll(&sinks[0]);
		sink_stats(&sinks[0], &stats);
	} while (stats.bytes_spooled != 0);
	printf("  %-44s %8.2f\n",
	       "a spool that fills, synced",
	       (double)size_wanted / (double)(filled_ns - start_ns));
	printf("  %-44s %8.2f\n",
	       "a spool that is let out",
	       (double)size_wanted / (double)(clock_monotonic_ns() - filled_ns));
	sink_close(&sinks[0]);
	empty(directory);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double values[ROUNDS])
{
	double sorted[ROUNDS];

	memcpy(sorted, values, sizeof(sorted));
	qsort(sorted, ROUNDS, sizeof(sorted[0]), compare);
	return sorted[ROUNDS / 2];
}

static double wall_s[WAY_COUNT][ROUNDS];
static double used_s[WAY_COUNT][ROUNDS];

static void print_ratio(const char *what, int a, int b)
{
	double wall[ROUNDS];
	double used[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		wall[i] = wall_s[a][i] / wall_s[b][i];
		used[i] = used_s[b][i] / used_s[a][i];
	}
	printf("  %-44s rate %5.2f, processor time %5.2f\n", what, median(wall), median(used));
}

static void measure(const char *directory)
{
	double gb = (double)size_wanted / 1e9;

	snprintf(base, sizeof(base), "%.240s", directory);
	printf("%llu MB in %s, a commit every %d MB, one thread\n",
	       (unsigned long long)(size_wanted >> 20),
	       directory,
	       COMMIT_BYTES >> 20);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < WAY_COUNT; i++) {
			double before_s = cpu_s();

			wall_s[i][round] =
				ways[i].sinks < 0 ? run_plain(&ways[i]) : run_sinks(&ways[i]);
			used_s[i][round] = cpu_s() - before_s;
		}
	printf("  %-44s %8s %8s %8s\n", "", "best", "median", "CPU");
	for (int i = 0; i < WAY_COUNT; i++) {
		double best = wall_s[i][0];

		for (int round = 1; round < ROUNDS; round++)
			best = wall_s[i][round] < best ? wall_s[i][round] : best;
		printf("  %-44s %8.2f %8.2f %8.2f\n",
		       ways[i].what,
		       gb / best,
		       gb / median(wall_s[i]),
		       median(used_s[i]) / gb);
	}
	printf("  %-44s %8s %8s %8s\n", "", "GB/s", "GB/s", "s/GB");
	run_spool();
	print_ratio("files / plain loop", WAY_PLAIN, WAY_FILES);
	print_ratio("files behind a spool / files", WAY_FILES, WAY_SPOOL);
	print_ratio("syncs together / one after another", WAY_THREE_SERIAL, WAY_THREE);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	fill_parcels();
	if (argc > 1 && strcmp(argv[1], "pairs") == 0)
		return run_pairs(argc, argv);
	size_wanted = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) << 20;
	if (size_wanted == 0)
		stop("usage: sink_bench [MB] [directory]...");
	if (argc <= 2) {
		measure("/dev/shm");
		measure("/tmp");
	}
	for (int i = 2; i < argc; i++)
		measure(argv[i]);
	return EXIT_SUCCESS;
}
