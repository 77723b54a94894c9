#include "control/key_journal.h"

#include "crypto/secret.h"
#include "io/base/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
	GROUP_SIZE = 4096, // changes that are worth a commit at once
	GROUP_MS = 20      // otherwise a change waits so long for company
};

static const uint64_t NS_PER_MS = 1000000;

struct key_journal {
	struct vault *vault;
	struct engine *engine;     // the committer's
	struct vault_key *changes; // [capacity] ring, secret; position p lies at (p - 1) % capacity
	size_t capacity;
	pthread_t committer;
	bool is_started;

	/** Guards all below but the atomics' reading. */
	pthread_mutex_t lock;
	pthread_cond_t has_work; // for the committer
	pthread_cond_t has_room; // the durable mark has moved, or a commit has failed
	_Atomic uint64_t put_position;
	_Atomic uint64_t durable_mark; // released after the commit; pairs with key_journal_durable
	uint64_t wanted;               // somebody waits for this position
	uint64_t first_ns;             // when the oldest waiting change came
	bool is_closing;
	bool is_committing;
	key_journal_seen_fn *seen; // NULL: nobody watches
	void *seen_self;
	enum sl_status status;
	struct problem problem;
};

static uint64_t position_of(const struct key_journal *j)
{
	return atomic_load_explicit(&j->put_position, memory_order_relaxed);
}

static uint64_t mark_of(const struct key_journal *j)
{
	return atomic_load_explicit(&j->durable_mark, memory_order_relaxed);
}

static bool is_due(const struct key_journal *j)
{
	uint64_t waiting = position_of(j) - mark_of(j);

	return waiting != 0
		&& (waiting >= GROUP_SIZE || waiting == j->capacity || j->is_closing
		    || j->wanted > mark_of(j)
		    || clock_monotonic_ns() - j->first_ns >= GROUP_MS * NS_PER_MS);
}

/** Sleep until there is work, or the oldest change has waited long enough. */
static void wait_for_work(struct key_journal *j)
{
	uint64_t at;
	struct timespec deadline;

	if (position_of(j) == mark_of(j)) {
		pthread_cond_wait(&j->has_work, &j->lock);
		return;
	}
	at = j->first_ns + GROUP_MS * NS_PER_MS;
	deadline.tv_sec = (time_t)(at / 1000000000);
	deadline.tv_nsec = (long)(at % 1000000000);
	pthread_cond_timedwait(&j->has_work, &j->lock, &deadline);
}

/** Commit one stretch of the ring, without the lock: putters write elsewhere. */
static void commit_some(struct key_journal *j)
{
	uint64_t first = mark_of(j);
	size_t at = first % j->capacity;
	size_t count = position_of(j) - first;
	key_journal_seen_fn *seen = j->seen;
	void *seen_self = j->seen_self;
	struct problem problem;
	enum sl_status status;

	if (count > j->capacity - at)
		count = j->capacity - at;
	if (count > VAULT_COMMIT_MAX)
		count = VAULT_COMMIT_MAX;
	j->is_committing = true;
	pthread_mutex_unlock(&j->lock);
	status = vault_commit(j->vault, j->engine, j->changes + at, count, &problem);
	if (status == SL_OK && seen != NULL)
		seen(seen_self, j->changes + at, count);
	bytes_wipe(j->changes + at, count * sizeof(*j->changes));
	pthread_mutex_lock(&j->lock);
	j->is_committing = false;
	if (status == SL_OK) {
		atomic_store_explicit(&j->durable_mark, first + count, memory_order_release);
		j->first_ns = clock_monotonic_ns();
	} else {
		j->status = status;
		j->problem = problem;
	}
	pthread_cond_broadcast(&j->has_room);
}

