#include "io/sink_spool.h"

#include "io/file_problem.h"

#include <stdio.h>
#include <string.h>

uint64_t spool_now_ms(const struct sink_spool *s)
{
	return s->clock.monotonic_ns() / 1000000;
}

static struct spool_entry *entry_at(const struct sink_spool *s, uint64_t index)
{
	return &s->entries[index % SPOOL_ENTRIES_MAX];
}

void spool_report_inner(void *self, uint64_t tag, enum sl_status status)
{
	struct sink_spool *s = self;
	struct spool_entry *e;

	if (tag == SPOOL_TAG_REPLAY) {
		spool_replay_report(s, status);
		return;
	}
	e = entry_at(s, tag);
	s->in_inner--;
	if (status != SL_OK && s->is_recalling) {
		if (s->loose == 0 || tag < s->loose_first)
			s->loose_first = tag;
		s->loose++;
		e->state = SPOOL_LOOSE;
		return;
	}
	e->state = SPOOL_OVER;
	e->status = status;
}

/** Report what is over, in the order of the offers. */
static void report_over(struct sink_spool *s)
{
	for (; s->first != s->end; s->first++) {
		const struct spool_entry *e = entry_at(s, s->first);

		if (e->state != SPOOL_OVER)
			return;
		s->stats.rows_waiting -= e->parcel.rows;
		if (e->status == SL_OK) {
			s->stats.rows_delivered += e->parcel.rows;
			s->stats.bytes_delivered += e->parcel.bytes.size;
		} else {
			s->stats.rows_failed += e->parcel.rows;
		}
		s->report(s->self, e->parcel.tag, e->status);
	}
}

/** What is not synced is to be appended again. */
static void loosen(struct sink_spool *s)
{
	for (uint64_t i = s->end; i != s->first; i--) {
		struct spool_entry *e = entry_at(s, i - 1);

		if (e->state != SPOOL_LOGGED)
			continue;
		e->state = SPOOL_LOOSE;
		s->loose++;
		if (s->loose == 1 || i - 1 < s->loose_first)
			s->loose_first = i - 1;
	}
}

/** The log's disk has failed: what is not synced is in it no more. */
static void come_loose(struct sink_spool *s)
{
	s->retry_at_ms = spool_now_ms(s) + s->retry_ms;
	loosen(s);
	snprintf(
		s->stats.last_problem,
		sizeof(s->stats.last_problem),
		"%.110s: %.80s",
		s->log.failure.file,
		s->log.failure.what
	);
}

/** Append what came back, as far as it goes. */
static enum sl_status append_loose(struct sink_spool *s)
{
	enum sl_status status = SL_OK;

	if (s->log.is_broken && spool_now_ms(s) < s->retry_at_ms)
		return s->log.failure.status;
	if (s->log.is_broken || s->is_rewinding) {
		spool_replay_close(s);
		if (spool_log_mend(&s->log) != SL_OK) {
			come_loose(s);
			return s->log.failure.status;
		}
		s->is_rewinding = false;
	}
	while (s->loose != 0) {
		struct spool_entry *e = entry_at(s, s->loose_first);

		if (e->state == SPOOL_LOOSE) {
			status = spool_log_append(&s->log, &e->parcel);
			if (status != SL_OK)
				break;
			e->state = SPOOL_LOGGED;
			s->loose--;
		}
		s->loose_first++;
	}
	if (s->log.is_broken)
		come_loose(s);
	return status;
}

/**
 * What came back goes to the sink once more when it takes again, behind all that the log has. So a log that is full, or
 * whose disk fails, keeps nobody from going on.
 */
static void offer_loose(struct sink_spool *s)
{
	while (s->loose != 0 && spool_is_through(s)) {
		struct spool_entry *e = entry_at(s, s->loose_first);

		if (e->state == SPOOL_LOOSE) {
			struct sink_parcel inner = e->parcel;
			enum sl_status status;

			inner.tag = s->loose_first;
			status = sink_offer(&s->inner, &inner);
			if (status == SL_E_FULL)
				return;
			e->state = status == SL_OK ? SPOOL_INNER : SPOOL_OVER;
			e->status = status;
			s->in_inner += status == SL_OK;
			s->loose--;
		}
		s->loose_first++;
	}
}

