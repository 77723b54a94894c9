#include "control/key_feed.h"

#include "control/api/key_source.h"
#include "control/key_dead.h"
#include "control/key_feed_inner.h"
#include "control/keyring.h"
#include "crypto/secret.h"
#include "io/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	WAIT_MS = 100, // longest sleep on the ring
	LINGER_MS = 1, // after the first record of a group, for company; while others have the lock
	RETRY_MS = 1000, // between two attempts when the vault fails
	SCOPES_MAX = 65536
};

static const uint64_t NS_PER_MS = 1000000;
static const int64_t MS_PER_DAY = 86400000;

/** Get work_lock before the thread takes it again. */
static void enter(struct key_feed *f)
{
	// Pairs with the load in key_ring_wait.
	atomic_fetch_add_explicit(&f->visitors, 1, memory_order_seq_cst);
	pthread_mutex_lock(&f->lock);
	if (f->ring != NULL)
		key_ring_wake(f->ring);
	pthread_cond_signal(&f->news);
	pthread_mutex_unlock(&f->lock);
	pthread_mutex_lock(&f->work_lock);
}

static void leave(struct key_feed *f)
{
	pthread_mutex_unlock(&f->work_lock);
	atomic_fetch_sub_explicit(&f->visitors, 1, memory_order_relaxed);
}

static bool has_visitors(const struct key_feed *f)
{
	return atomic_load_explicit(&f->visitors, memory_order_relaxed) != 0;
}

static bool is_closing(const struct key_feed *f)
{
	return atomic_load_explicit(&f->is_closing, memory_order_relaxed);
}

/** Without a ring, or with a vault that fails. */
static void wait_for_news(struct key_feed *f)
{
	uint64_t at = clock_monotonic_ns() + RETRY_MS * NS_PER_MS;
	const struct timespec deadline = {
		.tv_sec = (time_t)(at / (1000 * NS_PER_MS)),
		.tv_nsec = (long)(at % (1000 * NS_PER_MS)),
	};

	pthread_mutex_lock(&f->lock);
	if (!is_closing(f) && !has_visitors(f))
		pthread_cond_timedwait(&f->news, &f->lock, &deadline);
	pthread_mutex_unlock(&f->lock);
}

static void linger(void)
{
	const struct timespec pause = {.tv_nsec = (long)(LINGER_MS * NS_PER_MS)};

	nanosleep(&pause, NULL);
}

/** One group, or one sleep on the ring. @return false: nothing to do before there are news */
static bool work(struct key_feed *f)
{
	size_t count = 0;
	enum sl_status status;

	pthread_mutex_lock(&f->work_lock);
	if (f->ring == NULL) {
		pthread_mutex_unlock(&f->work_lock);
		return false;
	}
	status = feed_take(f, &count);
	if (status == SL_OK && count == 0 && !is_closing(f) && !has_visitors(f)) {
		key_ring_wait(f->ring, WAIT_MS, &f->visitors);
		if (!has_visitors(f))
			linger();
	}
	pthread_mutex_unlock(&f->work_lock);
	return status == SL_OK;
}

static void *feed_all(void *arg)
{
	struct key_feed *f = arg;

	while (!is_closing(f)) {
		if (!work(f))
			wait_for_news(f);
		while (has_visitors(f) && !is_closing(f))
			linger();
	}
	return NULL;
}

static void release(struct key_feed *f)
{
	engine_free(f->engine);
	secret_free(f->work, sizeof(*f->work));
	pthread_mutex_destroy(&f->work_lock);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->news);
	free(f->scopes);
	free(f);
}

static enum sl_status start(struct key_feed *f, struct problem *ret_problem)
{
	const struct engine_options auto_options = {0};

	f->work = secret_new(sizeof(*f->work));
	if (f->work == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the feeding of keys");
	SL_TRY(engine_new(&auto_options, &f->engine, ret_problem));
	SL_TRY(key_dead_scope(f->vault, &f->dead_scope, ret_problem));
	feed_find_last(f);
	if (pthread_create(&f->thread, NULL, feed_all, f) != 0)
		return problem_set(
			ret_problem, SL_E_NOMEM, "the thread that feeds keys can not start"
		);
	f->is_started = true;
	return SL_OK;
}

enum sl_status key_feed_new(
	struct vault *vault,
	struct key_feed **ret_feed,
	struct problem *ret_problem
)
{
	struct key_feed *f = calloc(1, sizeof(*f));
	pthread_condattr_t monotonic;
	enum sl_status status;

	if (f == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the feeding of keys");
	f->vault = vault;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&f->work_lock, NULL);
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->news, &monotonic);
	pthread_condattr_destroy(&monotonic);
	status = start(f, ret_problem);
	if (status != SL_OK) {
		release(f);
		return status;
	}
	*ret_feed = f;
	return SL_OK;
}

/** What is in the ring now, and not what a living dataplane adds meanwhile. The caller has entered. */
static enum sl_status drain(struct key_feed *f)
{
	uint64_t left =
		f->ring != NULL ? key_ring_position(f->ring) - key_ring_durable(f->ring) : 0;
	size_t count = 1;
	enum sl_status status = SL_OK;

	while (left != 0 && count != 0 && status == SL_OK) {
		status = feed_take(f, &count);
		left -= count < left ? count : left;
	}
	return status;
}

