#include "bench/sink_drive.h"
#include "io/base/clock.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Pairs: in one process, with everything open, ways take turns in many short rounds; the two that are compared run one
// right after the other, in an order that changes. What the disk does beside them then hits both alike.

enum {
	PAIR_ROUNDS_MAX = 999,
	PLAIN_WAYS = 3
};

/** What the disk does by itself, by how it has to find room for the bytes. */
struct plain {
	const char *what;
	bool is_set_aside; // by fallocate, ahead of each round
	bool is_over;      // over what is there
	int fd;
	uint64_t at;
};

static struct plain plains[PLAIN_WAYS] = {
	{.what = "plain loop, appending"},
	{.what = "plain loop, room set aside by fallocate", .is_set_aside = true},
	{.what = "plain loop, over what is there", .is_over = true},
};

static double run_part(struct plain *plain, uint64_t size)
{
	uint64_t start_ns;

	if (plain->is_over)
		plain->at = 0;
	if (plain->is_set_aside && fallocate(plain->fd, 0, (off_t)plain->at, (off_t)size) != 0)
		stop("can not set room aside");
	start_ns = clock_monotonic_ns();
	for (uint64_t done = 0; done < size; done += PARCEL_SIZE) {
		if (pwrite(plain->fd,
			   parcels[done / PARCEL_SIZE % PARCELS],
			   PARCEL_SIZE,
			   (off_t)plain->at)
		    != PARCEL_SIZE)
			stop("can not write its files");
		plain->at += PARCEL_SIZE;
		if (plain->at % COMMIT_BYTES == 0)
			fdatasync(plain->fd);
	}
	return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

static uint64_t size_wanted; // bytes of a round

/** Seconds of each round. */
struct series {
	double s[PAIR_ROUNDS_MAX];
};

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double at_part(const struct series *series, int rounds, double part)
{
	struct series sorted = *series;

	qsort(sorted.s, (size_t)rounds, sizeof(sorted.s[0]), compare);
	return sorted.s[(int)(part * (rounds - 1) + 0.5)];
}

static void print_rates(const char *what, const struct series *series, int rounds)
{
	double gb = (double)size_wanted / 1e9;

	printf("  %-44s %8.2f %8.2f %8.2f\n",
	       what,
	       gb / at_part(series, rounds, 0.5),
	       gb / at_part(series, rounds, 0.75),
	       gb / at_part(series, rounds, 0.25));
}

/** Ratio of rates, b's to a's: the median of the pairs with its quartiles, and where the median lies with 95 %. */
static void print_pairs(
	const char *what,
	const struct series *a,
	const struct series *b,
	int rounds
)
{
	// By signs: 1.96 standard deviations of how many of the pairs lie below the median.
	double reach = 0.98 / sqrt(rounds);
	struct series ratio;

	for (int i = 0; i < rounds; i++)
		ratio.s[i] = a->s[i] / b->s[i];
	printf("  %-44s median %.3f (%.3f to %.3f with 95 %%), quartiles %.3f to %.3f\n",
	       what,
	       at_part(&ratio, rounds, 0.5),
	       at_part(&ratio, rounds, fmax(0, 0.5 - reach)),
	       at_part(&ratio, rounds, fmin(1, 0.5 + reach)),
	       at_part(&ratio, rounds, 0.25),
	       at_part(&ratio, rounds, 0.75));
}

/** Has a way's spool anything on disk? */
static bool has_spooled(const struct drive *d)
{
	struct sink_stats stats;

	sink_stats(&d->sinks[0], &stats);
	return stats.bytes_spooled != 0;
}

static void measure_pairs(const char *directory, int rounds)
{
	static const struct way compared[3] = {
		{"files", 1, .is_overlapped = true},
		{"files, a second sink of them", 1, .is_overlapped = true},
		{"files behind a spool", 1, .has_spool = true, .is_overlapped = true},
	};
	static struct series plain_s[PLAIN_WAYS];
	static struct series drive_s[3];
	struct drive drives[3];
	int spooled = 0;

	snprintf(base, sizeof(base), "%.240s", directory);
	for (int i = 0; i < PLAIN_WAYS; i++) {
		char path[PATH_SIZE];

		path_of(path, "plain", i);
		plains[i].fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (plains[i].fd < 0)
			stop("can not make its files");
		unlink(path);
		(void)run_part(&plains[i], size_wanted);
	}
	for (int i = 0; i < 3; i++) {
		open_drive(&compared[i], i, &drives[i]);
		(void)run_drive(&drives[i], size_wanted);
	}
	for (int round = 0; round < rounds; round++) {
		for (int i = 0; i < PLAIN_WAYS; i++)
			plain_s[i].s[round] = run_part(&plains[i], size_wanted);
		for (int n = 0; n < 3; n++) {
			int i = (n + round) % 3;

			drive_s[i].s[round] = run_drive(&drives[i], size_wanted);
		}
		spooled += has_spooled(&drives[2]);
	}
	printf("%d rounds of %llu MB each in %s, in turns, a commit every %d MB\n",
	       rounds,
	       (unsigned long long)(size_wanted >> 20),
	       directory,
	       COMMIT_BYTES >> 20);
	printf("  %-44s %8s %8s %8s\n", "GB/s", "median", "quartile", "quartile");
	for (int i = 0; i < PLAIN_WAYS; i++)
		print_rates(plains[i].what, &plain_s[i], rounds);
	for (int i = 0; i < 3; i++)
		print_rates(compared[i].what, &drive_s[i], rounds);
	print_pairs("files / plain loop", &plain_s[0], &drive_s[0], rounds);
	print_pairs("files / files: the noise", &drive_s[1], &drive_s[0], rounds);
	print_pairs("files behind a spool / files", &drive_s[0], &drive_s[2], rounds);
	printf("  rounds that left something in the spool: %d\n", spooled);
	fflush(stdout);
	for (int i = 0; i < 3; i++)
		close_drive(&drives[i]);
	for (int i = 0; i < PLAIN_WAYS; i++)
		close(plains[i].fd);
}

int run_pairs(int argc, char **argv)
{
	int rounds = argc > 3 ? atoi(argv[3]) : 61;

	size_wanted = (argc > 2 ? strtoull(argv[2], NULL, 10) : 16) << 20;
	if (size_wanted == 0 || size_wanted % COMMIT_BYTES != 0 || rounds < 5
	    || rounds > PAIR_ROUNDS_MAX)
		stop("usage: sink_bench pairs [MB, by 8] [rounds, 5 to 999] [directory]...");
	for (int i = 4; i < argc; i++)
		measure_pairs(argv[i], rounds);
	if (argc <= 4)
		measure_pairs("/tmp", rounds);
	return EXIT_SUCCESS;
}
