#pragma once

#include "tests/unit/io/sink_rig.h"

// Steps of the tests of the sink of files, each checked on its way.

struct rig_mark {
	uint8_t bytes[SINK_MARK_MAX];
	size_t size;
};

extern const struct view rig_no_mark;

struct view rig_mark_view(const struct rig_mark *m);

/** Open it again, with a mark; the test does not go on without. */
void rig_reopen(struct rig *rig, struct view mark);

/** Choose a kind and open it, in an empty directory. */
void rig_begin(struct rig *rig, enum rig_kind kind);

/** Close it, and remove its directory. */
void rig_end(struct rig *rig);

/** Sync and mark; confirm too, or not yet. */
struct rig_mark rig_commit(struct rig *rig, bool is_confirmed);

/** Lines that are published. */
uint64_t rig_lines(const struct rig *rig);

/** The name of the only file that is published, or in work. */
const char *rig_only_name(const struct rig *rig, bool is_hidden);

void rig_path(const struct rig *rig, const char *name, char ret_path[static 600]);
