#include "crypto/engine.h"
#include "crypto/imb_job.h"
#include "crypto/random.h"
#include "tests/support/check.h"
#include "tests/support/hex.h"
#include "tests/unit/crypto/engines.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	SAMPLE = 16,
	SAMPLES = 20000
};

/** The generator itself, counter carries of V included. */
static const struct drbg_vector {
	const char *seed;
	const char *begin;
	const char *later;
} drbg_vectors[] = {

#define VECTOR(seed, begin, later) {seed, begin, later},
#include "tests/vectors/ctr_drbg.def"
#undef VECTOR
};

static void known_answers(void)
{
	IMB_MGR *imb = alloc_mb_mgr(0);
	struct random *r;

	CHECK_FATAL(imb != NULL);
	init_mb_mgr_sse(imb);
	r = random_new(imb);
	CHECK_FATAL(r != NULL);
	for (size_t i = 0; i < sizeof(drbg_vectors) / sizeof(drbg_vectors[0]); i++) {
		static uint8_t output[12304];
		uint8_t seed[RANDOM_SEED_SIZE];
		uint8_t want[32];

		hex_read(drbg_vectors[i].seed, seed, sizeof(seed));
		random_seed_for_test(r, seed);
		random_fill(r, output, 100); // in parts, as it comes
		random_fill(r, output + 100, sizeof(output) - 100);
		hex_read(drbg_vectors[i].begin, want, sizeof(want));
		CHECK(memcmp(output, want, sizeof(want)) == 0);
		hex_read(drbg_vectors[i].later, want, sizeof(want));
		CHECK(memcmp(output + 12272, want, sizeof(want)) == 0);
	}
	random_free(r);
	random_free(NULL);
	free_mb_mgr(imb);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, SAMPLE);
}

/** Count the samples that some other sample equals. */
static size_t count_repeats(uint8_t (*samples)[SAMPLE], size_t count)
{
	size_t repeats = 0;

	qsort(samples, count, SAMPLE, compare);
	for (size_t i = 1; i < count; i++)
		repeats += memcmp(samples[i - 1], samples[i], SAMPLE) == 0;
	return repeats;
}

static void check_no_repeats(struct engine *engine)
{
	static uint8_t samples[SAMPLES][SAMPLE];

	for (size_t i = 0; i < SAMPLES; i++)
		engine_random(engine, samples[i], SAMPLE);
	CHECK_EQUAL(count_repeats(samples, SAMPLES), 0);
}

static void nothing_repeats(void)
{
	engines_each(check_no_repeats);
}

/** Bits are even: of 8 Mi bits the ones are within six standard deviations (1448) of the half. */
static void check_bits(struct engine *engine)
{
	static uint8_t bytes[1 << 20];
	int64_t ones = 0;

	engine_random(engine, bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		ones += __builtin_popcount(bytes[i]);
	CHECK(llabs(ones - 4 * (int64_t)sizeof(bytes)) < 6 * 1448);
}

static void bits_are_even(void)
{
	engines_each(check_bits);
}

/** Every size is filled to its end and not beyond. */
static void check_sizes(struct engine *engine)
{
	for (size_t size = 0; size <= 300; size++) {
		uint8_t bytes[301 + 8];
		bool is_filled = size == 0;

		// One byte is zero by chance every 256 times, eight tries never.
		for (unsigned try = 0; try < 8; try++) {
			memset(bytes, 0, sizeof(bytes));
			engine_random(engine, bytes, size);
			is_filled |= size != 0 && bytes[size - 1] != 0;
			for (size_t i = size; i < sizeof(bytes); i++)
				CHECK_EQUAL(bytes[i], 0);
		}
		CHECK(is_filled);
	}
}

static void every_size_is_filled(void)
{
	engines_each(check_sizes);
}

/** Two engines, and an engine beyond its reseed limit of 16 MiB, share no block. */
static void engines_differ_and_reseed(void)
{
	static uint8_t samples[2 * 1024][SAMPLE];
	static uint8_t skipped[1 << 20];
	struct engine *a = engine_make(CPU_AUTO, LANES_AUTO);
	struct engine *b = engine_make(CPU_AUTO, LANES_AUTO);

	engine_random(a, samples, sizeof(samples) / 2);
	for (unsigned i = 0; i < 17; i++)
		engine_random(b, skipped, sizeof(skipped));
	engine_random(b, samples[1024], sizeof(samples) / 2);
	CHECK_EQUAL(count_repeats(samples, 2 * 1024), 0);
	engine_free(a);
	engine_free(b);
}

/** Parent and two children go on from the same engine: no common bytes. */
static void check_fork(struct engine *engine)
{
	static uint8_t samples[3 * 256][SAMPLE];

	engine_random(engine, samples, 100); // so that a part of the pool is left to repeat
	for (size_t c = 0; c < 2; c++) {
		int ends[2];
		pid_t child;

		CHECK_FATAL(pipe(ends) == 0);
		child = fork();
		CHECK_FATAL(child >= 0);
		if (child == 0) {
			engine_random(engine, samples, 256 * SAMPLE);
			_exit(write(ends[1], samples, 256 * SAMPLE) != 256 * SAMPLE);
		}
		CHECK_EQUAL(read(ends[0], samples[c * 256], 256 * SAMPLE), 256 * SAMPLE);
		CHECK_EQUAL(waitpid(child, NULL, 0), child);
		close(ends[0]);
		close(ends[1]);
	}
	engine_random(engine, samples[2 * 256], 256 * SAMPLE);
	CHECK_EQUAL(count_repeats(samples, 3 * 256), 0);
}

static void a_forked_child_goes_its_own_way(void)
{
	engines_each(check_fork);
}

static const struct check_test tests[] = {
	{"known answers", known_answers},
	{"nothing repeats", nothing_repeats},
	{"bits are even", bits_are_even},
	{"every size is filled", every_size_is_filled},
	{"engines differ and reseed", engines_differ_and_reseed},
	{"a forked child goes its own way", a_forked_child_goes_its_own_way},
};

CHECK_MAIN("crypto/random")
