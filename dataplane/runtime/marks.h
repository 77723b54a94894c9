#pragma once

#include "io/base/status.h"
#include "io/base/view.h"
#include "io/sink.h"

#include <stdbool.h>
#include <stdint.h>

// What a checkpoint's record holds: where every sink stood at one moment, and the sessions of sealed datagrams at the same
// moment. Little endian:
//
//	magic "SLCK" (4) | version (4) | sinks (4) | snapshot's bytes (4)
//	each sink: stream id (16) | place (8) | output (4) | mark's bytes (4) | mark
//	snapshot

/** Where one sink stood. */
struct mark {
	size_t size;
	uint8_t bytes[SINK_MARK_MAX];
};

/** The mark of a place. */
struct mark_entry {
	uint8_t stream_id[16]; // who wrote there last
	uint64_t
		place; // of the sink: hash of where it writes; each has one mark, whoever writes there
	uint32_t output; // sealed, dead letters, views
	struct mark mark;
};

struct marks {
	struct mark_entry *entries; // [count] owned
	uint32_t count;
	uint32_t capacity;
};

/** The mark of a place, or NULL. */
const struct mark *marks_find(const struct marks *marks, uint64_t place);

/** Set the mark of a place; an empty one is taken out, that of nowhere (0) not kept. Outcomes  SL_OK; SL_E_NOMEM */
enum sl_status marks_set(struct marks *marks, const struct mark_entry *entry);

/** Bytes of a record with these marks and a snapshot of that size. */
size_t marks_record_size(const struct marks *marks, size_t snapshot_size);

/** Write the record's head and marks; the snapshot comes behind. @return bytes written */
size_t marks_write(const struct marks *marks, size_t snapshot_size, uint8_t *ret_record);

/** Read a record. @param ret_snapshot out: inside record. Outcomes  SL_OK; SL_E_CORRUPT; SL_E_NOMEM */
enum sl_status marks_read(struct view record, struct marks *ret_marks, struct view *ret_snapshot);

void marks_done(struct marks *marks);
