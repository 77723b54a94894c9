#pragma once

#include "control/plane_compile.h"
#include "dataplane/runtime/runtime.h"

#include <pthread.h>
#include <stdatomic.h>

// Control, played in the process of a test: definitions from texts, key tables in memory, a key journal whose durable mark
// a thread raises. And the wire: a ring port that frames are put into.

/** A stream of a rig. */
struct rig_stream {
	const char *name;
	const char *contract; // text; NULL = rig_contract
	const char *listen;   // `{port: 7001, mode: plain}`
	const char *sink;     // `{files: NAME}` or `{null: true}`, of sealed events
	const char *dead;     // of dead letters; NULL = as sink
};

struct plane_rig {
	char directory[64];
	struct key_ring *ring;
	struct key_table
		*tables[PLANE_STREAMS_MAX]; // one for each stream's name that ever was, by order
	uint64_t scopes[PLANE_STREAMS_MAX];
	uint32_t table_count;
	uint64_t epoch;
	pthread_t feeder;
	atomic_bool is_ended;
	atomic_bool is_held; // the feeder raises no mark
	struct runtime *runtime;
	struct settings settings;
	size_t keys;     // of a key table
	uint64_t frames; // put on the wire: the workers' queues take turns
};

/** Any JSON object with `user`, which is sealed as is `text`. */
extern const char rig_contract[];

/** Start a runtime over a ring port, without a policy. Aborts on failure, as all here. */
struct plane_rig *plane_rig_new(void);

/** Settings of a rig: a ring port, one worker that may run anywhere. */
struct settings plane_rig_settings(void);

/** The same with other settings, and with room for so many keys in each table. */
struct plane_rig *plane_rig_new_with(const struct settings *settings, size_t keys);

/** Stop the runtime (when it is not stopped yet) and the feeder, release. */
void plane_rig_free(struct plane_rig *rig);

/** Start the runtime again, over the same state. */
void plane_rig_restart(struct plane_rig *rig);

/** Stop the runtime: drained. @return rows lost */
uint64_t plane_rig_stop(struct plane_rig *rig);

/** Compile an image of these streams; ends at .name == NULL. @return what runtime_apply takes, released by it */
struct epoch_source plane_rig_compile(struct plane_rig *rig, const struct rig_stream streams[]);

/** The policy image of a stream. */
const struct policy_image *plane_rig_policy(const struct plane_image *image, uint32_t stream);

/** Compile and apply. */
enum sl_status plane_rig_apply(
	struct plane_rig *rig,
	const struct rig_stream streams[],
	struct problem *ret_problem
);

/** Put a frame on the wire; false when it is full. */
bool plane_rig_send(struct plane_rig *rig, const void *frame, size_t size);

/** Send a datagram to a port from the default peer, waiting for room on the wire. */
void plane_rig_send_text(struct plane_rig *rig, uint16_t port, const char *text, size_t size);

/** Take a frame that the appliance sent; 0 = none. */
size_t plane_rig_receive(struct plane_rig *rig, void *ret_frame, size_t capacity);

/** Wait until a condition holds; false after some seconds. */
bool plane_rig_wait(
	bool (*holds)(struct plane_rig *rig, uint64_t value),
	struct plane_rig *rig,
	uint64_t value
);

/** Sum of a counter over streams and workers. */
uint64_t plane_rig_count(const struct plane_rig *rig, enum counter counter);

/** Sums of drops. */
uint64_t plane_rig_frame_drops(const struct plane_rig *rig, uint32_t reason);
uint64_t plane_rig_event_drops(const struct plane_rig *rig, uint32_t reason);

/** Rows that went through sinks. */
uint64_t plane_rig_delivered(const struct plane_rig *rig);

/** All published files of a prefix in a directory of the rig, in order of their names, with an end; free with free(). */
char *plane_rig_read(
	const struct plane_rig *rig,
	const char *name,
	const char *prefix,
	size_t *ret_size
);
