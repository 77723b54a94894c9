#pragma once

#include "io/base/problem.h"
#include "io/base/status.h"
#include "io/base/view.h"

#include <stdbool.h>
#include <stdint.h>

// Where a stream's events go. A sink takes parcels (whole lines of NDJSON) and reports each exactly once: delivered or
// failed. The caller is one thread, an egress thread; nothing here waits for a disk but sink_sync, sink_confirm of a file
// that has ended, and sink_close.
//
//	offer ──> (accepted) ──> poll reports delivered / failed
//	      └─> SL_E_FULL: take it again later; the caller keeps the parcel
//
// Delivered means: as durable as the sink can make it. A sink of files delivers at a sync.
//
// A commit makes one consistent state of several sinks. Nothing is offered between its first and its last step:
//
//	sink_sync_begin   each: so that the disk works for all of them at once
//	sink_sync         each: a sink whose sync fails keeps its parcels and tries again
//	sink_mark         each, when all syncs went well (else keep the marks of the commit before, of all of them)
//	checkpoint_put    the marks together
//	sink_confirm      each: now what the mark covers may be shown to readers, and what it has left behind removed
//
// Write such a checkpoint right after the opens too, before the first offer: an empty mark is the state of a sink that
// nothing was ever confirmed of.

/**
 * Called by sink_poll, sink_sync, sink_recall and sink_close, once for each accepted offer, in the order of the offers.
 * It does not call the sink.
 */
typedef void sink_report_fn(void *self, uint64_t tag, enum sl_status status);

struct sink_parcel {
	struct view bytes; // whole lines; the caller keeps them as they are until the report
	uint64_t rows;     // events in it
	uint64_t tag;      // the caller's
};

/** For operators; counts since open. */
struct sink_stats {
	uint64_t rows_delivered;
	uint64_t bytes_delivered;
	uint64_t rows_failed;
	uint64_t rows_waiting; // accepted, not reported
	uint64_t syncs;
	uint64_t bytes_spooled; // on disk in front of a sink that is down or slow
	bool is_down; // the last attempt failed; without a spool, offers are refused until a retry succeeds
	bool is_due; // a commit would do something: rows wait, a file is past its age or to be published
	char last_problem[200];
};

struct sink;

/** What every kind of sink implements; self is its own state. */
struct sink_ops {
	enum sl_status (*offer)(void *self, const struct sink_parcel *parcel);
	void (*poll)(void *self);
	enum sl_status (*sync)(void *self, struct problem *ret_problem);
	size_t (*mark)(void *self, uint8_t *ret_bytes, size_t capacity);
	void (*stats)(void *self, struct sink_stats *ret_stats);
	void (*close)(void *self);
	// NULL where there is nothing to be done:
	void (*sync_begin)(void *self);
	void (*confirm)(void *self);
	void (*roll)(void *self);
	void (*recall)(void *self);
};

struct sink {
	const struct sink_ops *ops;
	void *self;
};

enum {
	SINK_MARK_MAX = 1024 // bytes of a sink's mark
};

/** Outcomes  SL_OK (a report is due); SL_E_FULL (take it again after sink_poll, or at once after a commit); SL_E_TOO_BIG */
static inline enum sl_status sink_offer(const struct sink *sink, const struct sink_parcel *parcel)
{
	return sink->ops->offer(sink->self, parcel);
}

/** Let it work, and report. Does not wait. */
static inline void sink_poll(const struct sink *sink)
{
	sink->ops->poll(sink->self);
}

/** Begin what sink_sync then waits for; may wait for copies into memory, not for the disk. Until that returns, offers are SL_E_FULL. */
static inline void sink_sync_begin(const struct sink *sink)
{
	if (sink->ops->sync_begin != NULL)
		sink->ops->sync_begin(sink->self);
}

/**
 * Make all accepted parcels durable and report them. Waits for the disk.
 *
 * Outcomes  SL_OK; else the parcels are kept, not reported, and tried again by a later sink_poll or sink_sync
 */
static inline enum sl_status sink_sync(const struct sink *sink, struct problem *ret_problem)
{
	return sink->ops->sync(sink->self, ret_problem);
}

/**
 * After a sync: where the sink stands, as bytes that its opener understands. Given again at the next open (after a crash
 * too), everything that was taken later than the mark is taken back, so that marks of several sinks written together are
 * one consistent state. Sinks that can take nothing back have an empty mark.
 *
 * @return bytes, 0..SINK_MARK_MAX
 */
static inline size_t sink_mark(const struct sink *sink, uint8_t ret_bytes[static SINK_MARK_MAX])
{
	return sink->ops->mark(sink->self, ret_bytes, SINK_MARK_MAX);
}

/** The bytes of the last sink_mark are durable in the checkpoint. There may have been syncs since. */
static inline void sink_confirm(const struct sink *sink)
{
	if (sink->ops->confirm != NULL)
		sink->ops->confirm(sink->self);
}

/** At the next sync end what is in work, whatever its size, so that its confirm publishes it: for a drain. */
static inline void sink_roll(const struct sink *sink)
{
	if (sink->ops->roll != NULL)
		sink->ops->roll(sink->self);
}

