#include "control/api/key_source.h"
#include "tests/unit/control/feed_scene.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
	NAMES_MAX = 20000
};

static const int64_t MS_PER_DAY = 86400000;

static enum sl_status count_link(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	(void)link;
	++*(size_t *)self;
	return SL_OK;
}

static void new_keys_become_durable(void)
{
	static struct key_record records[3000];
	struct scene s = scene_new();
	struct vault_key key;
	struct key_feed_counts counts;
	uint8_t subject[KEY_HASH_SIZE] = {99};
	size_t wrong = 0;
	size_t links = 0;
	uint64_t position = 0;
	struct problem p;

	attach(&s);
	for (uint64_t i = 0; i < 3000; i++) {
		while (key_ring_room(s.ring) == 0)
			sleep_ms(1);
		position = put(&s, i);
		records[i] = s.last;
	}
	// A further subject of the last key.
	s.last = (struct key_record){.scope = s.scope, .flags = KEY_RECORD_LINK_ONLY};
	memcpy(s.last.link, records[2999].link, KEY_LINK_SIZE);
	memcpy(s.last.subject_hash, subject, sizeof(subject));
	position = key_ring_put(s.ring, &s.last);
	CHECK_EQUAL(position, 3001);
	CHECK(wait_durable(&s, position));
	for (size_t i = 0; i < 3000; i++)
		wrong += !has_key(&s, &records[i]);
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(vault_read_key(s.vault, s.engine, records[5].link, &key), SL_OK);
	CHECK_EQUAL(key.scope, s.scope);
	CHECK_EQUAL(key.day, 0);
	CHECK_EQUAL(key.created_ms, records[5].created_ms);
	CHECK_EQUAL(key.expires_ms, records[5].created_ms + RETENTION_DAYS * MS_PER_DAY);
	CHECK_EQUAL(key.policy_id[0], 7);
	CHECK_EQUAL(key.subject_hash[0], 6);
	CHECK_EQUAL(vault_subject_links(s.vault, subject, count_link, &links), SL_OK);
	CHECK_EQUAL(links, 1);
	counts = key_feed_counts(s.feed);
	CHECK_EQUAL(counts.keys, 3000);
	CHECK_EQUAL(counts.subjects, 1);
	CHECK_EQUAL(counts.waiting, 0);
	CHECK(counts.commits >= 1 && counts.commits <= 3001);
	CHECK_EQUAL(key_feed_status(s.feed, &p), SL_OK);
	scene_free(&s);
}

static void what_is_in_the_ring_at_the_end_is_committed(void)
{
	struct scene s = scene_new();

	attach(&s);
	for (uint64_t i = 0; i < 700; i++)
		CHECK(put(&s, i) != 0);
	key_feed_free(s.feed);
	s.feed = NULL;
	CHECK_EQUAL(key_ring_durable(s.ring), 700);
	CHECK(has_key(&s, &s.last));
	scene_free(&s);
}

static void dead_letter_keys_stand_between_the_others(void)
{
	struct scene s = scene_new();
	struct key_feed_dead_letter first;
	struct key_feed_dead_letter again;
	struct keyring_dead_letter by_keyring;
	struct keyring *keyring;
	size_t wrong = 0;
	struct problem p;

	// The very first key of the vault, then days among the keys of a dataplane that never stops.
	CHECK_EQUAL(key_feed_dead_letter_key(s.feed, 20000, &first, &p), SL_OK);
	attach(&s);
	for (int64_t day = 0; day < 40; day++) {
		for (uint64_t i = 0; i < 20; i++)
			CHECK(put(&s, (uint64_t)day * 100 + i) != 0);
		wrong += key_feed_dead_letter_key(s.feed, 20001 + day, &again, &p) != SL_OK;
		wrong += key_feed_dead_letter_key(s.feed, 20001 + day / 2, &again, &p) != SL_OK;
	}
	CHECK_EQUAL(wrong, 0);
	CHECK(wait_durable(&s, 800));
	CHECK_EQUAL(key_feed_status(s.feed, &p), SL_OK);
	CHECK_EQUAL(vault_key_count(s.vault), 41 + 800);
	CHECK_EQUAL(key_feed_dead_letter_key(s.feed, 20000, &again, &p), SL_OK);
	CHECK(memcmp(&first, &again, sizeof(first)) == 0);
	// A batch job in the same vault seals with the same.
	key_feed_free(s.feed);
	s.feed = NULL;
	keyring = keyring_of(s.vault, "g");
	CHECK_EQUAL(keyring_dead_letter_key(keyring, 20000, &by_keyring, &p), SL_OK);
	CHECK(memcmp(by_keyring.link, first.link, KEY_LINK_SIZE) == 0);
	CHECK(memcmp(by_keyring.key, first.key, KEY_SIZE) == 0);
	keyring_end(keyring);
	scene_free(&s);
}

