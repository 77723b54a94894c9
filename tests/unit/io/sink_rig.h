#pragma once

#include "io/sink.h"

#include <stdbool.h>
#include <stdint.h>

// What the tests of sinks share: a sink of any kind in the scratch directory, numbered lines to offer, a count of
// reports, a clock that stands still, and a reader of what was published.

enum rig_kind {
	RIG_NULL,
	RIG_FILES,
	RIG_FILES_ZSTD,
	RIG_FILES_UNSYNCED,
	RIG_SPOOL_FILES,
	RIG_SPOOL_ZSTD,
	RIG_SPOOL_NULL,
	RIG_KIND_COUNT
};

extern const char *const rig_kind_names[RIG_KIND_COUNT];

struct rig {
	struct sink sink;
	enum rig_kind kind;
	char directory[256];
	char spool[256];
	uint64_t next_line; // of the next offer
	uint64_t waiting;   // parcels without a report
	uint64_t next_tag;
	uint64_t next_report;
	bool is_out_of_order;
	uint64_t rows_offered;
	uint64_t rows_delivered;
	uint64_t bytes_delivered;
	uint64_t rows_failed;
	uint64_t lines_taken; // by rig_take_away
	uint64_t roll_bytes;  // 0 = as the sink likes
	uint64_t segment_bytes;
	uint64_t spool_bytes_max;
};

/** The clock of all rigs. */
extern uint64_t rig_now_ms;

/** Thousands of syncs are a matter of minutes on a disk: use a file system in memory, if TMPDIR does not say otherwise. */
void rig_prefer_memory(void);

/** Choose a kind, and directories in the scratch directory by a name. */
void rig_init(struct rig *rig, enum rig_kind kind, const char *name);

enum sl_status rig_open(struct rig *rig, struct view mark, struct problem *ret_problem);

/**
 * Offer the next lines as one parcel of about size bytes. Its bytes change when it is reported: a sink that reads them
 * later is found out.
 */
enum sl_status rig_offer(struct rig *rig, size_t size);

/** Whether a kind writes files that can be read again. */
bool rig_is_kept(enum rig_kind kind);

/**
 * Read what is published, in the order of names: it must be the lines 0, 1, 2, … (without those taken away)
 *
 * @param ret_lines their count
 * @return false when anything else is there
 */
bool rig_read(const struct rig *rig, uint64_t *ret_lines);

/** Offer to it again and again until the sink has nothing waiting in its spool; then roll, commit. */
bool rig_drain(struct rig *rig);

/** As a reader does: remove what is published, which was the lines up to there. */
void rig_take_away(struct rig *rig, uint64_t lines);

/** Remove its directories. */
void rig_remove(const struct rig *rig);

uint32_t rig_published(const struct rig *rig);
uint32_t rig_hidden(const struct rig *rig);