/** Of a sink that is down: report all parcels that wait as failed, and keep nothing of them. */
static inline void sink_recall(const struct sink *sink)
{
	if (sink->ops->recall != NULL)
		sink->ops->recall(sink->self);
}

static inline void sink_stats(const struct sink *sink, struct sink_stats *ret_stats)
{
	sink->ops->stats(sink->self, ret_stats);
}

/**
 * Sync what may be synced, report the rest as failed, release. A zeroed sink is fine. What no mark tells is taken back
 * by the next open: commit before, with sink_roll if the file in work is to be published.
 */
static inline void sink_close(struct sink *sink)
{
	if (sink->ops != NULL)
		sink->ops->close(sink->self);
	*sink = (struct sink){0};
}

/** Does a mark tell of nothing but published files: nothing is in work, or in a spool? */
bool sink_mark_is_over(struct view mark);

/** Counts and forgets: for measuring. */
enum sl_status sink_null_open(sink_report_fn *report, void *self, struct sink *ret_sink);

enum sink_sync_rule {
	SINK_SYNC_ALWAYS, // fdatasync at each sink_sync: delivered survives a power cut
	SINK_SYNC_NEVER   // written only: delivered survives the process
};

/** Clocks, for tests; NULL = the machine's. */
struct sink_clock {
	uint64_t (*monotonic_ns)(void);
	int64_t (*wall_ms)(void);
};

/** Rolling files: DIRECTORY/PREFIX-20261121T101500Z-000042.ndjson[.zst]. Zeros are the defaults. */
struct sink_files_options {
	const char *directory; // made when it is not there
	const char *prefix;
	uint64_t
		roll_bytes; // a file ends at the first sync at this size, uncompressed; 0 = 256 MiB
	uint64_t roll_ms;   // or at this age; 0 = one hour
	uint64_t retry_ms;  // between attempts after a failure; 0 = 1000
	bool is_zstd;
	enum sink_sync_rule sync_rule;
	struct view mark; // of the last consistent state; empty = none
	struct sink_clock clock;
};

/**
 * A file in work is hidden (`.PREFIX-….partial`) and gets its name, by rename, when it has ended and a confirmed mark
 * covers it: readers never see a half file, an empty one, or one that a restore takes back. What lies unfinished from
 * before is cut to the mark and taken up again; what is later than the mark is removed; without a mark, set aside as
 * `.PREFIX-….partial.orphan`.
 *
 * Outcomes  SL_OK; SL_E_INVALID (prefix), SL_E_BUSY (in use), SL_E_CORRUPT (files are not what the mark says),
 *           SL_E_NOT_FOUND, SL_E_DENIED, SL_E_NO_SPACE, SL_E_NOMEM, SL_E_IO
 */
enum sl_status sink_files_open(
	const struct sink_files_options *options,
	sink_report_fn *report,
	void *self,
	struct sink *ret_sink,
	struct problem *ret_problem
);

struct sink_spool_options {
	const char *directory;
	uint64_t bytes_max;     // of all segments; 0 = 1 GiB
	uint64_t segment_bytes; // 0 = 64 MiB
	enum sink_sync_rule sync_rule;
	uint64_t retry_ms; // between attempts on its own disk after a failure; 0 = 1000
	uint64_t
		patience_ms; // so long a sink may refuse offers before they go to the spool; 0 = 100
	struct view mark;    // as with files; may be of the inner sink alone: the spool is new then
	struct sink_clock clock;
};

/**
 * A sink in front of another: what the other can not take now goes to checksummed segments on disk, and from there to it,
 * in order, when it takes again. Delivered means durable in either. Full spool: SL_E_FULL. What is in the spool at the
 * open is replayed first: up to the mark; all of it without one.
 *
 * sink_spool_new, open the inner sink with sink_spool_report and sink_spool_inner_mark, sink_spool_before.
 *
 * Outcomes  SL_OK; SL_E_BUSY, SL_E_CORRUPT (names the segment), SL_E_NOT_FOUND, SL_E_DENIED, SL_E_NO_SPACE, SL_E_NOMEM,
 *           SL_E_IO
 */
struct sink_spool;
enum sl_status sink_spool_new(
	const struct sink_spool_options *options,
	sink_report_fn *report,
	void *self,
	struct sink_spool **ret_spool,
	struct problem *ret_problem
);
/** Report function and self for opening the inner sink. */
sink_report_fn *sink_spool_report(struct sink_spool *spool, void **ret_self);
/** The mark for opening the inner sink; borrowed from the spool. */
struct view sink_spool_inner_mark(const struct sink_spool *spool);
/** Put it in front of inner, which it owns from then on. */
struct sink sink_spool_before(struct sink_spool *spool, struct sink inner);
/**
 * A sink is to go on without the spool that it had: what a mark says of the sink alone.
 *
 * Outcomes  SL_OK (also a mark that is not a spool's); SL_E_BUSY (the spool holds events), SL_E_CORRUPT
 */
enum sl_status sink_spool_left(struct view mark, struct view *ret_inner_mark);
/** When there is no inner sink to be put in front of. NULL is fine. */
void sink_spool_free(struct sink_spool *spool);
