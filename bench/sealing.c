#include "bench/sealing.h"

#include "bench/give_up.h"
#include "bench/ticks.h"
#include "crypto/engine.h"
#include "dataplane/pipeline/json.h"
#include "dataplane/pipeline/record_parse.h"
#include "dataplane/pipeline/stages.h"
#include "tests/support/policy_builder.h"

#include <stdlib.h>
#include <string.h>

const char *const sealing_stage_names[STAGE_COUNT] = {
	"record_parse",
	"contract_match",
	"key_resolve",
	"seal_fields",
	"rewrite_sealed",
	"derive_views",
	"dead_letter",
	"settle",
};

static struct policy_image *build_contract(enum policy_iv iv)
{
	const struct build_field fields[] = {
		{.path = "user",
		 .flags = POLICY_FIELD_PERSONAL | POLICY_FIELD_REQUIRED,
		 .type = POLICY_STRING,
		 .purpose = 1,
		 .iv = (uint8_t)iv},
		{.path = "time", .flags = POLICY_FIELD_REQUIRED, .type = POLICY_STRING},
		{.path = "comment",
		 .flags = POLICY_FIELD_PERSONAL,
		 .type = POLICY_STRING,
		 .purpose = 2,
		 .iv = (uint8_t)iv},
		{.path = "cityName",
		 .flags = POLICY_FIELD_PERSONAL | POLICY_FIELD_NULLABLE,
		 .type = POLICY_STRING,
		 .purpose = 2,
		 .iv = (uint8_t)iv},
		{.path = NULL},
	};
	const struct build contract = {
		.ref = "wikimedia/edit/1.0.0",
		.fields = fields,
		.key = "user",
		.time = "time",
		.time_form = POLICY_TIME_RFC3339,
		.undeclared = POLICY_UNDECLARED_PASS,
		.consent_otherwise = 1 << 1 | 1 << 2,
	};

	return policy_build(&contract);
}

static struct room make_room(size_t capacity)
{
	return (struct room){.bytes = must(malloc(capacity)), .capacity = capacity};
}

struct sealing *sealing_new(size_t key_count_max)
{
	const struct engine_options options = {.cpu = CPU_AUTO};
	struct sealing *s = must(calloc(1, sizeof(*s)));
	struct turn *t = &s->turn;
	struct problem problem;
	size_t room_size;

	for (enum policy_iv iv = POLICY_IV_DETERMINISTIC; iv <= POLICY_IV_RANDOM; iv++) {
		s->image[iv] = build_contract(iv);
		if (policy_bind(s->image[iv], &s->policy[iv], &problem) != SL_OK)
			give_up("%s", problem.what);
	}
	if (engine_new(&options, &s->engine, &problem) != SL_OK)
		give_up("%s", problem.what);
	if (json_parser_new(JSON_AUTO, &t->json) != SL_OK)
		give_up("no parser");
	s->keys = memory_keys_new(s->engine, s->image[0], key_count_max);
	s->batch = must(calloc(1, sizeof(*s->batch)));
	s->batch->scratch = make_room(turn_scratch_size());
	engine_random(s->engine, &s->dead_key, sizeof(s->dead_key));
	room_size = turn_out_max(s->policy[0], TURN_BYTES_MAX, BATCH_MAX);
	t->out.sealed = make_room(room_size);
	t->out.dead = make_room(room_size);
	t->batch = s->batch;
	t->policy = s->policy[0];
	t->engine = s->engine;
	t->keys = s->keys->source;
	t->dead_key = &s->dead_key;
	return s;
}

void sealing_free(struct sealing *s)
{
	free(s->turn.out.sealed.bytes);
	free(s->turn.out.dead.bytes);
	free(s->batch->scratch.bytes);
	free(s->batch);
	memory_keys_free(s->keys);
	json_parser_free(s->turn.json);
	engine_free(s->engine);
	for (uint32_t iv = 0; iv < 2; iv++) {
		policy_unbind(s->policy[iv]);
		free(s->image[iv]);
	}
	free(s);
}

/** All users on the day of the first event: the varied edits are of one day. */
static void fill_varied_keys(struct sealing *s, const struct edits *edits)
{
	struct batch *b = s->batch;
	int64_t day;

	sealing_fill(s, edits, 0, 1);
	turn_run(&s->turn);
	day = b->day[0];
	for (size_t at = 0; at < edits->user_count; at += b->row_count) {
		size_t left = edits->user_count - at;

		b->row_count = left < BATCH_MAX ? (uint32_t)left : BATCH_MAX;
		begin(b);
		for (uint32_t i = 0; i < b->row_count; i++) {
			b->text[i] = view_of_text(edits->user[at + i]);
			b->record[i].key_cell = i;
			b->day[i] = day;
		}
		key_resolve(b, s->policy[0], &s->turn.keys);
	}
}

void sealing_fill_keys(struct sealing *s, const struct edits *edits)
{
	if (edits->is_varied)
		fill_varied_keys(s, edits);
	for (size_t at = 0; at < edits->rows.count; at += s->batch->row_count) {
		size_t left = edits->rows.count - at;

		sealing_fill(s, edits, at, left < BATCH_MAX ? (uint32_t)left : BATCH_MAX);
		turn_run(&s->turn);
	}
	memset(&s->turn.counts, 0, sizeof(s->turn.counts));
}

void sealing_fill(struct sealing *s, const struct edits *edits, size_t at, uint32_t count)
{
	struct batch *b = s->batch;

	b->row_count = count;
	for (uint32_t i = 0; i < count; i++) {
		b->frame[i] = edits->rows.line[at + i];
		b->number[i] = at + i + 1;
		b->offset[i] = 0;
	}
	s->turn.out.sealed.size = 0;
	s->turn.out.dead.size = 0;
}

void sealing_timed_turn(struct turn *t, uint64_t ticks[static STAGE_COUNT])
{
	struct batch *b = t->batch;
	uint64_t last = ticks_now();

	begin(b);
	record_parse(b, t->policy, t->json, NULL);
	ticks_lap(&ticks[STAGE_RECORD_PARSE], &last);
	contract_match(b, t->policy, 0);
	ticks_lap(&ticks[STAGE_CONTRACT_MATCH], &last);
	key_resolve(b, t->policy, &t->keys);
	ticks_lap(&ticks[STAGE_KEY_RESOLVE], &last);
	seal_fields(b, t->policy, NULL, t->engine);
	ticks_lap(&ticks[STAGE_SEAL_FIELDS], &last);
	rewrite_sealed(t);
	ticks_lap(&ticks[STAGE_REWRITE_SEALED], &last);
	derive_views(t);
	ticks_lap(&ticks[STAGE_DERIVE_VIEWS], &last);
	dead_letter(t);
	ticks_lap(&ticks[STAGE_DEAD_LETTER], &last);
	settle(t);
	ticks_lap(&ticks[STAGE_SETTLE], &last);
}