/**
 * What came back is older than what the log took while the sink was slow: all since the last sync is appended anew, in
 * the order of the offers.
 */
static void reorder(struct sink_spool *s)
{
	if (s->loose == 0 || s->log.tail.sequence == s->log.synced.sequence)
		return;
	s->is_rewinding = true;
	loosen(s);
	spool_replay_again(s);
}

/** A sink that is down gives back what it has not delivered. */
static bool recall_inner(struct sink_spool *s)
{
	struct sink_stats inner;
	uint64_t had = s->in_inner;

	sink_stats(&s->inner, &inner);
	if (!inner.is_down)
		return false;
	s->is_recalling = true;
	sink_recall(&s->inner);
	s->is_recalling = false;
	if (had != s->in_inner)
		reorder(s);
	return true;
}

/** Whether the inner sink's refusal is one to wait for. */
static bool is_patient(struct sink_spool *s)
{
	uint64_t now_ms = spool_now_ms(s);

	if (s->refused_ms == 0)
		s->refused_ms = now_ms == 0 ? 1 : now_ms;
	if (recall_inner(s))
		return false;
	return now_ms - s->refused_ms < s->patience_ms;
}

static enum sl_status add_entry(
	struct sink_spool *s,
	const struct sink_parcel *parcel,
	enum spool_state state
)
{
	*entry_at(s, s->end) = (struct spool_entry){.parcel = *parcel, .state = state};
	s->end++;
	s->stats.rows_waiting += parcel->rows;
	return SL_OK;
}

static enum sl_status offer_inner(struct sink_spool *s, const struct sink_parcel *parcel)
{
	struct sink_parcel inner = *parcel;
	enum sl_status status;

	inner.tag = s->end;
	status = sink_offer(&s->inner, &inner);
	if (status != SL_OK)
		return status;
	s->refused_ms = 0;
	s->in_inner++;
	return add_entry(s, parcel, SPOOL_INNER);
}

static enum sl_status offer(void *self, const struct sink_parcel *parcel)
{
	struct sink_spool *s = self;
	enum sl_status status;

	if (parcel->bytes.size > SPOOL_PARCEL_MAX)
		return SL_E_TOO_BIG;
	if (s->is_syncing || s->end - s->first == SPOOL_ENTRIES_MAX)
		return SL_E_FULL;
	if (s->loose == 0 && spool_is_through(s)) {
		status = offer_inner(s, parcel);
		if (status != SL_E_FULL)
			return status;
		if (is_patient(s))
			return SL_E_FULL;
	}
	// What the inner sink gave back comes first.
	if (append_loose(s) != SL_OK)
		return SL_E_FULL;
	status = spool_log_append(&s->log, parcel);
	if (status == SL_OK)
		return add_entry(s, parcel, SPOOL_LOGGED);
	if (s->log.is_broken)
		come_loose(s);
	return SL_E_FULL;
}

static void poll_work(void *self)
{
	struct sink_spool *s = self;

	sink_poll(&s->inner);
	(void)recall_inner(s);
	if (!s->is_syncing) {
		spool_replay(s);
		offer_loose(s);
	}
	if (s->loose != 0 || s->log.is_broken || s->is_rewinding)
		(void)!append_loose(s);
	report_over(s);
}

static void begin_sync(void *self)
{
	struct sink_spool *s = self;

	s->is_syncing = true;
	sink_sync_begin(&s->inner);
}

/** All is durable here or there. */
static void settle_sync(struct sink_spool *s)
{
	for (uint64_t i = s->first; i != s->end; i++) {
		struct spool_entry *e = entry_at(s, i);

		if (e->state == SPOOL_LOGGED) {
			e->state = SPOOL_OVER;
			e->status = SL_OK;
		}
	}
	s->stats.syncs++;
	s->inner_mark_size = sink_mark(&s->inner, s->inner_mark);
	spool_mark_write(s, &s->at_sync);
	s->is_told_newest = false;
	report_over(s);
}

/** Make durable what the sink does not have. A log that nothing new is in may be broken. */
static enum sl_status sync_log(struct sink_spool *s)
{
	enum sl_status status = s->loose == 0 ? SL_OK : append_loose(s);