void key_feed_free(struct key_feed *feed)
{
	if (feed == NULL)
		return;
	atomic_store_explicit(&feed->is_closing, true, memory_order_relaxed);
	enter(feed);
	(void)!drain(feed);
	leave(feed);
	pthread_join(feed->thread, NULL);
	release(feed);
}

enum sl_status key_feed_allow(struct key_feed *feed, const struct key_feed_scope *scope)
{
	struct key_feed_scope *more;
	size_t i = 0;

	if (scope->retention_days > KEY_RETENTION_DAYS_MAX)
		return SL_E_INVALID;
	pthread_mutex_lock(&feed->lock);
	while (i < feed->scope_count && feed->scopes[i].scope != scope->scope)
		i++;
	if (i == feed->scope_count) {
		more = i == SCOPES_MAX ? NULL
				       : realloc(feed->scopes, (i + 1) * sizeof(*feed->scopes));
		if (more == NULL) {
			pthread_mutex_unlock(&feed->lock);
			return SL_E_NOMEM;
		}
		feed->scopes = more;
		feed->scope_count++;
	}
	feed->scopes[i] = *scope;
	pthread_mutex_unlock(&feed->lock);
	return SL_OK;
}

/** Where a new dataplane's links go on. While no producer lives. */
static void set_last_link(struct key_feed *f)
{
	uint8_t last[KEY_LINK_SIZE];

	key_ring_last_link(f->ring, last);
	// What the ring says counts, as links that are not in the vault yet, unless it is beyond reason.
	if (memcmp(last, f->last, KEY_LINK_SIZE) < 0 || key_link_ms(last) > feed_latest_ms(f))
		key_ring_set_last_link(f->ring, f->last);
}

static void set_ring(struct key_feed *f, struct key_ring *ring)
{
	pthread_mutex_lock(&f->lock);
	f->ring = ring;
	f->status = SL_OK;
	pthread_mutex_unlock(&f->lock);
	f->is_refusing = false;
}

enum sl_status key_feed_attach(
	struct key_feed *feed,
	struct key_ring *ring,
	struct problem *ret_problem
)
{
	enum sl_status status = SL_OK;

	enter(feed);
	set_ring(feed, ring);
	feed_find_last(feed);
	if (ring != NULL && key_ring_position(ring) == 0)
		set_last_link(feed);
	(void)!drain(feed);
	if (feed->is_refusing) {
		status = key_feed_status(feed, ret_problem);
		set_ring(feed, NULL);
	}
	leave(feed);
	return status;
}

enum sl_status key_feed_recover(struct key_feed *feed, struct problem *ret_problem)
{
	enum sl_status status;

	enter(feed);
	if (feed->ring != NULL)
		key_ring_recover(feed->ring); // holes are counted as they are taken
	status = drain(feed);
	if (feed->ring != NULL)
		set_last_link(feed);
	leave(feed);
	return status == SL_OK ? SL_OK : key_feed_status(feed, ret_problem);
}

bool key_feed_has_refused(struct key_feed *feed)
{
	bool has_refused;

	enter(feed);
	has_refused = feed->is_refusing;
	leave(feed);
	return has_refused;
}

enum sl_status key_feed_status(struct key_feed *feed, struct problem *ret_problem)
{
	enum sl_status status;

	pthread_mutex_lock(&feed->lock);
	status = feed->status;
	if (status != SL_OK)
		*ret_problem = feed->problem;
	pthread_mutex_unlock(&feed->lock);
	return status;
}

struct key_feed_counts key_feed_counts(struct key_feed *feed)
{
	struct key_feed_counts counts;

	pthread_mutex_lock(&feed->lock);
	counts = feed->counts;
	if (feed->ring != NULL)
		counts.waiting = key_ring_position(feed->ring) - key_ring_durable(feed->ring);
	pthread_mutex_unlock(&feed->lock);
	return counts;
}

/** The day's key, made when it is not there. The caller has entered. */
static enum sl_status find_or_make_dead(
	struct key_feed *f,
	int64_t day,
	struct vault_key *ret_key,
	struct problem *ret_problem
)
{
	enum sl_status status = key_dead_find(f->vault, f->engine, f->dead_scope, day, ret_key);

	if (status == SL_OK)
		return SL_OK;
	if (status != SL_E_NOT_FOUND)
		return problem_set(
			ret_problem,
			status,
			"the day's dead-letter key can not be had: %s",
			status_text(status)
		);
	ret_key->created_ms = clock_wall_ms();
	ret_key->expires_ms = (day + KEY_RETENTION_DAYS) * MS_PER_DAY;
	engine_random(f->engine, ret_key->dek, KEY_SIZE);
	return feed_commit_own(f, ret_key, ret_problem);
}

enum sl_status key_feed_dead_letter_key(
	struct key_feed *feed,
	int64_t day,
	struct key_feed_dead_letter *ret_key,
	struct problem *ret_problem
)
{
	struct vault_key key;
	enum sl_status status;

	enter(feed);
	status = find_or_make_dead(feed, day, &key, ret_problem);
	if (status == SL_OK) {
		memcpy(ret_key->link, key.link, KEY_LINK_SIZE);
		key_dead_derive(feed->engine, key.dek, ret_key->key);
	}
	leave(feed);
	bytes_wipe(&key, sizeof(key));
	return status;
}