/** How a record is spoilt, and what is left of the order of things. */
enum spoil {
	SPOIL_SCOPE,
	SPOIL_FLAGS,
	SPOIL_VERSION,
	SPOIL_VARIANT,
	SPOIL_FUTURE,
	SPOIL_ORDER,
	SPOIL_AGAIN,
	SPOIL_CREATED,
	SPOIL_DAY,
	SPOIL_COUNT
};

static void spoil(struct key_record *r, enum spoil how, const struct key_record *before)
{
	switch (how) {
	case SPOIL_SCOPE:
		r->scope++;
		break;
	case SPOIL_FLAGS:
		r->flags = 4;
		break;
	case SPOIL_VERSION:
		r->link[6] ^= 0x10;
		break;
	case SPOIL_VARIANT:
		r->link[8] ^= 0x40;
		break;
	case SPOIL_FUTURE:
		r->link[0] ^= 0x80;
		break;
	case SPOIL_ORDER:
		memcpy(r->link, before->link, sizeof(r->link));
		r->link[5]--;
		break;
	case SPOIL_AGAIN: // the link of a key that is there, with another key
		memcpy(r->link, before->link, sizeof(r->link));
		memcpy(r->name_hash, before->name_hash, sizeof(r->name_hash));
		break;
	case SPOIL_CREATED:
		r->created_ms += 2 * MS_PER_DAY;
		break;
	case SPOIL_DAY:
		r->day = (int64_t)INT32_MAX + 1;
		break;
	case SPOIL_COUNT:
		break;
	}
}

static void a_record_that_no_dataplane_writes_ends_the_taking(void)
{
	struct scene s = scene_new();

	for (enum spoil how = 0; how < SPOIL_COUNT; how++) {
		struct key_record before;
		struct key_record bad;
		struct problem p = {0};

		attach(&s);
		CHECK_EQUAL(put(&s, how * 10u), 1);
		CHECK(wait_durable(&s, 1));
		CHECK_EQUAL(put(&s, how * 10u + 1), 2);
		before = s.last;
		bad = record_of(&s, how * 10u + 2);
		spoil(&bad, how, &before);
		CHECK_EQUAL(key_ring_put(s.ring, &bad), 3);
		CHECK_EQUAL(put(&s, how * 10u + 3), 4);
		for (int i = 0; i < 5000 && key_feed_status(s.feed, &p) == SL_OK; i++)
			sleep_ms(1);
		CHECK_EQUAL(key_feed_status(s.feed, &p), SL_E_CORRUPT);
		CHECK(strstr(p.what, "record 3 ") != NULL);
		CHECK_EQUAL(key_ring_durable(s.ring), 2); // what stood before it is kept
		CHECK(has_key(&s, &before));
		CHECK_EQUAL(key_feed_recover(s.feed, &p), SL_E_CORRUPT);
		// It is not taken again; a new ring serves.
		CHECK_EQUAL(key_feed_attach(s.feed, s.ring, &p), SL_E_CORRUPT);
		CHECK_EQUAL(key_feed_status(s.feed, &p), SL_OK);
		key_ring_free(s.ring);
		s.ring = ring_of(64);
	}
	attach(&s);
	CHECK_EQUAL(put(&s, 1000), 1);
	CHECK(wait_durable(&s, 1));
	scene_free(&s);
}

/** Control died after the commit and before it took the records off the ring. */
static void what_was_committed_already_is_recognised(void)
{
	struct scene s = scene_new();
	struct key_record r[2];
	struct problem p;

	attach(&s);
	CHECK_EQUAL(key_feed_attach(s.feed, NULL, &p), SL_OK);
	for (size_t i = 0; i < 2; i++) {
		struct vault_key key = {.scope = s.scope, .created_ms = 1};

		CHECK_EQUAL(put(&s, i), i + 1);
		r[i] = s.last;
		memcpy(key.link, r[i].link, sizeof(key.link));
		memcpy(key.name_hash, r[i].name_hash, sizeof(key.name_hash));
		memcpy(key.dek, r[i].dek, sizeof(key.dek));
		CHECK_EQUAL(vault_commit(s.vault, s.engine, &key, 1, &p), SL_OK);
	}
	CHECK_EQUAL(put(&s, 2), 3);
	CHECK_EQUAL(key_feed_attach(s.feed, s.ring, &p), SL_OK);
	CHECK_EQUAL(key_ring_durable(s.ring), 3);
	CHECK_EQUAL(vault_key_count(s.vault), 3);
	CHECK(has_key(&s, &r[0]) && has_key(&s, &r[1]) && has_key(&s, &s.last));
	scene_free(&s);
}

