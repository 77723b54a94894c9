#include "dataplane/pipeline/key_claim.h"

#include "control/api/key_link.h"
#include "control/api/key_pairs.h"
#include "crypto/secret.h"
#include "dataplane/pipeline/batch.h"
#include "io/base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// A claim: keys are made and derived before the lock is taken, at the risk that another worker has made the same meanwhile
// (then they are thrown away); under the lock they get their links, go to the key journal and then to the table.

enum {
	CHUNK = BATCH_MAX, // wants served at once
	NOT_MADE = 0xff
};

struct key_maker {
	struct key_ring *ring;

	/** Guards all below, and the writing of every table. */
	pthread_mutex_t lock;
	struct key_link_maker links;
	struct key_pairs *pairs;
};

/** Working memory of a claim. Secret. */
struct claim_work {
	uint8_t dek[CHUNK][KEY_SIZE];
	uint8_t random[CHUNK][KEY_LINK_RANDOM_SIZE];
	uint8_t hash[CHUNK][KEY_HASH_SIZE];
	struct key_record record;
	uint8_t keys[]; // [CHUNK][1 + purpose_count][KEY_SIZE]
};

/** Records of a claim up to a position of the journal. */
struct put_group {
	size_t count;
	uint64_t position; // of the last
};

struct key_claim {
	struct key_claim_options options; // purposes are own
	/**
	 * What it has put that is not durable yet, in two groups: one waits for its last record, what is put meanwhile is in
	 * the other. So never too few are counted, and too many only of one group.
	 */
	struct put_group waiting;
	struct put_group next;
	uint8_t purposes[CONTRACT_PURPOSES_MAX];
	struct claim_work *work;
	size_t work_size;
};

/** The wants of one chunk. Column i is of wants[i]. */
struct chunk {
	struct key_want *wants;
	size_t count;
	size_t made_count;
	uint8_t made[CHUNK]; // number of the key made for it, or NOT_MADE
	bool is_found[CHUNK];
	int64_t now_ms;
};

enum sl_status key_maker_new(struct key_ring *ring, struct key_maker **ret_maker)
{
	static const uint8_t none[KEY_LINK_SIZE];
	struct key_maker *m = calloc(1, sizeof(*m));
	uint8_t last[KEY_LINK_SIZE];

	if (m == NULL)
		return SL_E_NOMEM;
	m->ring = ring;
	m->pairs = key_pairs_new();
	if (m->pairs == NULL) {
		free(m);
		return SL_E_NOMEM;
	}
	pthread_mutex_init(&m->lock, NULL);
	key_ring_last_link(ring, last);
	key_link_init(&m->links, memcmp(last, none, sizeof(none)) == 0 ? NULL : last);
	*ret_maker = m;
	return SL_OK;
}

void key_maker_free(struct key_maker *maker)
{
	if (maker == NULL)
		return;
	pthread_mutex_destroy(&maker->lock);
	key_pairs_free(maker->pairs);
	free(maker);
}

enum sl_status key_claim_new(const struct key_claim_options *options, struct key_claim **ret_claim)
{
	struct key_claim *c;

	if (options->purpose_count > CONTRACT_PURPOSES_MAX)
		return SL_E_INVALID;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return SL_E_NOMEM;
	c->options = *options;
	c->options.purposes = c->purposes;
	if (options->purpose_count != 0)
		memcpy(c->purposes, options->purposes, options->purpose_count);
	c->work_size = sizeof(*c->work) + CHUNK * (1 + (size_t)options->purpose_count) * KEY_SIZE;
	c->work = secret_new(c->work_size);
	if (c->work == NULL) {
		free(c);
		return SL_E_NOMEM;
	}
	*ret_claim = c;
	return SL_OK;
}

void key_claim_free(struct key_claim *claim)
{
	if (claim == NULL)
		return;
	secret_free(claim->work, claim->work_size);
	free(claim);
}

/** Records that it has put and that may not be durable yet. */
static size_t count_waiting(struct key_claim *c)
{
	if (c->waiting.count + c->next.count != 0) {
		uint64_t durable = key_ring_durable(c->options.maker->ring);

		if (c->waiting.position <= durable) {
			c->waiting = c->next;
			c->next = (struct put_group){0};
		}
		if (c->waiting.position <= durable)
			c->waiting = (struct put_group){0};
	}
	return c->waiting.count + c->next.count;
}

