#include "crypto/cpu.h"
#include "crypto/lanes.h"
#include "crypto/lanes_kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

// Whether the time of lanes depends on secrets, by measurement: bursts of one class have the same keys and texts each
// time, those of the other class random ones; classes alternate at random. Welch's t statistic tells whether the two
// means differ. Source: Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?", DATE 2017.
//
// |t| below 4.5 on a quiet machine: no evidence of a leak. Above 10: a leak. Slow outliers (interrupts) are cropped at
// percentiles of the whole, as there. The `control` rows compare bytes with memcmp in place of the lanes' work
// and must be found: they show that the method sees what there is on this machine.

enum {
	FIELDS = 24, // of a burst
	TEXT_SIZE = 40,
	MEASUREMENTS = 60000,
	PERCENTILES = 6
};

struct moments {
	double count, mean, squares;
};

struct subject {
	const char *name;
	void (*run)(void);
};

static struct lanes *lanes;
static const struct lanes_level *level;
static struct field_path path;
static uint8_t fixed[FIELDS][64 + TEXT_SIZE];
static uint8_t secret[FIELDS][64 + TEXT_SIZE]; // field key, IV key, text
static uint8_t drawn[FIELDS][64 + TEXT_SIZE];
static uint8_t sealed[FIELDS][256];
static struct seal_burst sealing;
static struct lanes_batch batch;
static uint16_t rest[FIELD_BURST_MAX];
static uint64_t took[MEASUREMENTS];
static bool is_fixed[MEASUREMENTS];

static uint64_t next_random(void)
{
	static uint64_t state = 1;
	// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void fill_random(void *context, void *bytes, size_t size)
{
	(void)context;
	for (size_t i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)next_random();
}

static void fill_zeros(void *context, void *bytes, size_t size)
{
	(void)context;
	memset(bytes, 0, size);
}

static void run_seal(void)
{
	(void)lanes_seal_fields(lanes, &sealing, rest);
}

/** Decryption and the tag; the verdict is public. */
static void run_open(void)
{
	struct lanes_message m[LANES_WIDTH_MAX];

	for (uint32_t i = 0; i < level->width; i++)
		m[i] = (struct lanes_message
		){.key = secret[i],
		  .aad = view_of("user", 4),
		  .text = view_of(secret[i] + 64, TEXT_SIZE)};
	level->fill(&batch, m, level->width);
	level->open(&batch);
}

static void run_derive(void)
{
	static const uint8_t purposes[1] = {1};
	static uint8_t derived[FIELDS * 2 * 32];

	lanes_derive(lanes, secret[0], FIELDS, purposes, 1, derived);
}

static void run_control(void)
{
	static volatile int sink;

	for (uint32_t i = 0; i < FIELDS; i++)
		for (size_t n = 0; n < sizeof(secret[i]); n++) {
			sink = sink + 1;
			if (secret[i][n] != fixed[i][n])
				break;
		}
}

static void add(struct moments *m, double x)
{
	double delta = x - m->mean;

	m->count++;
	m->mean += delta / m->count;
	m->squares += delta * (x - m->mean);
}

static double welch_t(const struct moments m[2])
{
	double variance = 0;

	for (unsigned i = 0; i < 2; i++)
		variance += m[i].squares / (m[i].count - 1) / m[i].count;
	return variance > 0 ? (m[0].mean - m[1].mean) / sqrt(variance) : 0;
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/** The largest |t| over measurements cropped at several percentiles. */
static double worst_t(void)
{
	static uint64_t sorted[MEASUREMENTS];
	static const double percentiles[PERCENTILES] = {1, 0.99, 0.95, 0.9, 0.75, 0.5};
	double worst = 0;

	memcpy(sorted, took, sizeof(sorted));
	qsort(sorted, MEASUREMENTS, sizeof(sorted[0]), compare_times);
	for (unsigned p = 0; p < PERCENTILES; p++) {
		uint64_t limit = sorted[(size_t)((MEASUREMENTS - 1) * percentiles[p])];
		struct moments m[2] = {0};
		double t;

		for (size_t i = 0; i < MEASUREMENTS; i++)
			if (took[i] <= limit)
				add(&m[is_fixed[i]], (double)took[i]);
		t = welch_t(m);
		worst = fabs(t) > fabs(worst) ? t : worst;
	}
	return worst;
}

/** Both classes read and write the same before the clock starts: caches and predictors are in the same state. */
static void draw_secrets(bool is_fixed_now)
{
	uint8_t mask = (uint8_t) - (int)is_fixed_now;

	fill_random(NULL, drawn, sizeof(drawn));
	for (uint32_t i = 0; i < FIELDS; i++)
		for (size_t n = 0; n < sizeof(secret[i]); n++)
			secret[i][n] = (uint8_t)((fixed[i][n] & mask) | (drawn[i][n] & ~mask));
}

static double measure(void (*run)(void))
{
	for (size_t i = 0; i < MEASUREMENTS; i++) {
		unsigned unused;
		uint64_t start;

		is_fixed[i] = next_random() & 1;
		draw_secrets(is_fixed[i]);
		_mm_lfence();
		start = __rdtsc();
		run();
		took[i] = __rdtscp(&unused) - start;
	}
	return worst_t();
}

static void set_up(void)
{
	if (!field_path_init(view_of_text("user"), &path))
		exit(EXIT_FAILURE);
	sealing.count = FIELDS;
	for (uint32_t i = 0; i < FIELDS; i++) {
		sealing.field_key[i] = secret[i];
		sealing.iv_key[i] = secret[i] + 32;
		sealing.path[i] = &path;
		sealing.text[i] = view_of(secret[i] + 64, TEXT_SIZE);
		sealing.sealed[i] = sealed[i];
	}
}

int main(void)
{
	static const struct subject subjects[] = {
		{"seal", run_seal},
		{"open", run_open},
		{"derive", run_derive},
		{"control", run_control},
	};

	set_up();
	for (enum cpu_level which = CPU_SSE; which < CPU_LEVEL_COUNT; which++) {
		if (lanes_best(which) != which)
			continue;
		level = lanes_level_of(which);
		lanes = lanes_new(which, fill_zeros, NULL);
		if (lanes == NULL)
			return EXIT_FAILURE;
		for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
			printf("%-7s %-8s t = %8.2f  (%u bursts)\n",
			       level->name,
			       subjects[i].name,
			       measure(subjects[i].run),
			       MEASUREMENTS);
		lanes_free(lanes);
	}
	return EXIT_SUCCESS;
}