static void a_dead_dataplane_is_recovered_from(void)
{
	struct scene s = scene_new();
	uint8_t last[KEY_LINK_SIZE];
	uint8_t never[KEY_LINK_SIZE];
	struct problem p;

	attach(&s);
	CHECK_EQUAL(put(&s, 1), 1);
	CHECK_EQUAL(key_feed_recover(s.feed, &p), SL_OK);
	CHECK_EQUAL(key_ring_durable(s.ring), 1);
	// The ring's last link counts when it is above the vault's, but not one of next year.
	memcpy(last, s.last.link, sizeof(last));
	last[9]++;
	key_ring_set_last_link(s.ring, last);
	CHECK_EQUAL(key_feed_recover(s.feed, &p), SL_OK);
	key_ring_last_link(s.ring, never);
	CHECK(memcmp(never, last, sizeof(last)) == 0);
	memset(never, 0xff, sizeof(never));
	key_ring_set_last_link(s.ring, never);
	CHECK_EQUAL(key_feed_recover(s.feed, &p), SL_OK);
	key_ring_last_link(s.ring, never);
	CHECK(memcmp(never, s.last.link, sizeof(last)) == 0);
	memset(never, 0, sizeof(never));
	key_ring_set_last_link(s.ring, never);
	CHECK_EQUAL(key_feed_recover(s.feed, &p), SL_OK);
	key_ring_last_link(s.ring, never);
	CHECK(memcmp(never, s.last.link, sizeof(last)) == 0);
	scene_free(&s);
}

/** In a process of its own: the limit is the process's. */
static int fill_the_device(struct scene *s)
{
	struct rlimit limit = {0};
	uint64_t position = 0;
	uint64_t durable;
	struct problem p;

	feed_begin(s);
	attach(s);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = 1 << 20;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	for (uint64_t i = 0; i < 100000 && key_feed_status(s->feed, &p) == SL_OK;) {
		if (key_ring_room(s->ring) == 0)
			sleep_ms(1);
		else
			position = put(s, i++);
	}
	for (uint64_t i = 200000; key_ring_room(s->ring) != 0; i++)
		position = put(s, i);
	if (key_feed_status(s->feed, &p) != SL_E_NO_SPACE)
		return 3;
	durable = key_ring_durable(s->ring);
	if (key_ring_put(s->ring, &s->last) != 0 || durable >= position)
		return 4;
	sleep_ms(1200); // a retry is of no use
	if (key_ring_durable(s->ring) != durable)
		return 5;
	if (key_feed_counts(s->feed).waiting != position - durable)
		return 6;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 7;
	if (!wait_durable(s, position) || key_feed_status(s->feed, &p) != SL_OK)
		return 8;
	if (!has_key(s, &s->last) || vault_key_count(s->vault) != position)
		return 9;
	return 0;
}

static void nothing_is_durable_while_the_device_is_full(void)
{
	struct scene s = scene_new();
	int status = -1;
	pid_t child;

	// The child opens the vault itself.
	key_feed_free(s.feed);
	s.feed = NULL;
	vault_close(s.vault);
	s.vault = NULL;
	child = fork();
	CHECK_FATAL(child >= 0);
	if (child == 0) {
		const struct engine_options options = {0};
		struct problem p;

		s.vault = vault_dir_vault(&s.dir);
		s.ring = ring_of(1024);
		if (engine_new(&options, &s.engine, &p) != SL_OK)
			_exit(10);
		_exit(fill_the_device(&s));
	}
	waitpid(child, &status, 0);
	CHECK_EQUAL(status, 0);
	scene_free(&s);
}

/** Whether a table has the key of a name, and it is this one. */
static bool is_in_table(
	struct scene *s,
	const struct key_table *t,
	const struct key_record *r,
	struct key_entry *ret_entry
)
{
	uint8_t want[3 * KEY_SIZE];
	bool is_found;

	key_table_find_burst(t, &r->name_hash, 1, &ret_entry, &is_found);
	engine_derive(s->engine, r->dek, 1, purposes, 2, want);
	return is_found && memcmp(ret_entry->link, r->link, KEY_LINK_SIZE) == 0
		&& memcmp(ret_entry->key, want, sizeof(want)) == 0 && ret_entry->position == 0;
}

static struct key_table *table_of(uint64_t scope, size_t entries)
{
	struct key_table_use use = {
		.entry_count_max = entries, .scope = scope, .purpose_count = 2, .purposes = {1, 2}};
	struct key_table *t = NULL;

