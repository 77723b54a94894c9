#include "bench/best_parts.h"
#include "bench/compare_report.h"
#include "bench/edits.h"
#include "bench/give_up.h"
#include "bench/sealing.h"
#include "bench/straightforward.h"
#include "bench/verify.h"
#include "dataplane/pipeline/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <x86intrin.h>

// The whole turn, the best known parts of its work and the straightforward way, on the same events in one process:
// one thread, memory to memory, rounds taking turns so that a slow moment of the machine hits all alike. See
// docs/performance.md for what is counted.

enum {
	ROUNDS_DEFAULT = 9,
	ROUNDS_QUICK = 3,
	USERS_DEFAULT = 1000000,
	USERS_QUICK = 20000,
	COPIES = 5,           // of the edits, each with other users
	REAL_KEYS_MAX = 65536 // the edits' own users and days are fewer
};

struct options {
	bool is_json;
	bool is_quick;
	uint32_t rounds;
	size_t users; // 0: the edits' own
	size_t row_count_max;
};

struct compare {
	struct edits edits;
	struct sealing *sealing;
	struct best_parts *parts;
	struct straightforward *straightforward;
	char *out; // of the straightforward way, reused for every batch as the turn's rooms are
	size_t out_size;
};

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void run_turn(struct compare *c, size_t at, uint32_t count, uint64_t *ticks)
{
	sealing_fill(c->sealing, &c->edits, at, count);
	sealing_timed_turn(&c->sealing->turn, ticks);
}

static void run_deterministic(struct compare *c, size_t at, uint32_t count, uint64_t *ticks)
{
	c->sealing->turn.policy = c->sealing->policy[POLICY_IV_DETERMINISTIC];
	run_turn(c, at, count, ticks);
}

static void run_random(struct compare *c, size_t at, uint32_t count, uint64_t *ticks)
{
	c->sealing->turn.policy = c->sealing->policy[POLICY_IV_RANDOM];
	run_turn(c, at, count, ticks);
}

static void run_parts(struct compare *c, size_t at, uint32_t count, uint64_t *ticks)
{
	best_parts_run(c->parts, at, count, ticks);
}

static void run_straightforward(struct compare *c, size_t at, uint32_t count, uint64_t *ticks)
{
	size_t size = straightforward_run(
		c->straightforward, c->edits.text + at, count, c->out, c->out_size
	);

	(void)ticks;
	if (size == 0)
		give_up("the straightforward way could not seal an event");
}

static const struct runner {
	void (*run)(struct compare *c, size_t at, uint32_t count, uint64_t *ticks);
	uint32_t part_count;
	const char *const *part_names;
} runners[CONTESTANT_COUNT] = {
	[TURN] = {run_deterministic, STAGE_COUNT, sealing_stage_names},
	[TURN_RANDOM] = {run_random, STAGE_COUNT, sealing_stage_names},
	[PARTS] = {run_parts, PART_COUNT, best_part_names},
	[STRAIGHTFORWARD] = {run_straightforward, 0, NULL},
};

static uint32_t batch_size(const struct compare *c, size_t at)
{
	size_t left = c->edits.rows.count - at;

	return left < BATCH_MAX ? (uint32_t)left : BATCH_MAX;
}

/** All events once; least[] keeps each batch's least ticks of each part. */
static void run_round(struct compare *c, const struct runner *r, struct score *score)
{
	uint64_t cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t wall = now_ns(CLOCK_MONOTONIC);
	uint64_t(*least)[PARTS_MAX] = score->least;

	for (size_t at = 0; at < c->edits.rows.count; at += BATCH_MAX, least++) {
		uint64_t ticks[PARTS_MAX] = {0};

		r->run(c, at, batch_size(c, at), ticks);
		for (uint32_t p = 0; p < r->part_count; p++)
			if (ticks[p] < (*least)[p])
				(*least)[p] = ticks[p];
	}
	score->cpu_ns[score->round_count] = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	score->wall_ns[score->round_count] = now_ns(CLOCK_MONOTONIC) - wall;
	score->round_count++;
}

