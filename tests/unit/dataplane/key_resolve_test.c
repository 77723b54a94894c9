#include "crypto/siphash.h"
#include "dataplane/pipeline/stages.h"
#include "tests/support/check.h"
#include "tests/support/turn_rig.h"

#include <string.h>

static const struct build_field fields[] = {
	{.path = "user", .flags = POLICY_FIELD_PERSONAL, .purpose = 1},
	{.path = "person", .flags = POLICY_FIELD_NULLABLE},
	{.path = "at"},
	{.path = NULL},
};

static const struct build with_subject = {
	.fields = fields,
	.key = "user",
	.subject = "person",
	.time = "at",
	.time_form = POLICY_TIME_EPOCH_S,
};

/** Turns one after the other, and what the source of keys was asked for in sum. */
static const struct claim_case {
	const char *what;
	const char *rows[4];
	uint64_t claims;
	uint64_t made;
	uint64_t linked;
} claim_cases[] = {
	{"a new key, twice in a turn",
	 {"{\"user\":\"a\",\"at\":1}", "{\"user\":\"a\",\"at\":86399}"},
	 1,
	 1,
	 0},
	{"nothing is missing", {"{\"user\":\"a\",\"at\":2}"}, 1, 1, 0},
	{"another day, another owner",
	 {"{\"user\":\"a\",\"at\":86400}",
	  "{\"user\":\"b\",\"at\":1}",
	  "{\"user\":\"a\",\"at\":-1}",
	  "{\"user\":\"b\",\"at\":1}"},
	 2,
	 4,
	 0},
	{"a subject for a key that is there",
	 {"{\"user\":\"a\",\"person\":\"p\",\"at\":1}",
	  "{\"user\":\"a\",\"person\":\"p\",\"at\":1}"},
	 3,
	 4,
	 1},
	{"the subject is known now", {"{\"user\":\"a\",\"person\":\"p\",\"at\":1}"}, 3, 4, 1},
	{"a null subject is none", {"{\"user\":\"a\",\"person\":null,\"at\":1}"}, 3, 4, 1},
	{"two subjects of a new key",
	 {"{\"user\":\"c\",\"person\":\"p\",\"at\":1}",
	  "{\"user\":\"c\",\"person\":\"q\",\"at\":1}",
	  "{\"user\":\"c\",\"person\":\"q\",\"at\":1}",
	  "{\"user\":\"c\",\"at\":1}"},
	 4,
	 5,
	 2},
};

static void keys_are_claimed_once(void)
{
	struct turn_rig *rig = turn_rig_new(&with_subject, NULL);

	for (size_t n = 0; n < sizeof(claim_cases) / sizeof(claim_cases[0]); n++) {
		const struct claim_case *c = &claim_cases[n];
		struct view rows[4];
		uint32_t count = 0;

		for (; count < 4 && c->rows[count] != NULL; count++)
			rows[count] = view_of_text(c->rows[count]);
		turn_rig_run(rig, rows, count);
		CHECK_EQUAL(rig->batch->live_count, count);
		CHECK_EQUAL(rig->keys->claim_count, c->claims);
		CHECK_EQUAL(rig->keys->made_count, c->made);
		CHECK_EQUAL(rig->keys->linked_count, c->linked);
		CHECK_EQUAL(rig->keys->repeated_count, 0);
	}
	turn_rig_free(rig);
}

static void rows_of_one_owner_share_the_key(void)
{
	struct view rows[BATCH_MAX];
	struct turn_rig *rig = turn_rig_new(&with_subject, NULL);
	const struct key_entry *key = rig->batch->key;

	for (uint32_t i = 0; i < BATCH_MAX; i++)
		rows[i] = view_of_text(
			i % 2 ? "{\"user\":\"odd\",\"at\":1}" : "{\"user\":\"even\",\"at\":1}"
		);
	turn_rig_run(rig, rows, BATCH_MAX);
	CHECK_EQUAL(rig->batch->live_count, BATCH_MAX);
	for (uint32_t i = 2; i < BATCH_MAX; i++) {
		CHECK(memcmp(key[i].link, key[i % 2].link, KEY_LINK_SIZE) == 0);
		CHECK(memcmp(key[i].key, key[i % 2].key, 2 * KEY_SIZE) == 0);
		CHECK_EQUAL(key[i].position, key[i % 2].position);
	}
	CHECK(memcmp(key[0].key, key[1].key, 2 * KEY_SIZE) != 0);
	turn_rig_free(rig);
}