	if (status != SL_OK || s->log.is_broken || s->is_rewinding)
		return status;
	status = spool_log_sync(&s->log);
	if (status != SL_OK)
		come_loose(s);
	return status;
}

static enum sl_status sync_all(void *self, struct problem *ret_problem)
{
	struct sink_spool *s = self;
	enum sl_status status = sink_sync(&s->inner, ret_problem);

	s->is_syncing = false;
	if (status != SL_OK)
		(void)recall_inner(s);
	if (s->in_inner != 0 && status == SL_OK)
		SL_BUG("a sink that is synced has not reported all");
	if (s->in_inner != 0)
		return status;
	status = sync_log(s);
	if (status != SL_OK && s->log.is_broken) {
		*ret_problem = s->log.failure;
		return s->log.failure.status;
	}
	if (status != SL_OK)
		return file_problem_of(
			ret_problem,
			SL_E_NO_SPACE,
			s->log.directory,
			"the spool is full and the sink behind it is down",
			"Bring the sink back, or give the spool more bytes"
		);
	settle_sync(s);
	return SL_OK;
}

static size_t mark(void *self, uint8_t *ret_bytes, size_t capacity)
{
	struct sink_spool *s = self;

	(void)capacity;
	s->told = s->at_sync;
	s->is_told_newest = true;
	memcpy(ret_bytes, s->told.bytes, s->told.size);
	return s->told.size;
}

static void confirm(void *self)
{
	struct sink_spool *s = self;
	struct spool_log *log = &s->log;
	bool is_empty = s->told.head.sequence == log->tail.sequence && !log->is_broken
		&& log->synced.sequence == log->tail.sequence && spool_is_through(s);

	// A sync that no mark told of, as another sink's had failed: the inner sink would take this for that one's confirm.
	if (s->is_told_newest)
		sink_confirm(&s->inner);
	if (s->told.size == 0)
		return;
	spool_log_trim(log, s->told.head.segment, is_empty);
	if (is_empty)
		s->next = log->tail;
}

static void roll(void *self)
{
	struct sink_spool *s = self;

	sink_roll(&s->inner);
}

static void stats(void *self, struct sink_stats *ret_stats)
{
	const struct sink_spool *s = self;
	struct sink_stats inner;

	sink_stats(&s->inner, &inner);
	*ret_stats = s->stats;
	ret_stats->is_down = inner.is_down || s->log.is_broken || s->is_stuck;
	ret_stats->is_due =
		inner.is_due || s->first != s->end || s->log.head.sequence != s->log.tail.sequence;
	ret_stats->bytes_spooled = s->log.head.sequence == s->log.tail.sequence ? 0 : s->log.bytes;
	if (inner.is_down && !s->log.is_broken && !s->is_stuck)
		memcpy(ret_stats->last_problem, inner.last_problem, sizeof(inner.last_problem));
}

static void report_rest_failed(struct sink_spool *s)
{
	for (uint64_t i = s->first; i != s->end; i++) {
		struct spool_entry *e = entry_at(s, i);

		if (e->state == SPOOL_OVER)
			continue;
		e->state = SPOOL_OVER;
		e->status = SL_E_IO;
	}
	report_over(s);
}

static void close_sink(void *self)
{
	struct sink_spool *s = self;
	struct problem p;

	s->retry_at_ms = 0;
	(void)!sync_all(s, &p);
	// What the inner sink can not deliver is kept here, if that goes.
	s->is_recalling = true;
	sink_close(&s->inner);
	s->is_recalling = false;
	reorder(s);
	if (append_loose(s) == SL_OK && spool_log_sync(&s->log) == SL_OK)
		for (uint64_t i = s->first; i != s->end; i++)
			if (entry_at(s, i)->state == SPOOL_LOGGED)
				*entry_at(s, i) = (struct spool_entry
				){entry_at(s, i)->parcel, SPOOL_OVER, SL_OK};
	report_rest_failed(s);
	sink_spool_free(s);
}

const struct sink_ops spool_ops = {
	.offer = offer,
	.poll = poll_work,
	.sync = sync_all,
	.mark = mark,
	.stats = stats,
	.close = close_sink,
	.sync_begin = begin_sync,
	.confirm = confirm,
	.roll = roll,
};
