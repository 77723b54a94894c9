#pragma once

#include "control/api/counters.h"
#include "control/api/plane.h"
#include "dataplane/runtime/marks.h"
#include "dataplane/runtime/parcel.h"
#include "io/sink.h"

// Where one stream's parcels go: its sinks, the parcels on their way through them, and what of the stream is consistent on
// disk. Everything here belongs to the egress thread once that has it; before, to who makes it.

/** Told of each parcel that is through: it goes back to its worker. */
typedef void outlet_done_fn(void *self, struct parcel *parcel);

/** Datagrams, in memory that grows. */
struct ticket_list {
	struct datagram_ticket *tickets; // [count] owned
	size_t count;
	size_t capacity;
};

struct outlet {
	uint8_t id[16];
	char name[PLANE_NAME_MAX + 1];
	uint32_t row;         // from 1, of the stream in the image that it was made for
	bool is_acknowledged; // its datagrams are sealed: they are acknowledged when they are stored
	struct view definition; // owned: the stream's id, and every sink as the image tells it
	uint32_t sink_count;
	struct sink sink[PARCEL_ROOMS_MAX];
	struct mark_entry mark[PARCEL_ROOMS_MAX]; // as of the last consistent sync, or the open
	uint64_t spool_place[PARCEL_ROOMS_MAX];   // of the sink's spool; 0 = none
	bool has_marks;                           // not yet confirmed to the sinks
	bool is_open;
	bool is_told_down; // the log says that a sink of it is down
	bool is_ready;     // its first marks are in the checkpoint: parcels may be offered
	uint64_t retry_ns; // when to try again to open

	struct parcel *first; // queue of parcels not wholly offered; the first may be in part
	struct parcel *last;
	uint32_t queued;       // parcels in it
	uint32_t in_flight;    // wholly offered, not reported
	uint32_t open_ends;    // datagrams whose first part is offered and whose last part is not
	uint32_t credit;       // as last given to the stream's clients; 0 at first
	bool is_dirty;         // something was offered since the last consistent sync
	bool is_due;           // takes part in the commit under way
	uint64_t rows_waiting; // of parcels here

	struct ticket_list
		whole; // delivered since the last consistent sync: datagrams that lay in one parcel
	struct ticket_list cut; // and those that went through several
	bool has_cut_failed;    // since then a parcel failed that had a part of such a one
	bool is_recalled;       // given up: nothing more is offered
	bool is_torn; // by that: of a datagram one part may be in a sink, and another part in none
	struct datagram_server *server;

	struct counters_sink_row *counts; // NULL = its row is another stream's now
	bool takes_over;                  // the row of a stream that is gone
	outlet_done_fn *done;
	void *self;

	bool is_retired;         // no worker writes for it any more: it is closed when it is empty
	bool is_leaving;         // it was retired before egress last looked for its parcels
	struct outlet *forebear; // writes to the same place: must be closed before this one opens
	struct outlet *next;     // in egress's list
};

struct outlet_setup {
	const struct plane_image *image;
	uint32_t stream; // row
	struct datagram_server *server;
	struct counters_sink_row *counts;
	outlet_done_fn *done;
	void *self;
};

/** Make an outlet of an image's stream; its sinks are not open. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status outlet_new(const struct outlet_setup *setup, struct outlet **ret_outlet);

/** Close its sinks, for good. */
void outlet_close(struct outlet *outlet);

/** The same, and release. NULL is fine. */
void outlet_free(struct outlet *outlet);

/** Is it what the image says of the stream? */
bool outlet_fits(const struct outlet *outlet, const struct plane_image *image, uint32_t stream);

/** Do two write to the same place? */
bool outlet_collides(const struct outlet *a, const struct outlet *b);

/** Does it write to this place through this spool? */
bool outlet_takes_spool(const struct outlet *outlet, uint64_t place, uint64_t spool_place);

/** Can the folders of its sinks be written? For sinks that are opened later, when others have left their places. */
enum sl_status outlet_check(const struct outlet *outlet, struct problem *ret_problem);

/** Take the marks that its sinks are to be opened with. */
void outlet_take_marks(struct outlet *outlet, const struct marks *marks);

/** Open the sinks, each with its mark. On failure none is open. */
enum sl_status outlet_open(struct outlet *outlet, struct problem *ret_problem);

/** What the sinks report to; self is the outlet. */
sink_report_fn outlet_report;

/** Queue a parcel. */
void outlet_put(struct outlet *outlet, struct parcel *parcel);

/** Offer what has durable keys to the sinks, and let them work. @return whether anything moved */
bool outlet_work(struct outlet *outlet, uint64_t durable);

/** Would a commit do something? */
bool outlet_is_due(const struct outlet *outlet);

/** Begin what outlet_sync waits for. */
void outlet_sync_begin(struct outlet *outlet);

/**
 * Make what was offered durable. When the outlet is consistent then (all syncs went well, no parcel is half offered, no
 * report is due, no datagram is cut in two), its marks are new and its tickets are reported stored.
 *
 * One that was recalled while a part of a sealed datagram was in its sinks is never consistent again: the datagram comes as
 * a whole to the next dataplane, whose sinks begin at the marks of before.
 */
void outlet_sync(struct outlet *outlet);

/** The marks are in the checkpoint. */
void outlet_confirm(struct outlet *outlet);

/** At the next sync end the files in work. */
void outlet_roll(struct outlet *outlet);

/** Give up, before the end: everything that waits in sinks that are down is reported failed, everything queued is dropped. */
void outlet_recall(struct outlet *outlet);

bool outlet_is_empty(const struct outlet *outlet);

/** Its row to zero. */
void outlet_begin_counts(const struct outlet *outlet);

/** The sinks' state to the counters. */
void outlet_count(struct outlet *outlet);
