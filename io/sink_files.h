#pragma once

#include "io/blocks.h"
#include "io/encoder.h"
#include "io/sink.h"
#include "io/uring.h"

#include <dirent.h>

// The inside of the sink of files: io/sink_files*.c.
//
//	            written, not synced        synced: what a mark tells
//	offer ──> waiting ──> file in work ──> (at its size or age) ended ──> confirmed: renamed
//
// A failure takes everything back to the last sync: what waits is written again, all of it, when it is tried again.

enum {
	FILES_NAME_MAX = 256,     // bytes, final NUL included
	FILES_PREFIX_MAX = 100,   // bytes
	FILES_ENDED_MAX = 16,     // files that wait for a confirm; so many fit a mark
	FILES_WAITING_MAX = 2048, // parcels between two syncs; a power of two
	FILES_DEPTH = 16,         // transfers in flight
	FILES_BLOCKS = 4,         // of compressed bytes
	FILES_BLOCK_SIZE = 512 << 10,
	FILES_ZSTD_LEVEL = 1,       // one egress thread feeds all sinks
	FILES_PARCEL_MAX = 64 << 20 // bytes
};

/** What a file's name says: PREFIX-20261121T101500Z-000042.ndjson[.zst]. */
struct files_name {
	uint64_t number; // from 1; ascending
	int64_t begun_s; // since 1970; not before that of the number before
	bool is_zstd;
};

/** A file and how much of it is synced. */
struct files_part {
	struct files_name name;
	uint64_t size;      // bytes of the file
	uint64_t text_size; // before compression
};

struct files_waiting {
	struct sink_parcel parcel;
	struct uring_op op; // plain: its write
};

/** What a mark says. */
struct files_mark {
	uint64_t next_number;
	int64_t last_begun_s;
	bool has_current;
	struct files_part current;
	uint32_t ended_count;
	struct files_part ended[FILES_ENDED_MAX];
};

struct files {
	char directory[512];
	char prefix[FILES_PREFIX_MAX + 1];
	uint64_t roll_bytes;
	uint64_t roll_ms;
	uint64_t retry_ms;
	bool is_zstd;
	enum sink_sync_rule sync_rule;
	struct sink_clock clock;
	sink_report_fn *report;
	void *self;
	int directory_fd;
	int lock_fd;

	struct files_mark at; // the last sync; what files_mark_write tells
	uint32_t marked;      // of at.ended: told by the last mark
	uint32_t renamed;     // of at.ended: have their names, perhaps not durably
	int fd;               // of at.current; -1 = not made yet
	uint64_t written;     // bytes of it that writes were begun for
	uint64_t text_taken;  // before compression
	uint64_t born_ms;     // on the monotonic clock
	bool is_new;          // its name may not be durable
	bool is_long;         // it may hold bytes beyond written
	bool is_gone;         // somebody has taken it away: another one is to be begun
	bool is_roll_wanted;

	struct uring *ring;
	struct uring_op sync_op;
	bool is_syncing;     // sync_begin came, offers are refused
	bool has_sync_begun; // sync_op is in flight or done
	bool has_sync_ended;
	bool has_failed; // since the last rewind: nothing more is begun
	uint64_t retry_at_ms;
	struct problem failure; // of has_failed or stats.is_down

	struct files_waiting *waiting; // [FILES_WAITING_MAX], by index modulo
	uint64_t first;                // the oldest that is not reported
	uint64_t begun;                // the first that is not (wholly) begun
	uint64_t end;
	uint64_t bytes_waiting;

	struct encoder *encoder; // NULL = plain
	struct blocks blocks;
	struct block *block; // being filled; NULL = none
	size_t filled;       // bytes of block
	size_t fed;          // bytes of waiting[begun] that the encoder has
	bool is_in_frame;

	struct sink_stats stats;
};

// sink_files_name.c
void files_name_write(
	char ret_text[static FILES_NAME_MAX],
	const char *prefix,
	const struct files_name *name,
	bool is_partial
);
bool files_name_read(
	const char *text,
	const char *prefix,
	struct files_name *ret_name,
	bool *ret_is_partial
);

// sink_files_mark.c
size_t files_mark_write(const struct files_mark *m, uint8_t *ret_bytes, size_t capacity);
/** Outcomes  SL_OK; SL_E_CORRUPT */
enum sl_status files_mark_read(struct view bytes, struct files_mark *ret_mark);

// sink_files_disk.c: all return errno, or 0.
/** Open the directory anew, made when it is not there, and keep others away from it. */
int files_open_directory(struct files *f);
/** The same when the one that is open is no longer where it was; ENOENT when it is. */
int files_find_directory(struct files *f);
/** Whether the file in work is still under its name: ENOENT when somebody has taken it away. */
int files_check_current(const struct files *f);
int files_sync_directory(const struct files *f);
int files_cut(int fd, uint64_t size);
/** Open the partial file of a name: made, or (is_there) as it is. */
int files_open_partial(
	const struct files *f,
	const struct files_name *name,
	bool is_there,
	int *ret_fd
);
int files_publish(const struct files *f, const struct files_name *name);
int files_remove(const struct files *f, const struct files_name *name);

// sink_files_restore.c
/** Make the directory as the mark says. */
enum sl_status files_restore(struct files *f, struct view mark, struct problem *ret_problem);

// sink_files_write.c
/** The problem for operators. */
void files_say(struct files *f, const struct problem *p);
/** Keep a failure; the sink is down. */
void files_fail(struct files *f, int error, const struct files_name *name, const char *act);
uint64_t files_now_ms(const struct files *f);
/** Take up what has ended, begin what can be begun. */
void files_pump(struct files *f, bool may_wait);
/** Nothing waits any more to be begun or to end, and compressed bytes are a whole frame. */
bool files_is_written(const struct files *f);
/** End the frame and send the block on its way. */
void files_flush(struct files *f);
/** Back to the last sync: all that waits is to be written again. Waits for what is in flight. */
void files_rewind(struct files *f);

// sink_files_commit.c
/** One step on the way to a sync; may_wait: until it is over or has failed. */
void files_advance_sync(struct files *f, bool may_wait);
/** Give ended files that the last mark tells their names. */
void files_confirm(struct files *f);
bool files_is_due(const struct files *f);
