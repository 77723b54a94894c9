#pragma once

#include "control/api/counters.h"
#include "control/api/key_table.h"
#include "control/api/plane.h"
#include "control/api/settings.h"
#include "dataplane/pipeline/admit.h"
#include "dataplane/pipeline/frame.h"
#include "dataplane/pipeline/key_claim.h"
#include "dataplane/pipeline/turn.h"
#include "dataplane/runtime/parcel.h"
#include "dataplane/runtime/port.h"

// A plane image made ready for all workers: what one pointer swap brings in force. Never changed while in use, but for what
// a worker has of its own in its lanes.

/** What a worker has of its own through all epochs. */
struct bench {
	struct engine *engine;
	struct json_parser *json;
	struct batch *batch;
};

/** One stream on one worker. Only the worker touches it, from the epoch's publication to the next one's. */
struct lane {
	struct policy *policy; // owned
	struct key_claim *claim;
	struct turn turn; // batch, engine, parser: the worker's bench
	struct dead_letter_key dead_key;
	const struct admit_rules *admit;
	struct admit_bucket bucket;
	struct parcel_pool *pool;
	struct outlet *outlet;
	struct parcel *parcel; // being filled, or NULL
	struct counters_row *counts;
	const uint8_t *stream_id; // [16] of the image
	uint16_t stream;          // row of the image
	uint16_t mode;            // enum plane_mode
	uint64_t rows;            // that entered turns: their numbers
};

/** Image and tables, and whom to tell when they are no longer used. */
struct epoch_source {
	const struct plane_image *image;
	struct key_table *const *tables; // [table_count] in order of plane_stream.table_fd
	uint32_t table_count;
	void (*release)(void *self); // NULL = nobody
	void *self;
};

struct epoch {
	struct epoch_source source;
	struct frame_rules rules;         // checks everything
	struct frame_rules rules_checked; // for frames whose checksums the device has verified
	uint16_t stream_of_port[FRAME_PORTS_MAX]; // of each row of rules.port
	uint32_t stream_count;
	uint8_t slot[PLANE_STREAMS_MAX];          // row of the counters
	bool takes_over[PLANE_STREAMS_MAX];       // that row, of a stream that is gone
	struct outlet *outlet[PLANE_STREAMS_MAX]; // egress's
	struct admit_rules admit[PLANE_STREAMS_MAX];
	struct lane *lane[SETTINGS_WORKERS_MAX]; // [worker][stream_count] owned
};

struct epoch_setup {
	const struct settings *settings;
	const struct port *port;
	struct epoch_source source;
	struct key_maker *maker;
	struct counters *counters;
	const struct bench *benches; // [settings->worker_count]
	const uint8_t *slots;        // [streams] rows of the counters
	const bool *takes_over;      // [streams] rows that were another stream's
};

/**
 * Bind policies, keys and rules. Outlets and parcels are given by the caller afterwards.
 *
 * Outcomes  SL_OK; SL_E_SYNTAX, SL_E_INVALID, SL_E_NOMEM with *ret_problem
 */
enum sl_status epoch_new(
	const struct epoch_setup *setup,
	struct epoch **ret_epoch,
	struct problem *ret_problem
);

/** Unbind; tells source.release. No worker uses it. NULL is fine. */
void epoch_free(struct epoch *epoch, uint32_t worker_count);

/** Bytes of a room of a parcel that any turn of the policy, or one long datagram's, fits into. */
size_t epoch_room_size(const struct lane *lane, const struct settings *settings);
