#include "control/keyring.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <pthread.h>

enum {
	DAY = 20000
};

struct links {
	uint8_t link[20000][KEY_LINK_SIZE];
	size_t count;
};

static enum sl_status keep(void *self, const uint8_t link[static KEY_LINK_SIZE])
{
	struct links *l = self;

	CHECK_FATAL(l->count < sizeof(l->link) / sizeof(l->link[0]));
	memcpy(l->link[l->count++], link, KEY_LINK_SIZE);
	return SL_OK;
}

static bool is_same_key(const struct key_entry *a, const struct key_entry *b)
{
	return memcmp(a->link, b->link, KEY_LINK_SIZE) == 0
		&& memcmp(a->key, b->key, sizeof(a->key[0]) * 3) == 0;
}

static void a_group_is_reused_by_the_next_job(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g1");
	struct key_entry first = {0};
	struct key_entry again = {0};
	struct key_entry other = {0};

	CHECK(claim_one(k, DAY, "alice", 0, &first));
	CHECK(claim_one(k, DAY, "alice", 0, &again));
	CHECK(is_same_key(&first, &again));
	CHECK(claim_one(k, DAY + 1, "alice", 0, &other));
	CHECK(!is_same_key(&first, &other));
	CHECK_EQUAL(keyring_created_count(k), 2);
	keyring_end(k);
	for (int round = 0; round < 2; round++) { // in the same process, then from the files
		k = keyring_of(v, "g1");
		CHECK(claim_one(k, DAY, "alice", 0, &again));
		CHECK(is_same_key(&first, &again));
		CHECK(claim_one(k, DAY + 1, "alice", 0, &again));
		CHECK(is_same_key(&other, &again));
		CHECK_EQUAL(keyring_created_count(k), 0);
		keyring_end(k);
		vault_close(v);
		v = vault_dir_vault(&d);
	}
	k = keyring_of(v, "g2");
	CHECK(claim_one(k, DAY, "alice", 0, &again));
	CHECK(!is_same_key(&first, &again));
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

static void a_version_of_the_contract_keeps_the_keys(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring_options options = keyring_options_of("g");
	struct key_entry first = {0};
	struct key_entry again = {0};
	struct keyring *k;
	struct problem p;

	k = keyring_of(v, "g");
	CHECK(claim_one(k, DAY, "alice", 0, &first));
	keyring_end(k);
	options.contract = view_of_text("acme/clicks/1.0.1");
	CHECK_FATAL(keyring_open(v, &options, &k, &p) == SL_OK);
	CHECK(claim_one(k, DAY, "alice", 0, &again));
	CHECK(is_same_key(&first, &again));
	keyring_end(k);
	options.contract = view_of_text("acme/sales/1.0.0");
	CHECK_FATAL(keyring_open(v, &options, &k, &p) == SL_OK);
	CHECK(claim_one(k, DAY, "alice", 0, &again));
	CHECK(!is_same_key(&first, &again));
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

static void the_vault_gives_the_same_derived_keys(void)
{
	static const uint8_t purposes[] = {1, 2};
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct key_entry e = {0};
	uint8_t keys[3 * KEY_SIZE];
	uint8_t unknown[KEY_LINK_SIZE] = {1};

	CHECK(claim_one(k, DAY, "alice", 0, &e));
	CHECK_EQUAL(keyring_wait_durable(k, keyring_position(k)), SL_OK);
	CHECK(keyring_durable(k) >= e.position);
	CHECK_EQUAL(vault_find_key(v, e.link, purposes, 2, keys), SL_OK);
	CHECK(memcmp(keys, e.key, sizeof(keys)) == 0);
	CHECK_EQUAL(vault_find_key(v, unknown, purposes, 2, keys), SL_E_NOT_FOUND);
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

static void subjects_of_a_key_are_registered_once_each(void)
{
	static struct links links;
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct key_entry e = {0};
	struct key_entry other = {0};
	uint8_t subject[VAULT_HASH_SIZE] = {7};

	for (int i = 0; i < 50; i++) {
		CHECK(claim_one(k, DAY, "alice", 7, &e));
		CHECK(claim_one(k, DAY, "alice", 8, &e));
	}
	CHECK(claim_one(k, DAY, "bob", 7, &other));
	CHECK_EQUAL(keyring_position(k), 3); // two keys, one further subject
	CHECK_EQUAL(keyring_wait_durable(k, 3), SL_OK);
	for (int round = 0; round < 2; round++) { // before and after the index is written
		links.count = 0;
		CHECK_EQUAL(vault_subject_links(v, subject, keep, &links), SL_OK);
		CHECK_EQUAL(links.count, 2);
		CHECK(memcmp(links.link[0], e.link, KEY_LINK_SIZE) == 0);
		CHECK(memcmp(links.link[1], other.link, KEY_LINK_SIZE) == 0);
		subject[0] = 8;
		links.count = 0;
		CHECK_EQUAL(vault_subject_links(v, subject, keep, &links), SL_OK);
		CHECK_EQUAL(links.count, 1);
		CHECK(memcmp(links.link[0], e.link, KEY_LINK_SIZE) == 0);
		subject[0] = 9;
		links.count = 0;
		CHECK_EQUAL(vault_subject_links(v, subject, keep, &links), SL_OK);
		CHECK_EQUAL(links.count, 0);
		subject[0] = 7;
		if (round == 0) {
			keyring_end(k);
			vault_close(v);
			v = vault_dir_vault(&d);
		}
	}
	vault_close(v);
	vault_dir_free(&d);
}

static void claim_number(struct keyring *k, size_t number, struct key_entry *ret_entry)
{
	char value[32];

	snprintf(value, sizeof(value), "user-%zu", number);
	CHECK_FATAL(claim_one(k, DAY, value, number % 100 + 1, ret_entry));
}

static void a_small_table_loses_no_key(void)
{
	enum {
		COUNT = 3000
	};
	static struct key_entry first[COUNT];
	static struct links links;
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring_options options = keyring_options_of("g");
	struct keyring *k;
	struct problem p;
	size_t wrong = 0;

	options.key_cache_max = 64;
	options.journal_max = 128;
	CHECK_FATAL(keyring_open(v, &options, &k, &p) == SL_OK);
	for (size_t i = 0; i < COUNT; i++)
		claim_number(k, i, &first[i]);
	for (size_t i = 0; i < COUNT; i += 7) {
		struct key_entry e = {0};

		claim_number(k, i, &e);
		wrong += !is_same_key(&e, &first[i]);
	}
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(keyring_created_count(k), COUNT);
	CHECK_EQUAL(keyring_used_links(k, keep, &links), SL_OK);
	CHECK_EQUAL(links.count, COUNT);
	for (size_t i = 0; i < COUNT; i++) // made in order, so listed in order
		wrong += memcmp(links.link[i], first[i].link, KEY_LINK_SIZE) != 0;
	CHECK_EQUAL(wrong, 0);
	keyring_end(k);
	CHECK_EQUAL(vault_key_count(v), COUNT);
	vault_close(v);
	vault_dir_free(&d);
}

static void one_call_may_want_a_key_twice(void)
{
	enum {
		COUNT = 200
	};
	static struct key_entry entries[COUNT];
	static struct key_want wants[COUNT];
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct key_source source = keyring_source(k);
	size_t wrong = 0;

	for (size_t i = 0; i < COUNT; i++) {
		char value[32];

		snprintf(value, sizeof(value), "user-%zu", i % 10);
		wants[i] = (struct key_want){.day = DAY, .subject = i + 1, .entry = &entries[i]};
		wants[i].subject_hash[0] = (uint8_t)i;
		name_hash_of(&source, DAY, value, wants[i].hash);
	}
	source.claim(source.self, wants, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		wrong += !wants[i].is_given || !is_same_key(&entries[i], &entries[i % 10])
			|| entries[i].subject != i + 1;
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(keyring_created_count(k), 10);
	CHECK_EQUAL(keyring_position(k), COUNT);
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

static void dead_letter_keys_are_one_a_day_and_not_exported(void)
{
	static struct links links;
	static const uint8_t purpose[] = {0};
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	struct keyring_dead_letter a;
	struct keyring_dead_letter b;
	uint8_t keys[2 * KEY_SIZE];
	struct problem p;

	CHECK_EQUAL(keyring_dead_letter_key(k, DAY, &a, &p), SL_OK);
	CHECK_EQUAL(keyring_dead_letter_key(k, DAY, &b, &p), SL_OK);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	CHECK_EQUAL(vault_find_key(v, a.link, purpose, 1, keys), SL_OK);
	CHECK(memcmp(keys + KEY_SIZE, a.key, KEY_SIZE) == 0);
	CHECK_EQUAL(keyring_dead_letter_key(k, DAY + 1, &b, &p), SL_OK);
	CHECK(memcmp(&a, &b, sizeof(a)) != 0);
	CHECK_EQUAL(keyring_used_links(k, keep, &links), SL_OK);
	CHECK_EQUAL(links.count, 0);
	keyring_end(k);
	vault_close(v);
	v = vault_dir_vault(&d);
	k = keyring_of(v, "another group");
	CHECK_EQUAL(keyring_dead_letter_key(k, DAY, &b, &p), SL_OK);
	CHECK(memcmp(&a, &b, sizeof(a)) == 0);
	keyring_end(k);
	vault_close(v);
	vault_dir_free(&d);
}

enum {
	WORKERS = 4,
	WORKER_KEYS = 2000
};

struct worker {
	struct keyring *keyring;
	struct key_entry entries[WORKER_KEYS];
};

static void *work(void *arg)
{
	struct worker *w = arg;

	for (size_t i = 0; i < WORKER_KEYS; i++)
		claim_number(w->keyring, i, &w->entries[i]);
	return NULL;
}

static void workers_agree_on_every_key(void)
{
	static struct worker workers[WORKERS];
	pthread_t threads[WORKERS];
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring *k = keyring_of(v, "g");
	size_t wrong = 0;

	for (size_t i = 0; i < WORKERS; i++) {
		workers[i].keyring = k;
		CHECK_FATAL(pthread_create(&threads[i], NULL, work, &workers[i]) == 0);
	}
	for (size_t i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	for (size_t i = 1; i < WORKERS; i++)
		for (size_t n = 0; n < WORKER_KEYS; n++)
			wrong += !is_same_key(&workers[i].entries[n], &workers[0].entries[n]);
	CHECK_EQUAL(wrong, 0);
	CHECK_EQUAL(keyring_created_count(k), WORKER_KEYS);
	keyring_end(k);
	CHECK_EQUAL(vault_key_count(v), WORKER_KEYS);
	vault_close(v);
	vault_dir_free(&d);
}

static void options_out_of_range_are_refused(void)
{
	struct vault_dir d = vault_dir_new();
	struct vault *v = vault_dir_vault(&d);
	struct keyring_options options = keyring_options_of("g");
	char name[VAULT_TEXT_MAX + 1];
	struct keyring *k = NULL;
	struct problem p;

	memset(name, 'g', sizeof(name));
	options.purpose_count = CONTRACT_PURPOSES_MAX + 1;
	CHECK_EQUAL(keyring_open(v, &options, &k, &p), SL_E_INVALID);
	options.purpose_count = 2;
	options.group = view_of(name, sizeof(name));
	CHECK_EQUAL(keyring_open(v, &options, &k, &p), SL_E_TOO_BIG);
	options.group = view_of_text("g");
	options.retention_days = KEY_RETENTION_DAYS_MAX + 1;
	CHECK_EQUAL(keyring_open(v, &options, &k, &p), SL_E_INVALID);
	CHECK(k == NULL);
	CHECK_EQUAL(keyring_close(NULL, &p), SL_OK);
	vault_close(v);
	vault_dir_free(&d);
}

static const struct check_test tests[] = {
	{"a group is reused by the next job", a_group_is_reused_by_the_next_job},
	{"a version of the contract keeps the keys", a_version_of_the_contract_keeps_the_keys},
	{"the vault gives the same derived keys", the_vault_gives_the_same_derived_keys},
	{"subjects of a key are registered once each", subjects_of_a_key_are_registered_once_each},
	{"a small table loses no key", a_small_table_loses_no_key},
	{"one call may want a key twice", one_call_may_want_a_key_twice},
	{"dead-letter keys are one a day and not exported",
	 dead_letter_keys_are_one_a_day_and_not_exported},
	{"workers agree on every key", workers_agree_on_every_key},
	{"options out of range are refused", options_out_of_range_are_refused},
};

CHECK_MAIN("control/keyring")
