#include "bench/simdjson_parse.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/json_index.h"
#include "tests/support/data.h"
#include "tests/support/policy_builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Nanoseconds per event of the JSON parser on the real edits, every level and simdjson side by side in
// one run. Each figure is the best of several rounds; the rounds of all subjects take turns, so that a
// slow moment of the machine hits all alike.

enum {
	ROUNDS_DEFAULT = 15
};

static const struct build_field fields[] = {
	{.path = "time", .flags = POLICY_FIELD_REQUIRED},
	{.path = "channel"},
	{.path = "cityName", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "comment", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "countryName", .flags = POLICY_FIELD_PERSONAL, .purpose = 2},
	{.path = "page"},
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "delta"},
	{0},
};
static const char *const names[] =
	{"time", "channel", "cityName", "comment", "countryName", "page", "user", "delta"};

struct bench {
	struct data_lines edits;
	struct bench_text *texts; // the edits again, for C++
	struct policy policy;
	struct batch *batch;
	struct json_parser *parsers[JSON_LEVEL_COUNT];
	struct json_index index;
	struct simdjson_bench *simdjson;
};

typedef uint64_t (*subject_fn)(struct bench *bench, enum json_level level);

static uint64_t run_index(struct bench *bench, enum json_level level)
{
	static const json_index_fn fns[JSON_LEVEL_COUNT] = {
		[JSON_SCALAR] = json_index_scalar,
		[JSON_AVX2] = json_index_avx2,
		[JSON_AVX512] = json_index_avx512,
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < bench->edits.count; i++) {
		struct view line = bench->edits.line[i];

		fns[level](line.bytes, (uint32_t)line.size, &bench->index);
		sum += bench->index.count;
	}
	return sum;
}

static uint64_t run_validate(struct bench *bench, enum json_level level)
{
	uint64_t valid = 0;

	for (size_t i = 0; i < bench->edits.count; i++)
		valid += json_validate(bench->parsers[level], bench->edits.line[i]) == DROP_NONE;
	return valid;
}

static uint64_t run_parse(struct bench *bench, enum json_level level)
{
	struct batch *b = bench->batch;
	uint64_t cells = 0;

	for (size_t at = 0; at < bench->edits.count; at += BATCH_MAX) {
		size_t left = bench->edits.count - at;

		b->row_count = b->live_count = left < BATCH_MAX ? (uint32_t)left : BATCH_MAX;
		for (uint32_t i = 0; i < b->row_count; i++) {
			b->live[i] = (uint8_t)i;
			b->reason[i] = DROP_NONE;
			b->frame[i] = bench->edits.line[at + i];
		}
		json_parse_batch(bench->parsers[level], b, &bench->policy);
		cells += b->cell_count;
	}
	return cells;
}

static uint64_t run_simdjson_locate(struct bench *bench, enum json_level level)
{
	(void)level;
	return simdjson_bench_locate(
		bench->simdjson,
		bench->texts,
		bench->edits.count,
		names,
		sizeof(names) / sizeof(names[0])
	);
}

static uint64_t run_simdjson_validate(struct bench *bench, enum json_level level)
{
	(void)level;
	return simdjson_bench_validate(bench->simdjson, bench->texts, bench->edits.count);
}

static struct subject {
	const char *name;
	subject_fn run;
	enum json_level level;
	double best_ns;
	uint64_t result;
} subjects[] = {
	{"stage 1, avx512", run_index, JSON_AVX512, INFINITY, 0},
	{"stage 1, avx2", run_index, JSON_AVX2, INFINITY, 0},
	{"stage 1, scalar", run_index, JSON_SCALAR, INFINITY, 0},
	{"parse, avx512", run_parse, JSON_AVX512, INFINITY, 0},
	{"parse, avx2", run_parse, JSON_AVX2, INFINITY, 0},
	{"parse, scalar", run_parse, JSON_SCALAR, INFINITY, 0},
	{"validate, avx512", run_validate, JSON_AVX512, INFINITY, 0},
	{"validate, avx2", run_validate, JSON_AVX2, INFINITY, 0},
	{"simdjson on-demand, locate", run_simdjson_locate, JSON_AUTO, INFINITY, 0},
	{"simdjson DOM, validate", run_simdjson_validate, JSON_AUTO, INFINITY, 0},
};

enum {
	SUBJECT_COUNT = sizeof(subjects) / sizeof(subjects[0])
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static struct subject *subject_of(const char *name)
{
	for (unsigned i = 0; i < SUBJECT_COUNT; i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	abort();
}

static void run_rounds(struct bench *bench, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < SUBJECT_COUNT; i++) {
			struct subject *s = &subjects[i];
			double start;
			double ns;

			if (s->level != JSON_AUTO && bench->parsers[s->level] == NULL)
				continue;
			start = now_ns();
			s->result = s->run(bench, s->level);
			ns = (now_ns() - start) / (double)bench->edits.count;
			s->best_ns = ns < s->best_ns ? ns : s->best_ns;
		}
}

static void print(const struct bench *bench)
{
	double bytes = 0;
	double simdjson = subject_of("simdjson on-demand, locate")->best_ns;
	enum json_level best = bench->parsers[JSON_AVX512] != NULL ? JSON_AVX512 : JSON_AVX2;
	double ours = subject_of(best == JSON_AVX512 ? "parse, avx512" : "parse, avx2")->best_ns;

	for (size_t i = 0; i < bench->edits.count; i++)
		bytes += (double)bench->edits.line[i].size;
	bytes /= (double)bench->edits.count;
	printf("%zu edits, %.0f bytes each, 8 fields\n", bench->edits.count, bytes);
	for (unsigned i = 0; i < SUBJECT_COUNT; i++)
		if (subjects[i].best_ns < INFINITY)
			printf("%-28s %7.1f ns/event %6.2f GB/s  (%lu)\n",
			       subjects[i].name,
			       subjects[i].best_ns,
			       bytes / subjects[i].best_ns,
			       (unsigned long)subjects[i].result);
	printf("ratio to simdjson on-demand: %.2f\n", ours / simdjson);
}

int main(int argc, char **argv)
{
	struct bench bench = {.edits = data_read_lines("wikipedia-edits.ndjson.gz")};
	struct policy_image *image = policy_build(&(struct build
	){.fields = fields, .key = "user", .subject = "user", .time = "time"});

	bench.policy = policy_build_bare(image);
	bench.batch = calloc(1, sizeof(*bench.batch));
	bench.index.at = calloc(JSON_INDEX_CAPACITY, sizeof(*bench.index.at));
	bench.simdjson = simdjson_bench_new();
	bench.texts = calloc(bench.edits.count, sizeof(*bench.texts));
	if (bench.batch == NULL || bench.index.at == NULL || bench.texts == NULL)
		return EXIT_FAILURE;
	for (size_t i = 0; i < bench.edits.count; i++)
		bench.texts[i] =
			(struct bench_text){bench.edits.line[i].bytes, bench.edits.line[i].size};
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		if (json_parser_new(level, &bench.parsers[level]) != SL_OK)
			bench.parsers[level] = NULL;
	run_rounds(&bench, argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT);
	print(&bench);
	for (enum json_level level = JSON_SCALAR; level < JSON_LEVEL_COUNT; level++)
		json_parser_free(bench.parsers[level]);
	simdjson_bench_free(bench.simdjson);
	free(bench.texts);
	free(bench.index.at);
	free(bench.batch);
	free(image);
	data_lines_done(&bench.edits);
	return EXIT_SUCCESS;
}