static void hashes_are_as_documented(void)
{
	static const uint8_t key_text[] = "\x4d\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
					  "ann";
	struct turn_rig *rig = turn_rig_new(&with_subject, NULL);
	uint8_t hash[1][SIPHASH_SIZE];
	struct key_entry entry;
	struct key_entry *to = &entry;
	bool is_found = false;
	uint64_t fingerprint;

	turn_rig_run_text(rig, "{\"user\":\"ann\",\"person\":7,\"at\":-5}");
	siphash(rig->keys->hash_key, view_of(key_text, sizeof(key_text) - 1), hash[0]);
	key_table_find_burst(rig->keys->source.table, hash, 1, &to, &is_found);
	CHECK(is_found);
	siphash(rig->keys->hash_key, view_of_text("subject7"), hash[0]);
	CHECK(memcmp(hash[0], rig->keys->last_subject_hash, SIPHASH_SIZE) == 0);
	memcpy(&fingerprint, hash[0], sizeof(fingerprint));
	CHECK_EQUAL(entry.subject, fingerprint);
	turn_rig_free(rig);
}

static void a_window_by_age_is_of_no_day_and_ends(void)
{
	static const uint8_t key_text[] = "\x4d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
					  "ann";
	static const int64_t made_ms = 1700000000000;
	struct turn_rig *rig = turn_rig_new(&with_subject, NULL);
	struct key_source *source = &rig->keys->source;
	struct key_entry entry = {.position = 1};
	uint8_t hash[SIPHASH_SIZE];

	// The key of a link that says when it was made.
	for (int i = 0; i < 6; i++)
		entry.link[i] = (uint8_t)(made_ms >> (40 - 8 * i));
	siphash(rig->keys->hash_key, view_of(key_text, sizeof(key_text) - 1), hash);
	CHECK_EQUAL(key_table_insert(source->table, hash, &entry, 0), SL_OK);
	rig->turn.keys.window_ms = 3600000;
	rig->turn.keys.now_ms = made_ms + 3600000 - 1;
	turn_rig_run_text(rig, "{\"user\":\"ann\",\"at\":1}");
	turn_rig_run_text(rig, "{\"user\":\"ann\",\"at\":1000000}");
	CHECK_EQUAL(rig->keys->claim_count, 0);
	CHECK(memcmp(rig->batch->key[0].link, entry.link, KEY_LINK_SIZE) == 0);
	rig->turn.keys.window_ms = KEY_WINDOW_NEVER;
	rig->turn.keys.now_ms = INT64_MAX;
	turn_rig_run_text(rig, "{\"user\":\"ann\",\"at\":1}");
	CHECK_EQUAL(rig->keys->claim_count, 0);
	// Its hour is over: it is asked for, as a key and not for its subject only.
	rig->turn.keys.window_ms = 3600000;
	rig->turn.keys.now_ms = made_ms + 3600000;
	turn_rig_run_text(rig, "{\"user\":\"ann\",\"person\":\"p\",\"at\":1}");
	CHECK_EQUAL(rig->keys->claim_count, 1);
	CHECK_EQUAL(rig->keys->repeated_count, 0);
	rig->turn.keys.now_ms = 0; // the clock is far beyond
	turn_rig_run_text(rig, "{\"user\":\"ann\",\"person\":\"q\",\"at\":1}");
	CHECK_EQUAL(rig->keys->claim_count, 2);
	turn_rig_free(rig);
}

static void a_key_field_that_is_the_subject_registers_itself(void)
{
	struct build build = with_subject;
	struct turn_rig *rig;

	build.subject = "user";
	rig = turn_rig_new(&build, NULL);
	turn_rig_run_text(rig, "{\"user\":\"a\",\"at\":1}");
	CHECK(rig->batch->key[0].subject != 0);
	turn_rig_run_text(rig, "{\"user\":\"a\",\"at\":1}");
	CHECK_EQUAL(rig->keys->claim_count, 1);
	CHECK_EQUAL(rig->keys->linked_count, 0);
	turn_rig_free(rig);
}

static void a_subject_that_can_not_be_registered_drops_the_row(void)
{
	struct view rows[] = {
		view_of_text("{\"user\":\"a\",\"person\":\"p\",\"at\":1}"),
		view_of_text("{\"user\":\"a\",\"at\":1}"),
	};
	struct turn_rig *rig = turn_rig_new(&with_subject, NULL);

	turn_rig_run(rig, rows + 1, 1);
	rig->keys->is_refusing = true;
	turn_rig_run(rig, rows, 2);
	CHECK_EQUAL(rig->batch->reason[0], DROP_KEY_MISSING);
	CHECK_EQUAL(rig->batch->reason[1], DROP_NONE);
	turn_rig_free(rig);
}

static const struct check_test tests[] = {
	{"keys are claimed once", keys_are_claimed_once},
	{"rows of one owner share the key", rows_of_one_owner_share_the_key},
	{"a window by age is of no day and ends", a_window_by_age_is_of_no_day_and_ends},
	{"hashes are as documented", hashes_are_as_documented},
	{"a key field that is the subject registers itself",
	 a_key_field_that_is_the_subject_registers_itself},
	{"a subject that can not be registered drops the row",
	 a_subject_that_can_not_be_registered_drops_the_row},
};

CHECK_MAIN("key_resolve")
