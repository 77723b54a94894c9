// Keys made durable per second: claimed through the keyring (link, derivation of 3 keys, table), wrapped,
// committed with fdatasync, and both indexes (names, subjects) written to the end. Then the keys file,
// written and read again. Seconds of the clock, and of CPU over all threads: on a shared machine the
// latter tells more.
#include "control/keyring.h"
#include "control/keys_csv.h"
#include "control/keys_file.h"
#include "io/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
	BURST = 64,
	DAY = 20000
};

struct stopwatch {
	uint64_t wall_ns;
	double cpu_s;
};

static double cpu_seconds(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec)
		+ (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static struct stopwatch begin(void)
{
	return (struct stopwatch){.wall_ns = clock_monotonic_ns(), .cpu_s = cpu_seconds()};
}

static void report(const struct stopwatch *since, uint64_t count, const char *what)
{
	double wall = (double)(clock_monotonic_ns() - since->wall_ns) / 1e9;

	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("  %-30s %6.2f s (%.2f s CPU) %6.0f k/s, at most %3ld MiB resident\n",
	       what,
	       wall,
	       cpu_seconds() - since->cpu_s,
	       (double)count / wall / 1e3,
	       u.ru_maxrss / 1024);
}

static void check(enum sl_status status, const struct problem *p)
{
	if (status == SL_OK)
		return;
	problem_print(stderr, p);
	exit(EXIT_FAILURE);
}

static void claim_all(struct keyring *k, uint64_t first, uint64_t count)
{
	static struct key_entry entries[BURST];
	struct key_source source = keyring_source(k);
	struct key_want wants[BURST];

	for (uint64_t at = first; at < first + count; at += BURST) {
		for (uint64_t i = 0; i < BURST; i++) {
			uint64_t text[2] = {source.scope, at + i};
			uint64_t subject[2] = {1, at + i};

			wants[i] = (struct key_want){.day = DAY, .subject = at + i + 1};
			wants[i].entry = &entries[i];
			siphash(source.hash_key, view_of(text, sizeof(text)), wants[i].hash);
			siphash(source.hash_key,
				view_of(subject, sizeof(subject)),
				wants[i].subject_hash);
		}
		source.claim(source.self, wants, BURST);
		if (!wants[0].is_given || !wants[BURST - 1].is_given)
			exit(EXIT_FAILURE);
	}
}

static enum sl_status write_text(void *self, struct view text)
{
	return fwrite(text.bytes, 1, text.size, self) == text.size ? SL_OK : SL_E_IO;
}

/** The keys file of the job, written beside the vault and read again. */
static void export_all(struct vault *v, struct keyring *k, uint64_t count)
{
	static const uint8_t purposes[] = {1, 2};
	struct keys_file *keys;
	struct stopwatch since;
	struct problem p;
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/keys.csv", vault_dir(v));
	file = fopen(path, "w");
	if (file == NULL)
		exit(EXIT_FAILURE);
	since = begin();
	check(keys_csv_write(v, k, purposes, 2, write_text, file, &p), &p);
	fclose(file);
	report(&since, count, "keys file written");
	since = begin();
	check(keys_file_read(path, &keys, &p), &p);
	report(&since, keys_file_count(keys), "keys file read");
	keys_file_free(keys);
	unlink(path);
}

int main(int argc, char **argv)
{
	static const uint8_t purposes[] = {1, 2};
	const uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 1 << 20;
	const struct vault_options vault_options = {
		.dir = argc > 1 ? argv[1] : "vault-bench",
		.may_create = true,
	};
	const struct keyring_options options = {
		.group = view_of_text("bench"),
		.contract = view_of_text("bench/keys"),
		.purposes = purposes,
		.purpose_count = 2,
		.key_cache_max = argc > 3 ? strtoull(argv[3], NULL, 10) : 0,
	};
	struct stopwatch since;
	struct keyring *k;
	struct vault *v;
	struct problem p;
	uint64_t had;

	check(vault_open(&vault_options, &v, &p), &p);
	had = vault_key_count(v);
	check(keyring_open(v, &options, &k, &p), &p);
	printf("%llu keys beside %llu, one subject each\n",
	       (unsigned long long)count,
	       (unsigned long long)had);
	since = begin();
	claim_all(k, had, count);
	report(&since, count, "claimed");
	check(keyring_wait_durable(k, keyring_position(k)), &p);
	check(vault_index(v, &p), &p);
	report(&since, count, "claimed, durable, indexed");
	export_all(v, k, count);
	check(keyring_close(k, &p), &p);
	since = begin();
	check(keyring_open(v, &options, &k, &p), &p);
	claim_all(k, had, count);
	report(&since, count, "claimed again by a second job");
	check(keyring_close(k, &p), &p);
	vault_close(v);
	return EXIT_SUCCESS;
}
