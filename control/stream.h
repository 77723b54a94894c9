#pragma once

#include "control/api/plane.h"
#include "control/job.h"
#include "control/purposes.h"
#include "control/yaml.h"

#include <stdbool.h>
#include <stdint.h>

// A stream as its file says (docs/reference/stream.md): where its events come from, and where sealed, dead and derived
// events go. What holds when the file says nothing: one key a person and day, files rolled at 256 MiB or an hour, every
// commit on the disk before it counts.

enum {
	STREAM_SEALED,     // sink of sealed events
	STREAM_DEAD,       // sink of dead letters
	STREAM_FIRST_VIEW, // sink of the first derived view
	STREAM_SINKS_MAX = STREAM_FIRST_VIEW + VIEWS_MAX
};

/** Where one output goes. Texts are owned. */
struct stream_sink {
	const struct yaml_node *node; // its map in the file
	char *directory;              // FILES: absolute
	char *prefix;                 // FILES
	char *spool;                  // absolute; NULL = none
	uint64_t roll_bytes;
	uint64_t roll_ms;
	uint64_t spool_bytes_max;
	enum plane_sink_kind kind;
	bool is_zstd;
	bool is_unsynced;
};

struct stream_view {
	char *name;
	struct job_view rules; // file is NULL
	const struct yaml_node *node;
};

struct stream {
	struct yaml *document;        // owned: places of problems
	const struct yaml_node *root; // the stream's map
	char *name;
	char *contract; // handle/name/version
	const struct yaml_node *contract_node;
	const struct yaml_node *port_node;
	uint16_t port;
	enum plane_mode mode;
	uint64_t events_per_s; // 0 = no limit
	uint64_t window_ms;    // 0 = for ever
	uint64_t table_keys;
	struct plane_net nets[PLANE_NETS_MAX];
	uint32_t net_count;
	struct stream_sink sinks[STREAM_SINKS_MAX]; // STREAM_SEALED, …
	struct stream_view views[VIEWS_MAX];
	uint32_t view_count;
};

/**
 * Read a stream's file.
 *
 * @param purposes NULL = none are known
 * @param data_directory where relative names of files and spools start
 * @param ret_stream the caller's until stream_done
 * Outcomes  SL_OK; else problems were added, and nothing is there to be released
 */
enum sl_status stream_load_file(
	const char *path,
	const struct purposes *purposes,
	const char *data_directory,
	struct problems *problems,
	struct stream *ret_stream
);
void stream_done(struct stream *stream);

/**
 * A sink's map: `files` or `null`, and how.
 *
 * @param otherwise prefix of its files when the map names none
 * @param extra     keys that the map may have besides, NULL-terminated
 */
bool stream_read_sink(
	const struct yaml_node *node,
	const char *otherwise,
	const char *const extra[],
	const char *data_directory,
	struct problems *problems,
	struct stream_sink *ret_sink
);
void stream_sink_done(struct stream_sink *sink);

/** May this be the name of a stream, a client or a file's prefix: letters, digits, `.`, `_`, `-`, no `.` first? */
bool stream_is_name(struct view text);
