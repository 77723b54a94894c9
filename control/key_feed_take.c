#include "control/api/key_source.h"
#include "control/key_feed_inner.h"
#include "control/keyring.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <string.h>

static const int64_t MS_PER_DAY = 86400000;
static const int64_t MS_PER_S = 1000;

/** What is known of the group at hand. */
struct group {
	int64_t latest_ms;           // no sound record is of a later time
	uint8_t last[KEY_LINK_SIZE]; // of the vault, or of a change before
	size_t change_count;
	struct key_feed_counts counts; // what it adds
};

void feed_find_last(struct key_feed *feed)
{
	memset(feed->last, 0, sizeof(feed->last));
	(void)vault_last_link(feed->vault, feed->last);
}

static bool find_scope(struct key_feed *f, uint64_t scope, struct key_feed_scope *ret_scope)
{
	bool is_found = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->scope_count && !is_found; i++) {
		is_found = f->scopes[i].scope == scope;
		if (is_found)
			*ret_scope = f->scopes[i];
	}
	pthread_mutex_unlock(&f->lock);
	return is_found;
}

int64_t feed_latest_ms(struct key_feed *feed)
{
	const int64_t now_ms = clock_wall_ms();
	const int64_t last_ms = key_link_ms(feed->last);

	// What was the time once stays in records and links, whatever the clock is set back to.
	if (feed->seen_ms < now_ms)
		feed->seen_ms = now_ms;
	return (feed->seen_ms > last_ms ? feed->seen_ms : last_ms) + MS_PER_DAY;
}

/** A UUIDv7 of no time to come, as key_link makes them. */
static bool is_link(const struct group *g, const uint8_t link[static KEY_LINK_SIZE])
{
	return (link[6] & 0xf0) == 0x70 && (link[8] & 0xc0) == 0x80
		&& key_link_ms(link) <= g->latest_ms;
}

static bool is_sound(const struct group *g, const struct key_record *r)
{
	return (r->flags & ~(uint64_t)(KEY_RECORD_LINK_ONLY | KEY_RECORD_HOLE)) == 0
		&& is_link(g, r->link) && r->day >= INT32_MIN && r->day <= INT32_MAX
		&& r->created_ms >= 0 && r->created_ms <= g->latest_ms;
}

/** Whether the vault has this very key: a commit that nobody was told of before control, or the index, failed. */
static bool is_in_vault(struct key_feed *f, const struct key_record *r)
{
	struct vault_key key;
	bool is_same;

	if (vault_read_key(f->vault, f->engine, r->link, &key) != SL_OK)
		return false;
	is_same = key.scope == r->scope && memcmp(key.name_hash, r->name_hash, KEY_HASH_SIZE) == 0
		&& bytes_equal_ct(key.dek, r->dek, KEY_SIZE);
	bytes_wipe(&key, sizeof(key));
	return is_same;
}

static void fill_change(
	const struct key_record *r,
	const struct key_feed_scope *scope,
	struct vault_key *ret_change
)
{
	int64_t kept_ms = MS_PER_DAY
		* (scope->retention_days != 0 ? scope->retention_days : KEY_RETENTION_DAYS);

	*ret_change = (struct vault_key){
		.scope = r->scope,
		.day = r->day,
		.created_ms = r->created_ms,
		.expires_ms = kept_ms + (r->day != 0 ? r->day * MS_PER_DAY : r->created_ms),
		.is_link_only = (r->flags & KEY_RECORD_LINK_ONLY) != 0,
	};
	memcpy(ret_change->link, r->link, sizeof(r->link));
	memcpy(ret_change->policy_id, scope->policy_id, sizeof(scope->policy_id));
	memcpy(ret_change->subject_hash, r->subject_hash, sizeof(r->subject_hash));
	memcpy(ret_change->name_hash, r->name_hash, sizeof(r->name_hash));
	memcpy(ret_change->dek, r->dek, sizeof(r->dek));
}

/** Make a change of a record. false: no sound dataplane writes such a record. */
static bool take_record(struct key_feed *f, struct group *g, const struct key_record *r)
{
	struct key_feed_scope scope = {0};

	if (r->flags == KEY_RECORD_HOLE) {
		g->counts.holes++;
		return true;
	}
	if (!is_sound(g, r) || !find_scope(f, r->scope, &scope))
		return false;
	if ((r->flags & KEY_RECORD_LINK_ONLY) != 0) {
		g->counts.subjects++;
	} else if (memcmp(r->link, g->last, KEY_LINK_SIZE) > 0) {
		g->counts.keys++;
		memcpy(g->last, r->link, KEY_LINK_SIZE);
	} else {
		return is_in_vault(f, r);
	}
	fill_change(r, &scope, &f->work->change[g->change_count++]);
	return true;
}

