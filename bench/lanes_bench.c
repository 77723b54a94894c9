#include "bench/evp_fields.h"
#include "crypto/cpu.h"
#include "crypto/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// Lanes beside ipsec-mb and OpenSSL's EVP in the same run: a field key and an IV key of one of a million data keys
// (raw, one 64-byte line each, 64 MiB in huge pages) in random order for each field.
//
// Counted: filling the columns of a burst and its sealing or opening with base64. Texts, sealed fields and the keys of
// the burst at hand are in the caches: the parser and the key look-up have just touched them. That touch of the keys, a
// miss of all caches for most, is the look-up's cost and not counted; with -c, a prefetch of the next burst's keys
// takes its place and is.
// Contenders take turns, a slice each, and the least time of each counts.

enum {
	BURST = 96, // fields: a turn of 32 events with three fields
	BURSTS = 64,
	FIELDS = BURST * BURSTS, // keys of a slice
	TEXTS = BURST * 4,       // distinct texts
	TEXT_MAX = 256,
	HUGE_PAGE = 2 << 20, // bytes
	SEALED_MAX = 512
};

struct key_pair {
	uint8_t field[FIELD_KEY_SIZE];
	uint8_t iv[FIELD_KEY_SIZE];
} __attribute__((aligned(64)));

struct contender {
	const char *name;
	struct engine *engine; // NULL: EVP
	double least_ns;       // a field
};

struct work {
	const char *verb;
	const char *iv;
	size_t text_size;
	bool is_open;
	bool is_random;
};

static const char *const paths_text[] = {"user", "comment", "geo/cityName", "contact/email"};
static struct field_path paths[4];
static size_t key_count = 1 << 20;
static unsigned slices = 15;
static bool is_json;
static bool is_cold;
static struct key_pair *keys; // [key_count]
static const struct key_pair *chosen[FIELDS + BURST];
static uint8_t texts[TEXTS][TEXT_MAX];
static uint8_t sealed[FIELDS * SEALED_MAX];
static uint8_t opened[BURST][SEALED_MAX];
static struct evp_fields *evp;
static struct seal_burst sealing;
static struct open_burst opening;

static uint64_t next_random(void)
{
	static uint64_t state;
	// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (SplitMix64).
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/** Output slots that are in the caches for sealing; one for each field to be opened, close together. */
static uint8_t *sealed_at(const struct work *w, uint32_t n)
{
	size_t stride = (field_sealed_size(w->text_size) + 63) / 64 * 64;

	return sealed + (w->is_open ? n : n % TEXTS) * stride;
}

static void seal_burst(const struct contender *c, const struct work *w, uint32_t first)
{
	sealing.count = BURST;
	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t n = first + i;

		sealing.field_key[i] = chosen[n]->field;
		sealing.iv_key[i] = w->is_random ? NULL : chosen[n]->iv;
		sealing.path[i] = &paths[n % 4];
		sealing.key_id[i] = 0x40000001;
		sealing.text[i] = view_of(texts[n % TEXTS], w->text_size);
		sealing.sealed[i] = sealed_at(w, n);
	}
	if (c->engine != NULL)
		engine_seal_fields(c->engine, &sealing);
	else
		evp_seal_fields(evp, &sealing);
}

