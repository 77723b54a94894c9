#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/stages.h"
#include "tests/support/data.h"
#include "tests/support/policy_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// Nanoseconds per event of contract_match on the real edits: parsed once, matched many times. Every field
// of the edits is declared with its type; variants take a part away, so that its cost shows.

enum {
	ROUNDS = 15,
	SCRATCH_SIZE = 1 << 20
};

#define PERSONAL (POLICY_FIELD_PERSONAL | POLICY_FIELD_NULLABLE)
#define EDIT_FIELDS(channel_match)                                                                 \
	{                                                                                          \
		{.path = "time", .type = POLICY_STRING, .flags = POLICY_FIELD_REQUIRED},           \
			{.path = "channel", .type = POLICY_STRING, .match = (channel_match)},      \
			{.path = "cityName",                                                       \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "comment",                                                        \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "countryIsoCode",                                                 \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "countryName",                                                    \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "isAnonymous", .type = POLICY_BOOLEAN},                           \
			{.path = "isMinor", .type = POLICY_BOOLEAN},                               \
			{.path = "isNew", .type = POLICY_BOOLEAN},                                 \
			{.path = "isRobot", .type = POLICY_BOOLEAN},                               \
			{.path = "isUnpatrolled", .type = POLICY_BOOLEAN},                         \
			{.path = "metroCode", .flags = POLICY_FIELD_NULLABLE},                     \
			{.path = "namespace", .type = POLICY_STRING},                              \
			{.path = "page", .type = POLICY_STRING, .flags = PERSONAL, .purpose = 2},  \
			{.path = "regionIsoCode",                                                  \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "regionName",                                                     \
			 .type = POLICY_STRING,                                                    \
			 .flags = PERSONAL,                                                        \
			 .purpose = 2},                                                            \
			{.path = "user", .type = POLICY_STRING, .flags = PERSONAL, .purpose = 1},  \
			{.path = "delta", .type = POLICY_INTEGER},                                 \
			{.path = "added", .type = POLICY_INTEGER},                                 \
			{.path = "deleted", .type = POLICY_INTEGER}, {0},                          \
	}

static const struct build_field all_fields[] = EDIT_FIELDS("^#[a-z-]+\\.");
static const struct build_field no_regex_fields[] = EDIT_FIELDS(NULL);

static struct variant {
	const char *name;
	struct build build;
	double best_ns;
} variants[] = {
	{"all",
	 {.fields = all_fields, .key = "user", .time = "time", .time_form = POLICY_TIME_RFC3339},
	 1e9},
	{"without a regular expression",
	 {.fields = no_regex_fields,
	  .key = "user",
	  .time = "time",
	  .time_form = POLICY_TIME_RFC3339},
	 1e9},
	{"without time either", {.fields = no_regex_fields, .key = "user"}, 1e9},
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void make_live(struct batch *b)
{
	b->live_count = b->row_count;
	for (uint32_t i = 0; i < b->row_count; i++)
		b->live[i] = (uint8_t)i;
}

/** Match every edit once; the nanoseconds of matching alone. */
static double run(
	struct batch *b,
	const struct data_lines *edits,
	struct json_parser *parser,
	const struct policy *policy
)
{
	double ns = 0;

	for (size_t at = 0; at + BATCH_MAX <= edits->count; at += BATCH_MAX) {
		double start;

		b->row_count = BATCH_MAX;
		make_live(b);
		for (uint32_t i = 0; i < b->row_count; i++) {
			b->reason[i] = DROP_NONE;
			b->frame[i] = edits->line[at + i];
		}
		json_parse_batch(parser, b, policy);
		b->scratch.size = 0;
		start = now_ns();
		contract_match(b, policy, 0);
		ns += now_ns() - start;
		if (b->live_count != b->row_count) {
			fprintf(stderr, "an edit was dropped: %s\n", drop_counter(b->reason[0]));
			exit(EXIT_FAILURE);
		}
	}
	return ns / (double)(edits->count / BATCH_MAX * BATCH_MAX);
}

int main(void)
{
	struct data_lines edits = data_read_lines("wikipedia-edits.ndjson.gz");
	struct batch *b = calloc(1, sizeof(*b));
	struct json_parser *parser;

	if (b == NULL || json_parser_new(JSON_AUTO, &parser) != SL_OK)
		return EXIT_FAILURE;
	b->scratch = (struct room){.bytes = malloc(SCRATCH_SIZE), .capacity = SCRATCH_SIZE};
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++) {
			struct policy_image *image = policy_build(&variants[v].build);
			struct policy *policy;
			struct problem problem;
			double ns;

			if (policy_bind(image, &policy, &problem) != SL_OK)
				return EXIT_FAILURE;
			ns = run(b, &edits, parser, policy);
			if (ns < variants[v].best_ns)
				variants[v].best_ns = ns;
			policy_unbind(policy);
			free(image);
		}
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]); v++)
		printf("%-30s %6.1f ns an event\n", variants[v].name, variants[v].best_ns);
	data_lines_done(&edits);
	free(b->scratch.bytes);
	free(b);
	json_parser_free(parser);
	return EXIT_SUCCESS;
}
