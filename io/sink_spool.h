#pragma once

#include "io/sink.h"

// The inside of the spool: io/sink_spool*.c.
//
//	offer ──> inner sink                         while all records were offered to it, and it takes
//	      └─> record at the log's tail ──> inner sink   else; in order
//
//	segments   … | head: not delivered yet … next: not offered yet … synced … tail |
//
// A failure of the spool's own disk takes the log back to synced: what was appended since is appended again.

enum {
	SPOOL_HEAD_SIZE = 32,         // bytes of a segment's head, and of a record's
	SPOOL_TAIL_SIZE = 8,          // bytes of a record's checksum
	SPOOL_PARCEL_MAX = 64 << 20,  // bytes
	SPOOL_ENTRIES_MAX = 4096,     // parcels that are not reported; a power of two
	SPOOL_SLOTS = 1024,           // records that the inner sink has; a power of two
	SPOOL_SLOTS_BYTES = 32 << 20, // of them, or one that is longer
	SPOOL_STEP_BYTES = 4 << 20,   // read in one poll, or one record that is longer
	SPOOL_PATH_MAX = 600
};

/** A place between two records. */
struct spool_at {
	uint64_t segment;  // from 1
	uint64_t offset;   // in it, from SPOOL_HEAD_SIZE
	uint64_t sequence; // of the record that begins here, from 1
};

// sink_spool_segment.c: the form (docs/formats/spool.md)

struct spool_record {
	uint64_t sequence;
	uint64_t rows;
	uint32_t size; // bytes
};

/** Bytes read; grows. */
struct spool_bytes {
	uint8_t *bytes; // [capacity], owned
	size_t capacity;
};

uint64_t spool_record_size(uint64_t size);
void spool_segment_head(
	uint8_t ret_head[static SPOOL_HEAD_SIZE],
	uint64_t segment,
	uint64_t sequence
);
/** @param ret_end  what follows the bytes: zeros and checksum, *ret_end_size of it. */
void spool_record_seal(
	const struct spool_record *r,
	uint64_t segment,
	const uint8_t *bytes,
	uint8_t ret_head[static SPOOL_HEAD_SIZE],
	uint8_t ret_end[static 2 * SPOOL_TAIL_SIZE],
	size_t *ret_end_size
);
/**
 * Check a segment's head.
 *
 * @param ret_sequence of its first record
 *
 * Outcomes  SL_OK; SL_E_TRUNCATED (what a crash leaves), SL_E_CORRUPT, SL_E_IO
 */
enum sl_status spool_segment_check(int fd, uint64_t segment, uint64_t *ret_sequence);
/**
 * Read the record at a place; move there to its end.
 *
 * @param limit bytes of the segment
 *
 * Outcomes  SL_OK; SL_E_NOT_FOUND (the segment's end), SL_E_TRUNCATED (a record cut short, or zeros to the end: what a
 *           crash leaves), SL_E_CORRUPT, SL_E_NOMEM, SL_E_IO
 */
enum sl_status spool_record_read(
	int fd,
	uint64_t limit,
	struct spool_at *at,
	struct spool_bytes *bytes,
	struct spool_record *ret_record
);

// sink_spool_log.c: the segments

struct spool_log {
	char directory[512];
	uint64_t bytes_max;
	uint64_t segment_bytes;
	enum sink_sync_rule sync_rule;
	int directory_fd;
	int fd; // of tail.segment; -1 = not made yet, or not opened again yet
	struct spool_at head;
	struct spool_at synced;
	struct spool_at tail;
	uint64_t first_segment; // lowest that may be there
	uint64_t bytes;         // of all segments
	bool is_new;            // a segment's name may not be durable
	bool is_broken;         // back to synced first
	struct problem failure; // of is_broken
};