static size_t open_burst(const struct contender *c, const struct work *w, uint32_t first)
{
	opening.count = BURST;
	for (uint32_t i = 0; i < BURST; i++) {
		uint32_t n = first + i;

		opening.field_key[i] = chosen[n]->field;
		opening.path[i] = &paths[n % 4];
		opening.key_id[i] = 0x40000001;
		opening.sealed[i] = view_of(sealed_at(w, n), field_sealed_size(w->text_size));
		opening.text[i] = opened[i];
	}
	if (c->engine != NULL)
		return engine_open_fields(c->engine, &opening);
	return evp_open_fields(evp, &opening);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void touch_keys(uint32_t first)
{
	for (uint32_t i = 0; i < BURST; i++)
		__builtin_prefetch(chosen[first + i]);
	for (uint32_t i = 0; i < BURST; i++)
		*(volatile const uint8_t *)chosen[first + i];
}

/** Nanoseconds that one burst of a slice takes. */
static double time_burst(
	const struct contender *c,
	const struct work *w,
	uint32_t first,
	size_t *done
)
{
	double start;

	if (!is_cold)
		touch_keys(first);
	start = now_ns();
	for (uint32_t i = 0; i < BURST && is_cold; i++)
		__builtin_prefetch(chosen[first + BURST + i]);
	if (w->is_open)
		*done += open_burst(c, w, first);
	else
		seal_burst(c, w, first);
	return now_ns() - start;
}

/** What still is in the output slots opens to what it was: with another contender than has sealed it. */
static void check_last(const struct contender *judge, const struct work *w)
{
	for (uint32_t first = FIELDS - TEXTS; first < FIELDS; first += BURST) {
		bool is_right = open_burst(judge, w, first) == BURST;

		for (uint32_t i = 0; i < BURST; i++)
			is_right &= opening.text_size[i] == w->text_size
				&& memcmp(opened[i], texts[(first + i) % TEXTS], w->text_size) == 0;
		if (!is_right) {
			fprintf(stderr, "lanes_bench: what was sealed does not open\n");
			exit(EXIT_FAILURE);
		}
	}
}

static void draw_keys(void)
{
	for (uint32_t n = 0; n < FIELDS + BURST; n++)
		chosen[n] = &keys[next_random() % key_count];
}

/** Push what has been drawn out of the caches. */
static void walk_keys(void)
{
	volatile uint8_t sink = 0;

	for (size_t i = 0; i < key_count; i++)
		sink ^= keys[i].field[0];
}

static void run_slice(struct contender *c, const struct contender *judge, const struct work *w)
{
	size_t done = 0;
	double took = 0;

	draw_keys();
	if (w->is_open) {
		for (uint32_t first = 0; first < FIELDS; first += BURST)
			seal_burst(judge, w, first);
		walk_keys();
	}
	for (uint32_t first = 0; first < FIELDS; first += BURST)
		took += time_burst(c, w, first, &done) / FIELDS;
	c->least_ns = took < c->least_ns ? took : c->least_ns;
	if (!w->is_open)
		check_last(judge, w);
	else if (done != FIELDS) {
		fprintf(stderr, "lanes_bench: %s does not open what was sealed\n", c->name);
		exit(EXIT_FAILURE);
	}
}

static void measure(struct contender c[], size_t count, const struct work *w)
{
	for (size_t i = 0; i < count; i++)
		c[i].least_ns = 1e18;
	for (unsigned s = 0; s < slices; s++)
		for (size_t i = 0; i < count; i++)
			run_slice(&c[i], &c[(i + 1) % count], w);
}

static void print_text(const struct contender c[], size_t count, const struct work *w)
{
	printf("%-5s %-13s %4zu B", w->verb, w->iv, w->text_size);
	for (size_t i = 0; i < count; i++)
		printf("  %s %6.1f", c[i].name, c[i].least_ns);
	// The last two are ipsec-mb and EVP.
	for (size_t i = 0; i + 2 < count; i++)
		printf("  | %s: %.1f M/s, %.1f x ipsec-mb, %.1f x EVP",
		       c[i].name,
		       1e3 / c[i].least_ns,
		       c[count - 2].least_ns / c[i].least_ns,
		       c[count - 1].least_ns / c[i].least_ns);
	putchar('\n');
}

static void print_json(const struct contender c[], size_t count, const struct work *w)
{
	printf("{\"verb\":\"%s\",\"iv\":\"%s\",\"text_size\":%zu,\"keys\":%zu,\"is_cold\":%s",
	       w->verb,
	       w->iv,
	       w->text_size,
	       key_count,
	       is_cold ? "true" : "false");
	for (size_t i = 0; i < count; i++)
		printf(",\"%s_ns\":%.2f", c[i].name, c[i].least_ns);
	puts("}");
}

/** Lanes at each level that is there, ipsec-mb at its best, EVP. */
static size_t make_contenders(struct contender ret_contenders[CPU_LEVEL_COUNT + 1])
{
	static const char *const names[CPU_LEVEL_COUNT] = {NULL, "aesni", "avx2", "avx512"};
	struct engine_options off = {.lanes = LANES_OFF};
	struct problem problem;
	size_t count = 0;

	for (enum cpu_level level = CPU_LEVEL_COUNT; --level > CPU_AUTO;) {
		struct engine_options options = {.cpu = level};
		struct contender *c = &ret_contenders[count];

		*c = (struct contender){.name = names[level]};
		if (cpu_has(level) && engine_new(&options, &c->engine, &problem) == SL_OK)
			count++;
	}
	ret_contenders[count] = (struct contender){.name = "ipsec-mb"};
	if (engine_new(&off, &ret_contenders[count++].engine, &problem) != SL_OK) {
		problem_print(stderr, &problem);
		exit(EXIT_FAILURE);
	}
	ret_contenders[count++] = (struct contender){.name = "evp"};
	for (size_t i = 0; i + 1 < count && !is_json; i++)
		printf("%-8s  %s\n", ret_contenders[i].name, engine_text(ret_contenders[i].engine));
	return count;
}

static void make_data(void)
{
	keys = aligned_alloc(HUGE_PAGE, key_count * sizeof(*keys));
	if (keys == NULL)
		exit(EXIT_FAILURE);
	(void)madvise(keys, key_count * sizeof(*keys), MADV_HUGEPAGE);
	for (size_t i = 0; i < key_count * sizeof(*keys) / 8; i++)
		((uint64_t *)(void *)keys)[i] = next_random();
	for (size_t i = 0; i < sizeof(texts); i++)
		(&texts[0][0])[i] = (uint8_t)next_random();
	for (size_t i = 0; i < 4; i++)
		if (!field_path_init(view_of_text(paths_text[i]), &paths[i]))
			exit(EXIT_FAILURE);
}

static void read_options(int argc, char *argv[])
{
	int option;

	while ((option = getopt(argc, argv, "ck:n:o:")) != -1)
		if (option == 'k' && strtoul(optarg, NULL, 0) > 0)
			key_count = strtoul(optarg, NULL, 0);
		else if (option == 'n' && strtoul(optarg, NULL, 0) > 0)
			slices = (unsigned)strtoul(optarg, NULL, 0);
		else if (option == 'o' && strcmp(optarg, "json") == 0)
			is_json = true;
		else if (option == 'c')
			is_cold = true;
		else {
			fprintf(stderr,
				"usage: lanes_bench [-c] [-k keys] [-n slices] [-o json]\n");
			exit(EXIT_FAILURE);
		}
}

int main(int argc, char *argv[])
{
	static const size_t sizes[] = {8, 16, 32, 64, 256};
	struct contender contenders[CPU_LEVEL_COUNT + 1];
	size_t count;

	read_options(argc, argv);
	make_data();
	evp = evp_fields_new();
	count = make_contenders(contenders);
	for (unsigned way = 0; way < 4; way++)
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct work w = {
				.verb = way & 2 ? "open" : "seal",
				.iv = way & 1 ? "random" : "deterministic",
				.text_size = sizes[s],
				.is_open = (way & 2) != 0,
				.is_random = (way & 1) != 0,
			};

			measure(contenders, count, &w);
			if (is_json)
				print_json(contenders, count, &w);
			else
				print_text(contenders, count, &w);
			fflush(stdout);
		}
	for (size_t i = 0; i < count; i++)
		engine_free(contenders[i].engine);
	evp_fields_free(evp);
	free(keys);
	return EXIT_SUCCESS;
}