static void *commit_all(void *arg)
{
	struct key_journal *j = arg;

	pthread_mutex_lock(&j->lock);
	while (j->status == SL_OK && !(j->is_closing && position_of(j) == mark_of(j))) {
		if (is_due(j))
			commit_some(j);
		else
			wait_for_work(j);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

static void release(struct key_journal *j)
{
	engine_free(j->engine);
	secret_free(j->changes, j->capacity * sizeof(*j->changes));
	pthread_mutex_destroy(&j->lock);
	pthread_cond_destroy(&j->has_work);
	pthread_cond_destroy(&j->has_room);
	free(j);
}

static enum sl_status start(struct key_journal *j, struct problem *ret_problem)
{
	const struct engine_options auto_options = {0};

	j->changes = secret_new(j->capacity * sizeof(*j->changes));
	if (j->changes == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the key journal");
	SL_TRY(engine_new(&auto_options, &j->engine, ret_problem));
	if (pthread_create(&j->committer, NULL, commit_all, j) != 0)
		return problem_set(
			ret_problem, SL_E_NOMEM, "the key journal's thread can not start"
		);
	j->is_started = true;
	return SL_OK;
}

enum sl_status key_journal_new(
	struct vault *vault,
	size_t capacity,
	struct key_journal **ret_journal,
	struct problem *ret_problem
)
{
	struct key_journal *j = calloc(1, sizeof(*j));
	pthread_condattr_t monotonic;
	enum sl_status status;

	if (j == NULL)
		return problem_set(ret_problem, SL_E_NOMEM, "no memory for the key journal");
	j->vault = vault;
	j->capacity = capacity;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->has_work, &monotonic);
	pthread_cond_init(&j->has_room, NULL);
	pthread_condattr_destroy(&monotonic);
	status = start(j, ret_problem);
	if (status != SL_OK) {
		release(j);
		return status;
	}
	*ret_journal = j;
	return SL_OK;
}

enum sl_status key_journal_free(struct key_journal *journal, struct problem *ret_problem)
{
	enum sl_status status;

	if (journal == NULL)
		return SL_OK;
	pthread_mutex_lock(&journal->lock);
	journal->is_closing = true;
	pthread_cond_signal(&journal->has_work);
	pthread_mutex_unlock(&journal->lock);
	if (journal->is_started)
		pthread_join(journal->committer, NULL);
	status = key_journal_status(journal, ret_problem);
	release(journal);
	return status;
}

uint64_t key_journal_put(struct key_journal *journal, const struct vault_key *change)
{
	uint64_t position = 0;
	uint64_t waiting;

	pthread_mutex_lock(&journal->lock);
	while (journal->status == SL_OK
	       && position_of(journal) - mark_of(journal) == journal->capacity)
		pthread_cond_wait(&journal->has_room, &journal->lock);
	if (journal->status == SL_OK) {
		waiting = position_of(journal) - mark_of(journal);
		position = position_of(journal) + 1;
		journal->changes[(position - 1) % journal->capacity] = *change;
		atomic_store_explicit(&journal->put_position, position, memory_order_release);
		if (waiting == 0)
			journal->first_ns = clock_monotonic_ns();
		if (waiting == 0 || waiting + 1 == GROUP_SIZE || waiting + 1 == journal->capacity)
			pthread_cond_signal(&journal->has_work);
	}
	pthread_mutex_unlock(&journal->lock);
	return position;
}

void key_journal_watch(struct key_journal *journal, key_journal_seen_fn *seen, void *self)
{
	pthread_mutex_lock(&journal->lock);
	journal->seen = seen;
	journal->seen_self = self;
	while (journal->is_committing)
		pthread_cond_wait(&journal->has_room, &journal->lock);
	pthread_mutex_unlock(&journal->lock);
}

uint64_t key_journal_durable(const struct key_journal *journal)
{
	return atomic_load_explicit(&journal->durable_mark, memory_order_acquire);
}

uint64_t key_journal_position(const struct key_journal *journal)
{
	return atomic_load_explicit(&journal->put_position, memory_order_acquire);
}

enum sl_status key_journal_wait(struct key_journal *journal, uint64_t position)
{
	enum sl_status status = SL_OK;

	if (key_journal_durable(journal) >= position)
		return SL_OK;
	pthread_mutex_lock(&journal->lock);
	while (journal->status == SL_OK && mark_of(journal) < position) {
		if (journal->wanted < position)
			journal->wanted = position;
		pthread_cond_signal(&journal->has_work);
		pthread_cond_wait(&journal->has_room, &journal->lock);
	}
	if (mark_of(journal) < position)
		status = journal->status;
	pthread_mutex_unlock(&journal->lock);
	return status;
}

enum sl_status key_journal_status(struct key_journal *journal, struct problem *ret_problem)
{
	enum sl_status status;

	pthread_mutex_lock(&journal->lock);
	status = journal->status;
	if (status != SL_OK)
		*ret_problem = journal->problem;
	pthread_mutex_unlock(&journal->lock);
	return status;
}
