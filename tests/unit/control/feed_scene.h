#pragma once

#include "control/api/key_link.h"
#include "control/key_feed.h"
#include "io/base/clock.h"
#include "tests/support/check.h"
#include "tests/unit/control/vault_dir.h"

#include <time.h>

// A vault, the feed that commits to it, and a dataplane's side of the key journal, for the feed's tests.

enum {
	RETENTION_DAYS = 30
};

static const uint8_t purposes[] = {1, 2};

/** A vault, its feed, and what a dataplane has. */
struct scene {
	struct vault_dir dir;
	struct vault *vault;
	struct key_feed *feed;
	struct key_ring *ring;
	struct engine *engine;
	struct key_link_maker maker;
	uint64_t scope;
	struct key_record last; // put
};

static inline void sleep_ms(long ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

static inline struct key_ring *ring_of(size_t capacity)
{
	struct key_ring *ring = NULL;
	struct problem p;

	if (key_ring_create(capacity, &ring, &p) != SL_OK)
		abort();
	return ring;
}

static inline void feed_begin(struct scene *s)
{
	const struct key_feed_scope rules = {
		.scope = s->scope, .retention_days = RETENTION_DAYS, .policy_id = {7}};
	struct problem p;

	if (key_feed_new(s->vault, &s->feed, &p) != SL_OK
	    || key_feed_allow(s->feed, &rules) != SL_OK)
		abort();
}

static inline struct scene scene_new(void)
{
	struct scene s = {.dir = vault_dir_new()};
	const struct engine_options options = {0};
	struct problem p;
	bool is_new;

	s.vault = vault_dir_vault(&s.dir);
	if (vault_scope(
		    s.vault,
		    view_of_text("stream"),
		    view_of_text("acme/clicks"),
		    &s.scope,
		    &is_new,
		    &p
	    ) != SL_OK
	    || engine_new(&options, &s.engine, &p) != SL_OK)
		abort();
	s.ring = ring_of(1024);
	feed_begin(&s);
	return s;
}

/** As a dataplane does before its first claim. */
static inline void attach(struct scene *s)
{
	uint8_t last[KEY_LINK_SIZE];
	struct problem p;

	CHECK_EQUAL(key_feed_attach(s->feed, s->ring, &p), SL_OK);
	key_ring_last_link(s->ring, last);
	key_link_init(&s->maker, last);
}

static inline void scene_free(struct scene *s)
{
	key_feed_free(s->feed);
	vault_close(s->vault);
	key_ring_free(s->ring);
	engine_free(s->engine);
	vault_dir_free(&s->dir);
}

static inline void name_of(uint64_t number, uint8_t ret_hash[KEY_HASH_SIZE])
{
	siphash((const uint8_t[SIPHASH_KEY_SIZE]){1}, view_of(&number, sizeof(number)), ret_hash);
}

/** A new key's record, as a sound dataplane writes it. */
static inline struct key_record record_of(struct scene *s, uint64_t name)
{
	struct key_record r = {.scope = s->scope, .created_ms = clock_wall_ms()};
	uint8_t random[KEY_LINK_RANDOM_SIZE];

	engine_random(s->engine, random, sizeof(random));
	key_link_next(&s->maker, r.created_ms, random, r.link);
	engine_random(s->engine, r.dek, sizeof(r.dek));
	name_of(name, r.name_hash);
	r.subject_hash[0] = (uint8_t)(1 + name % 50);
	return r;
}

static inline uint64_t put(struct scene *s, uint64_t name)
{
	s->last = record_of(s, name);
	return key_ring_put(s->ring, &s->last);
}

static inline bool wait_durable(struct scene *s, uint64_t position)
{
	for (int i = 0; i < 5000 && key_ring_durable(s->ring) < position; i++)
		sleep_ms(1);
	return key_ring_durable(s->ring) >= position;
}

/** Whether the vault has the record's key, under its name, with its derived keys. */
static inline bool has_key(struct scene *s, const struct key_record *r)
{
	uint8_t want[3 * KEY_SIZE];
	uint8_t got[3 * KEY_SIZE];
	uint8_t link[KEY_LINK_SIZE];

	engine_derive(s->engine, r->dek, 1, purposes, 2, want);
	return vault_find_name(s->vault, r->name_hash, link) == SL_OK
		&& memcmp(link, r->link, sizeof(link)) == 0
		&& vault_find_key(s->vault, r->link, purposes, 2, got) == SL_OK
		&& memcmp(got, want, sizeof(got)) == 0;
}