	if (key_table_create_shared(&use, &t) != SL_OK)
		abort();
	return t;
}

static bool is_third_step(void)
{
	static int steps;

	return ++steps == 3;
}

static void tables_are_warmed_with_the_living_keys(void)
{
	static struct key_record records[2000];
	struct scene s = scene_new();
	const int64_t now = clock_wall_ms();
	struct key_warm warms[3];
	struct key_entry e;
	size_t wrong = 0;
	struct problem p;

	// Links of the last ten hours; every tenth name comes again with a younger key; every seventh is of another scope.
	key_feed_free(s.feed);
	s.feed = NULL;
	for (uint64_t i = 0; i < 2000; i++) {
		struct vault_key key = {.expires_ms = now + 1 + MS_PER_DAY};
		uint8_t random[KEY_LINK_RANDOM_SIZE] = {0};

		records[i] = record_of(&s, i % 10 == 9 ? i - 9 : i);
		s.maker.ms = (uint64_t)(now - 36000000 + (int64_t)i * 18000);
		key_link_next(&s.maker, 0, random, records[i].link);
		key.scope = s.scope + (i % 7 == 6);
		memcpy(key.link, records[i].link, sizeof(key.link));
		memcpy(key.name_hash, records[i].name_hash, sizeof(key.name_hash));
		memcpy(key.subject_hash, records[i].subject_hash, sizeof(key.subject_hash));
		memcpy(key.dek, records[i].dek, sizeof(key.dek));
		if (i == 1500)
			key.expires_ms = now;
		if (i == 0)
			continue;
		records[i].scope = key.scope;
		if (vault_commit(s.vault, s.engine, &key, 1, &p) != SL_OK) {
			wrong++;
			break;
		}
	}
	CHECK_EQUAL(wrong, 0);
	warms[0] = (struct key_warm){.table = table_of(s.scope, 4000), .window_ms = 18000000};
	warms[1] = (struct key_warm){.table = table_of(s.scope + 1, 4000)};
	warms[2] = (struct key_warm){.scope = s.scope};
	CHECK_EQUAL(key_feed_warm(s.vault, warms, 3, now, NULL, &p), SL_OK);
	for (uint64_t i = 1; i < 2000; i++) {
		bool is_other = i % 7 == 6;
		bool is_old = !is_other && key_link_ms(records[i].link) + 18000000 <= now;
		bool is_replaced = i % 10 == 0 && i + 9 < 2000 && ((i + 9) % 7 == 6) == is_other;
		bool is_there = is_in_table(
			&s, is_other ? warms[1].table : warms[0].table, &records[i], &e
		);

		wrong += is_there != (!is_old && !is_replaced && i != 1500);
		wrong += is_there && e.subject != key_subject_of(records[i].subject_hash);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(warms[1].key_count, 285);
	CHECK_EQUAL(warms[2].key_count, 1999 - 285 - 1);
	CHECK(warms[0].key_count > 800 && warms[0].key_count < 900);
	// Too small a table keeps what fits, and says so.
	key_table_free(warms[0].table);
	warms[0].table = table_of(s.scope, 100);
	CHECK_EQUAL(key_feed_warm(s.vault, warms, 1, now, NULL, &p), SL_OK);
	CHECK(key_table_has_evicted(warms[0].table));
	CHECK(key_table_count(warms[0].table) <= 100);
	CHECK(is_in_table(&s, warms[0].table, &records[1999], &e));
	CHECK_EQUAL(key_feed_warm(s.vault, warms, 0, now, NULL, &p), SL_OK);
	// A control that is told to end does not read on.
	CHECK_EQUAL(key_feed_warm(s.vault, warms, 1, now, is_third_step, &p), SL_E_INTERRUPTED);
	CHECK(warms[0].key_count < 2 * VAULT_SCAN_MAX + 1);
	key_table_free(warms[0].table);
	key_table_free(warms[1].table);
	scene_free(&s);
}

static const struct check_test tests[] = {
	{"new keys become durable", new_keys_become_durable},
	{"what is in the ring at the end is committed",
	 what_is_in_the_ring_at_the_end_is_committed},
	{"dead-letter keys stand between the others", dead_letter_keys_stand_between_the_others},
	{"a record that no dataplane writes ends the taking",
	 a_record_that_no_dataplane_writes_ends_the_taking},
	{"what was committed already is recognised", what_was_committed_already_is_recognised},
	{"a dead dataplane is recovered from", a_dead_dataplane_is_recovered_from},
	{"nothing is durable while the device is full",
	 nothing_is_durable_while_the_device_is_full},
	{"tables are warmed with the living keys", tables_are_warmed_with_the_living_keys},
};

CHECK_MAIN("control/key_feed")