bool key_claim_has_room(struct key_claim *claim, uint32_t turns)
{
	const size_t need = (size_t)turns * BATCH_MAX;
	const size_t waiting = count_waiting(claim);

	// As a switch shares its buffer among ports: who holds some gets more only while it leaves as much to others as it
	// holds; and beyond that as many turns again, for those that hold nothing.
	return key_ring_room(claim->options.maker->ring)
		>= (waiting == 0 ? need : 2 * need + waiting);
}

/** Put a record. @return the position; 0 = no room */
static uint64_t put(struct key_claim *c, const struct key_record *record)
{
	uint64_t position = key_ring_put(c->options.maker->ring, record);

	if (position != 0)
		c->next = (struct put_group){.count = c->next.count + 1, .position = position};
	return position;
}

static bool is_repeated(const struct key_want wants[], size_t i)
{
	for (size_t n = 0; n < i; n++)
		if (!wants[n].is_link_only
		    && memcmp(wants[n].hash, wants[i].hash, KEY_HASH_SIZE) == 0)
			return true;
	return false;
}

/** Keys for the wants that need one, each name once. */
static void make_keys(struct key_claim *c, struct chunk *chunk)
{
	const struct key_claim_options *o = &c->options;
	struct claim_work *w = c->work;
	size_t count = 0;

	for (size_t i = 0; i < chunk->count; i++) {
		chunk->made[i] = NOT_MADE;
		if (chunk->wants[i].is_link_only || is_repeated(chunk->wants, i))
			continue;
		chunk->made[i] = (uint8_t)count++;
	}
	chunk->made_count = count;
	if (count == 0)
		return;
	engine_random(o->engine, w->dek, count * KEY_SIZE);
	engine_random(o->engine, w->random, count * KEY_LINK_RANDOM_SIZE);
	engine_derive(o->engine, w->dek[0], count, c->purposes, o->purpose_count, w->keys);
}

/** The entry of one name as it is now; false when there is none, or none that is young enough. */
static bool find_again(struct key_claim *c, const struct chunk *chunk, struct key_want *want)
{
	const struct key_claim_options *o = &c->options;
	bool is_found;

	key_table_find_burst(
		o->table, (const uint8_t(*)[KEY_HASH_SIZE])want->hash, 1, &want->entry, &is_found
	);
	return is_found && !key_is_aged(want->entry->link, o->window_ms, chunk->now_ms);
}

/** Which keys have come since the turn looked: another worker may have claimed them. */
static void find_all(struct key_claim *c, struct chunk *chunk)
{
	const struct key_claim_options *o = &c->options;
	struct key_entry *entries[CHUNK];
	uint8_t number[CHUNK];
	bool is_found[CHUNK];
	size_t asked = 0;

	for (size_t i = 0; i < chunk->count; i++) {
		chunk->is_found[i] = false;
		if (chunk->made[i] == NOT_MADE)
			continue;
		memcpy(c->work->hash[asked], chunk->wants[i].hash, KEY_HASH_SIZE);
		entries[asked] = chunk->wants[i].entry;
		number[asked++] = (uint8_t)i;
	}
	key_table_find_burst(o->table, c->work->hash, asked, entries, is_found);
	for (size_t n = 0; n < asked; n++)
		chunk->is_found[number[n]] =
			is_found[n] && !key_is_aged(entries[n]->link, o->window_ms, chunk->now_ms);
}

/** One more subject of a key that is at hand, unless it was the last or is remembered. */
static bool register_subject(struct key_claim *c, const struct chunk *chunk, struct key_want *want)
{
	struct key_maker *m = c->options.maker;
	struct key_entry *entry = want->entry;
	uint64_t position;

	if (want->subject == 0 || (entry->subject == want->subject && !want->is_link_only))
		return true;
	position = key_pairs_find(m->pairs, entry->link, want->subject);
	if (position == 0) {
		struct key_record record = {
			.scope = c->options.scope,
			.day = want->day,
			.created_ms = chunk->now_ms,
			.flags = KEY_RECORD_LINK_ONLY,
		};

		memcpy(record.link, entry->link, sizeof(record.link));
		memcpy(record.subject_hash, want->subject_hash, sizeof(record.subject_hash));
		position = put(c, &record);
		if (position == 0)
			return false;
		key_pairs_put(m->pairs, entry->link, want->subject, position);
	}
	key_table_set_subject(c->options.table, want->hash, want->subject, position);
	entry->subject = want->subject;
	if (entry->position < position)
		entry->position = position;
	return true;
}