static void run_rounds(struct compare *c, struct report *report)
{
	size_t batches = (c->edits.rows.count + BATCH_MAX - 1) / BATCH_MAX;

	for (uint32_t n = 0; n < CONTESTANT_COUNT; n++) {
		struct score *score = &report->score[n];

		score->part_count = runners[n].part_count;
		score->part_names = runners[n].part_names;
		score->batch_count = batches;
		score->least = must(malloc(batches * sizeof(*score->least)));
		memset(score->least, 0xff, batches * sizeof(*score->least));
	}
	for (uint32_t round = 0; round < report->rounds; round++)
		for (uint32_t n = 0; n < CONTESTANT_COUNT; n++)
			run_round(c, &runners[n], &report->score[n]);
}

/** The next line of a text, its end left off. */
static struct bench_text next_line(const uint8_t **at, const uint8_t *end)
{
	const uint8_t *start = *at;
	const uint8_t *newline = memchr(start, '\n', (size_t)(end - start));

	if (newline == NULL)
		give_up("fewer lines came out than events went in");
	*at = newline + 1;
	return (struct bench_text){.bytes = start, .size = (size_t)(newline - start)};
}

/** Open one event of the batch in what both ways made of it. */
static void verify_event(
	struct compare *c,
	size_t at,
	uint32_t i,
	struct bench_text ours,
	struct bench_text theirs
)
{
	const struct key_entry *entry = &c->sealing->batch->key[i];
	const struct batch *b = c->sealing->batch;
	struct view name = b->text[b->record[i].key_cell];
	struct verify_keys keys = {.user = entry->key[1], .rest = entry->key[2]};
	char *user = must(strndup((const char *)name.bytes, name.size));

	if (!verify_sealed(c->edits.text[at + i], ours, keys))
		give_up("event %zu of the turn does not open to what it was", at + i + 1);
	keys.user = straightforward_key(c->straightforward, user);
	keys.rest = keys.user;
	if (keys.user == NULL || !verify_sealed(c->edits.text[at + i], theirs, keys))
		give_up("event %zu of the straightforward way does not open", at + i + 1);
	free(user);
}

/** One batch by turn_run, by the timed turn and by the straightforward way; one event of it is opened. */
static void verify_batch(struct compare *c, size_t at, uint8_t *before)
{
	struct turn *t = &c->sealing->turn;
	uint64_t ticks[STAGE_COUNT];
	uint32_t count = batch_size(c, at);
	const uint8_t *ours = t->out.sealed.bytes;
	const uint8_t *theirs = (const uint8_t *)c->out;
	size_t size;

	sealing_fill(c->sealing, &c->edits, at, count);
	turn_run(t);
	size = t->out.sealed.size;
	memcpy(before, t->out.sealed.bytes, size);
	run_turn(c, at, count, ticks);
	if (t->policy == c->sealing->policy[POLICY_IV_DETERMINISTIC]
	    && (t->out.sealed.size != size || memcmp(before, t->out.sealed.bytes, size) != 0))
		give_up("the timed turn is another than turn_run");
	size = straightforward_run(
		c->straightforward, c->edits.text + at, count, c->out, c->out_size
	);
	for (uint32_t i = 0; i < count; i++) {
		struct bench_text our_line =
			next_line(&ours, t->out.sealed.bytes + t->out.sealed.size);
		struct bench_text their_line = next_line(&theirs, (uint8_t *)c->out + size);

		if (i == at / BATCH_MAX % count)
			verify_event(c, at, i, our_line, their_line);
	}
}

/** After the rounds: their counts must add up, and an event of every batch must open. Gives up otherwise. */
static void verify(struct compare *c, struct report *report)
{
	const struct turn_counts *counts = &c->sealing->turn.counts;
	uint64_t passes = 2 * (uint64_t)report->rounds;
	uint8_t *before = must(malloc(c->sealing->turn.out.sealed.capacity));

	if (counts->rows_in != passes * report->events || counts->rows_sealed != counts->rows_in
	    || counts->fields_sealed != passes * best_parts_field_count(c->parts))
		give_up("the turn's counts do not add up");
	for (uint32_t iv = 0; iv < 2; iv++) {
		c->sealing->turn.policy = c->sealing->policy[iv];
		for (size_t at = 0; at < c->edits.rows.count; at += BATCH_MAX) {
			verify_batch(c, at, before);
			report->verified++;
		}
	}
	free(before);
}