static void add_counts(struct key_feed *f, const struct key_feed_counts *more)
{
	pthread_mutex_lock(&f->lock);
	f->counts.keys += more->keys;
	f->counts.subjects += more->subjects;
	f->counts.holes += more->holes;
	f->counts.commits += more->commits;
	pthread_mutex_unlock(&f->lock);
}

/** Remember how the last attempt ended. */
static enum sl_status note(struct key_feed *f, enum sl_status status, const struct problem *problem)
{
	pthread_mutex_lock(&f->lock);
	f->status = status;
	if (status != SL_OK)
		f->problem = *problem;
	pthread_mutex_unlock(&f->lock);
	return status;
}

static enum sl_status commit(struct key_feed *f, struct group *g)
{
	struct problem problem;
	enum sl_status status;

	if (g->change_count == 0)
		return SL_OK;
	status = vault_commit(f->vault, f->engine, f->work->change, g->change_count, &problem);
	g->counts.commits++;
	if (status == SL_OK) {
		memcpy(f->last, g->last, sizeof(f->last));
		return SL_OK;
	}
	// It may be there all the same: the index comes after the keys.
	feed_find_last(f);
	return note(f, status, &problem);
}

static enum sl_status refuse(struct key_feed *f, uint64_t position)
{
	struct problem problem;

	f->is_refusing = true;
	(void)!problem_set(
		&problem,
		SL_E_CORRUPT,
		"record %llu of the key journal is none that a sound dataplane writes",
		(unsigned long long)position
	);
	problem_remedy(
		&problem, "stop the dataplane and start it anew: what it has not sent out is lost"
	);
	return note(f, SL_E_CORRUPT, &problem);
}

enum sl_status feed_take(struct key_feed *feed, size_t *ret_count)
{
	struct feed_work *w = feed->work;
	struct group g = {.latest_ms = feed_latest_ms(feed)};
	enum sl_status status = SL_OK;
	size_t taken = 0;
	size_t count;

	*ret_count = 0;
	if (feed->is_refusing)
		return SL_E_CORRUPT;
	memcpy(g.last, feed->last, sizeof(g.last));
	count = key_ring_peek(feed->ring, w->record, FEED_GROUP);
	if (count == 0)
		return SL_OK;
	while (taken < count && take_record(feed, &g, &w->record[taken]))
		taken++;
	// What stands before a record that is refused is sound.
	status = commit(feed, &g);
	if (status == SL_OK) {
		key_ring_commit(feed->ring, taken);
		add_counts(feed, &g.counts);
		*ret_count = taken;
		status = taken == count ? note(feed, SL_OK, NULL)
					: refuse(feed, key_ring_durable(feed->ring) + 1);
	}
	bytes_wipe(w->record, count * sizeof(w->record[0]));
	bytes_wipe(w->change, g.change_count * sizeof(w->change[0]));
	return status;
}

enum sl_status feed_commit_own(
	struct key_feed *feed,
	struct vault_key *key,
	struct problem *ret_problem
)
{
	static const uint8_t none[KEY_LINK_SIZE];
	const struct key_feed_counts more = {.keys = 1, .commits = 1};
	uint8_t random[KEY_LINK_RANDOM_SIZE];
	enum sl_status status;

	engine_random(feed->engine, random, sizeof(random));
	if (memcmp(feed->last, none, sizeof(none)) != 0) {
		key_link_beside(feed->last, random, key->link);
	} else {
		struct key_link_maker maker;

		// A dataplane that begins at this moment must come after it.
		key_link_init(&maker, NULL);
		key_link_next(&maker, clock_wall_ms() - MS_PER_S, random, key->link);
	}
	status = vault_commit(feed->vault, feed->engine, key, 1, ret_problem);
	if (status != SL_OK) {
		feed_find_last(feed);
		return status;
	}
	memcpy(feed->last, key->link, sizeof(feed->last));
	add_counts(feed, &more);
	return SL_OK;
}