void spool_name_write(char ret_text[static 64], uint64_t segment);
bool spool_name_read(const char *text, uint64_t *ret_segment);
void spool_path(
	const struct spool_log *log,
	uint64_t segment,
	char ret_path[static SPOOL_PATH_MAX]
);
/** Outcomes  SL_OK; SL_E_FULL (bytes_max); else is_broken */
enum sl_status spool_log_append(struct spool_log *log, const struct sink_parcel *parcel);
/** Make all durable. Outcomes  SL_OK; else is_broken */
enum sl_status spool_log_sync(struct spool_log *log);
/** Back to synced. Outcomes  SL_OK; else it is broken still */
enum sl_status spool_log_mend(struct spool_log *log);
/** Remove segments below, and the rest too when nothing is in it. */
void spool_log_trim(struct spool_log *log, uint64_t segment, bool is_empty);
int spool_log_sync_directory(const struct spool_log *log);
/** Keep the reason. */
enum sl_status spool_log_fail(struct spool_log *log, int error, const char *act);

// sink_spool.c

enum spool_state {
	SPOOL_INNER,  // the inner sink has it
	SPOOL_LOOSE,  // to be appended
	SPOOL_LOGGED, // appended, not synced
	SPOOL_OVER    // to be reported
};

struct spool_entry {
	struct sink_parcel parcel;
	enum spool_state state;
	enum sl_status status; // SPOOL_OVER
};

/** The inner sink's tag of a record; others are the entry's index. */
#define SPOOL_TAG_REPLAY UINT64_MAX

/** A record that the inner sink has, or is to get next. */
struct spool_slot {
	struct spool_bytes bytes;
	struct spool_record record;
	struct spool_at end;
};

/** What a mark says, as bytes. */
struct spool_mark {
	uint8_t bytes[SINK_MARK_MAX];
	size_t size;
	struct spool_at head;
	struct spool_at tail;
};

struct sink_spool {
	struct sink inner;
	uint8_t inner_mark[SINK_MARK_MAX];
	size_t inner_mark_size;
	sink_report_fn *report;
	void *self;
	uint64_t retry_ms;
	uint64_t patience_ms;
	struct sink_clock clock;
	struct spool_log log;
	uint64_t retry_at_ms; // log.is_broken
	uint64_t refused_ms;  // since when the inner sink takes nothing; 0 = it takes
	bool is_syncing;
	bool is_recalling; // what the inner sink gives back is to be kept
	bool is_rewinding; // what was appended since the last sync comes after what came back

	struct spool_entry *entries; // [SPOOL_ENTRIES_MAX], by index modulo
	uint64_t first;              // the oldest that is not reported
	uint64_t end;
	uint64_t loose; // entries that are SPOOL_LOOSE; none before loose_first
	uint64_t loose_first;
	uint64_t in_inner; // entries that are SPOOL_INNER

	// Replay: slots [slot_first, slot_end) are the inner sink's; one more may be read already.
	struct spool_slot *slots; // [SPOOL_SLOTS], by index modulo
	uint64_t slot_bytes;      // of the records in them
	uint64_t slot_first;
	uint64_t slot_end;
	bool has_read;        // slots[slot_end] is read and refused so far
	struct spool_at next; // the record to be read next
	int read_fd;          // of next.segment; -1 = none
	uint64_t read_segment;
	bool is_stuck; // a record is damaged: nothing more is replayed
	struct problem damage;

	struct spool_mark at_sync;
	struct spool_mark told; // by the last sink_mark
	bool is_told_newest;    // no sync since: the inner sink's last mark is in it
	struct sink_stats stats;
};

extern const struct sink_ops spool_ops;
uint64_t spool_now_ms(const struct sink_spool *s);
sink_report_fn spool_report_inner;

// sink_spool_replay.c
/** Nothing that was read counts: read again from the first record that is not delivered. */
void spool_replay_again(struct sink_spool *s);
/** Offer records to the inner sink, as far as it takes them. */
void spool_replay(struct sink_spool *s);
/** All records were offered: new parcels may go to the inner sink. */
bool spool_is_through(const struct sink_spool *s);
/** The inner sink's report of its oldest record. */
void spool_replay_report(struct sink_spool *s, enum sl_status status);
/** The segment that is read may be made anew. */
void spool_replay_close(struct sink_spool *s);

// sink_spool_restore.c
void spool_mark_write(struct sink_spool *s, struct spool_mark *ret_mark);
enum sl_status spool_restore(struct sink_spool *s, struct view mark, struct problem *ret_problem);