static void set_up(struct compare *c, const struct options *o, struct report *report)
{
	c->edits = o->users == 0
		? edits_real(o->row_count_max)
		: edits_varied(o->row_count_max, o->users, o->is_quick ? 1 : COPIES);
	c->sealing = sealing_new(o->users + REAL_KEYS_MAX);
	sealing_fill_keys(c->sealing, &c->edits);
	c->parts = best_parts_new(&c->edits, c->sealing);
	memset(&c->sealing->turn.counts, 0, sizeof(c->sealing->turn.counts));
	c->straightforward =
		straightforward_new((const char *const *)c->edits.user, c->edits.user_count);
	if (c->straightforward == NULL)
		give_up("the straightforward way could not be set up");
	c->out_size = turn_out_max(c->sealing->policy[0], TURN_BYTES_MAX, BATCH_MAX);
	c->out = must(malloc(c->out_size));
	report->rounds = o->rounds;
	report->events = c->edits.rows.count;
	report->bytes = c->edits.bytes;
	report->escaped = c->edits.escaped_count;
	report->fields = best_parts_field_count(c->parts);
	report->live_keys = key_table_count(c->sealing->keys->source.table);
	report->is_varied = c->edits.is_varied;
	report->engine_text = engine_text(c->sealing->engine);
	report->json_level = json_parser_level(c->sealing->turn.json);
}

static void tear_down(struct compare *c, struct report *report)
{
	for (uint32_t n = 0; n < CONTESTANT_COUNT; n++)
		free(report->score[n].least);
	best_parts_free(c->parts);
	straightforward_free(c->straightforward);
	sealing_free(c->sealing);
	edits_done(&c->edits);
	free(c->out);
}

static _Noreturn void show_usage(void)
{
	fputs("usage: bench/compare [-o text|json] [--users N|real] [--rounds N] [--rows N] "
	      "[--quick]\n"
	      "  --users   live keys that the events' users are drawn from (default 1000000); "
	      "real: the edits' own\n"
	      "  --rounds  passes over all events, the median counts (default 9, at most 99)\n"
	      "  --rows    edits to take of the 39,244\n"
	      "  --quick   20,000 users, 3 rounds: whether it works, not how fast\n",
	      stderr);
	exit(2);
}

static size_t read_number(const char *text, size_t max)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || number == 0 || number > max)
		show_usage();
	return number;
}

static struct options read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"output", required_argument, NULL, 'o'},
		{"users", required_argument, NULL, 'u'},
		{"rounds", required_argument, NULL, 'r'},
		{"rows", required_argument, NULL, 'n'},
		{"quick", no_argument, NULL, 'q'},
		{0},
	};
	struct options o = {
		.users = USERS_DEFAULT, .rounds = ROUNDS_DEFAULT, .row_count_max = SIZE_MAX};
	int option;

	while ((option = getopt_long(argc, argv, "o:", names, NULL)) != -1) {
		if (option == 'o' && (strcmp(optarg, "json") == 0 || strcmp(optarg, "text") == 0))
			o.is_json = optarg[0] == 'j';
		else if (option == 'u')
			o.users = strcmp(optarg, "real") == 0 ? 0 : read_number(optarg, 9999999);
		else if (option == 'r')
			o.rounds = (uint32_t)read_number(optarg, ROUNDS_MAX);
		else if (option == 'n')
			o.row_count_max = read_number(optarg, SIZE_MAX);
		else if (option == 'q')
			o.is_quick = true;
		else
			show_usage();
	}
	if (optind != argc)
		show_usage();
	if (o.is_quick) {
		o.rounds = ROUNDS_QUICK;
		o.users = o.users == 0 ? 0 : USERS_QUICK;
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	static struct report report;
	struct compare compare = {0};

	set_up(&compare, &options, &report);
	run_rounds(&compare, &report);
	verify(&compare, &report);
	report_print(&report, options.is_json);
	tear_down(&compare, &report);
	return EXIT_SUCCESS;
}