/** Link, journal, table: in this order, so that nobody uses a key that is not in the journal. */
static bool give_new(struct key_claim *c, const struct chunk *chunk, size_t i)
{
	const struct key_claim_options *o = &c->options;
	struct key_maker *m = o->maker;
	struct key_want *want = &chunk->wants[i];
	struct key_entry *entry = want->entry;
	struct key_record *record = &c->work->record;
	size_t keys_size = (1 + (size_t)o->purpose_count) * KEY_SIZE;
	size_t number = chunk->made[i];
	int64_t aged_before_ms = o->window_ms != 0 ? chunk->now_ms - o->window_ms : 0;
	struct key_table_place place;

	if (key_table_reserve(
		    o->table, want->hash, key_ring_durable(m->ring), aged_before_ms, &place
	    )
	    != SL_OK)
		return false;
	*record = (struct key_record){
		.scope = o->scope,
		.day = want->day,
		.created_ms = chunk->now_ms,
	};
	key_link_next(&m->links, chunk->now_ms, c->work->random[number], record->link);
	memcpy(record->dek, c->work->dek[number], KEY_SIZE);
	memcpy(record->name_hash, want->hash, KEY_HASH_SIZE);
	memcpy(record->subject_hash, want->subject_hash, KEY_HASH_SIZE);
	key_ring_set_last_link(m->ring, record->link);
	entry->position = put(c, record);
	if (entry->position == 0)
		return false;
	memcpy(entry->link, record->link, KEY_LINK_SIZE);
	memcpy(entry->key, c->work->keys + number * keys_size, keys_size);
	entry->subject = want->subject;
	key_table_put(o->table, &place, want->hash, entry);
	if (want->subject != 0)
		key_pairs_put(m->pairs, entry->link, want->subject, entry->position);
	return true;
}

static void give_all(struct key_claim *c, struct chunk *chunk)
{
	find_all(c, chunk);
	for (size_t i = 0; i < chunk->count; i++) {
		struct key_want *want = &chunk->wants[i];
		bool is_there = want->is_link_only || chunk->is_found[i];

		// The same key once more, for another subject: an earlier want of this chunk has seen to it.
		if (!is_there && chunk->made[i] == NOT_MADE)
			is_there = find_again(c, chunk, want);
		if (is_there)
			want->is_given = register_subject(c, chunk, want);
		else if (chunk->made[i] != NOT_MADE)
			want->is_given = give_new(c, chunk, i);
	}
}

static void claim(void *self, struct key_want wants[], size_t count)
{
	struct key_claim *c = self;
	struct key_maker *m = c->options.maker;

	for (size_t first = 0; first < count; first += CHUNK) {
		size_t left = count - first;
		struct chunk chunk = {
			.wants = wants + first,
			.count = left < CHUNK ? left : CHUNK,
		};

		for (size_t i = 0; i < chunk.count; i++)
			chunk.wants[i].is_given = false;
		make_keys(c, &chunk);
		pthread_mutex_lock(&m->lock);
		chunk.now_ms = clock_wall_ms();
		if (key_ring_room(m->ring) >= chunk.count)
			give_all(c, &chunk);
		pthread_mutex_unlock(&m->lock);
		bytes_wipe(c->work, c->work_size);
	}
}

struct key_source key_claim_source(struct key_claim *claim_)
{
	return (struct key_source){
		.claim = claim,
		.self = claim_,
		.table = claim_->options.table,
		.hash_key = claim_->options.hash_key,
		.scope = claim_->options.scope,
		.window_ms = claim_->options.window_ms != 0 ? claim_->options.window_ms
							    : KEY_WINDOW_NEVER,
	};
}
