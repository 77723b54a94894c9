#pragma once

#include "control/api/counters.h"
#include "control/api/key_ring.h"
#include "control/api/link.h"
#include "control/key_feed.h"
#include "control/plane_compile.h"
#include "control/server.h"

#include <jansson.h>

// Inside of the control process: server.c waits and calls, server_link.c speaks with the dataplane, server_plane.c makes
// planes, server_applied.c remembers whose, server_requests.c serves control.sock, server_status.c and server_counters.c
// tell how it goes.

enum {
	SERVER_SESSIONS_MAX = 64,      // connections to control.sock
	SERVER_REQUEST_MAX = 64 << 10, // bytes of a request
	SERVER_APPLY_MS = 30000,       // how long a dataplane may take to work by a plane
	SERVER_TICK_MS = 1000,         // between two looks at the counters and the day
	SERVER_VERSION = 1,            // of requests and answers
	SERVER_TABLES_MAX =
		4 * PLANE_STREAMS_MAX // of the plane at work, the next one, and a dataplane's own
};

/** A directory of definitions at work, or about to be. */
struct plane {
	struct plane_compiled compiled;
	char *directory; // where its definitions were; NULL = a dataplane brought it
	char *stream_file[PLANE_STREAMS_MAX];        // of each stream; NULL = not known
	uint64_t epoch;                              // that it was sent with; 0 = not yet
	struct key_table *tables[PLANE_STREAMS_MAX]; // of server.tables; NULL = not made yet
};

/** What is counted of one stream, or one worker, at a moment. */
struct sums {
	uint64_t value[COUNTER_COUNT];
	uint64_t event_drop[COUNTERS_DROPS_MAX];
	uint64_t frame_drop[COUNTERS_FRAMES_MAX];
};

struct percentiles {
	uint64_t count;
	uint64_t p50_ns;
	uint64_t p99_ns;
	uint64_t p999_ns;
	uint64_t max_ns;
};

struct stream_rates {
	uint8_t id[16];
	struct sums last;
	uint64_t last_delivered;
	double per_s[COUNTER_COUNT];
	double drops_per_s;
	double delivered_per_s;
	struct percentiles recent; // of the last tick
	uint64_t last_latency[COUNTERS_LATENCY_BUCKETS];
};

/** The counters that a dataplane has handed over, and how fast they go. */
struct server_counters {
	const struct counters *map; // NULL = none
	size_t size;
	uint32_t worker_count; // checked once
	uint64_t last_ns;
	struct stream_rates stream[PLANE_STREAMS_MAX + 1]; // rows; the last is of no stream
	struct sums worker_last[COUNTERS_WORKERS_MAX];
	double worker_events_per_s[COUNTERS_WORKERS_MAX];
	double worker_busy[COUNTERS_WORKERS_MAX]; // share of its time, 0..1
	uint64_t worker_busy_last[COUNTERS_WORKERS_MAX];
	uint64_t worker_idle_last[COUNTERS_WORKERS_MAX];
};

/** Somebody at control.sock. */
struct session {
	int fd; // -1 = unused
	char *in;
	size_t in_size;
	char *out;
	size_t out_size;
	size_t out_sent;
	bool waits_applied; // its answer is due when the dataplane has the plane
	bool waits_stopped; // its answer is due when the dataplane is gone
	bool ends_control;  // then control ends
};

struct server {
	const struct config *config;
	const struct server_names *names;
	struct vault *vault;
	struct key_feed *feed;
	struct key_ring *ring;                       // NULL: no dataplane has ever come
	struct key_table *tables[SERVER_TABLES_MAX]; // owned
	uint32_t table_count;

	struct plane *plane; // at work; NULL = none
	struct plane *
		pending; // sent, and not answered yet; NULL = none; the same as plane when that was sent again
	uint64_t pending_until_ns;
	uint64_t epoch;  // the highest that was ever given
	char *directory; // of definitions, as applied last

	int run_lock;       // the run directory, locked
	int spare_fd;       // for unix_socket_accept
	bool is_out_of_fds; // somebody was sent away since a connection was taken
	int epoll_fd;
	int signal_fd;
	int timer_fd;
	int dataplane_listener;
	int control_listener;
	int link; // to the dataplane, or to who says that it is one; -1 = none
	bool is_greeted;
	uint32_t link_pid;
	int link_pidfd;           // -1 = none, or it is the dataplane's
	uint32_t turned_away_pid; // told of last
	bool has_turned_away;     // somebody, since a dataplane attached
	int dataplane_pidfd;      // of the last dataplane; -1 = none, or its death is dealt with
	uint32_t dataplane_pid;   // of the last dataplane
	uint64_t dataplane_epoch;
	bool has_drained;             // it has said so
	struct problem drain_problem; // what it could not deliver; SL_OK = nothing
	struct server_counters counters;

	struct session sessions[SERVER_SESSIONS_MAX];
	bool is_crowded; // somebody was sent away since the last session ended
	uint64_t started_ns;
	bool has_told_patience; // with another process that ends
	bool is_ending;
	struct problem failure; // that it ends for; SL_OK = none
};

// server.c
enum sl_status server_watch(struct server *s, int fd, uint32_t events);
void server_unwatch(struct server *s, int fd);
/** The next connection, -1 = none. */
int server_accept(struct server *s, int listener);

// server_plane.c

/**
 * Read, check and compile a directory, with a key table for each stream.
 *
 * @param ret_plane out: plane_free
 * Outcomes  SL_OK; SL_E_INVALID: something is wrong in its files; else the machine or the vault has failed
 */
enum sl_status plane_make(
	struct server *s,
	const char *directory,
	struct problems *problems,
	struct plane **ret_plane
);
/** The same with the dead-letter key of today. */
enum sl_status plane_renew(
	struct server *s,
	const struct plane *before,
	struct plane **ret_plane,
	struct problem *ret_problem
);
void plane_free(struct plane *plane);

/** See that every stream has its key table: one of before, or a new one filled from the vault. */
enum sl_status plane_tables(struct server *s, struct plane *plane, struct problem *ret_problem);

/** The image under a new epoch in a sealed memfd. @return -1 when it can not be had */
int plane_publish(struct server *s, struct plane *plane);

/**
 * Take over image and tables of a dataplane that outlived its control, and let its keys in.
 *
 * @param fds image, then tables in order of the image's table_fd
 */
enum sl_status plane_adopt(
	struct server *s,
	const int fds[],
	uint32_t fd_count,
	struct problem *ret_problem
);

/** Release tables that no plane has. */
void tables_sweep(struct server *s);

/** UTC day of now, days since 1970. */
int64_t server_today(void);

// server_applied.c

/** The directory to work by after a start. Freed by the caller. */
char *applied_directory(const struct server *s);

/**
 * From now on this is the one, after a restart, too.
 *
 * @param ret_warning out: why not after a restart, where it can not be written down; it is logged
 */
enum sl_status applied_is(struct server *s, const char *directory, struct problem *ret_warning);

// server_link.c

void link_accept(struct server *s);
void link_readable(struct server *s);
void link_close(struct server *s, const char *why);

/**
 * Make a plane the one to work by: send it, or keep it for the next dataplane. Owns it.
 *
 * @param ret_is_due out: an answer of the dataplane is due
 * @return SL_OK; else nothing has changed, and the plane is released
 */
enum sl_status link_apply(
	struct server *s,
	struct plane *plane,
	bool *ret_is_due,
	struct problem *ret_problem
);

/** Time has passed: deaths, answers that never came. */
void link_tick(struct server *s);

/** Before control ends: what a dataplane leaves that ends at this time becomes durable. */
void link_end(struct server *s);

/** Tell the dataplane to drain and end. false: there is none. */
bool link_stop(struct server *s);

// server_requests.c

void requests_accept(struct server *s);
void session_ready(struct server *s, struct session *session, uint32_t events);
void session_close(struct server *s, struct session *session);

/**
 * Answer those that wait for the pending plane: it was taken or refused, or is pending still.
 *
 * @param problem NULL: taken; a warning: taken, and this is to be known
 */
void requests_applied(struct server *s, const struct problem *problem);
/** The dataplane has gone: answer those that wait. */
void requests_stopped(struct server *s);

// server_counters.c

enum sl_status counters_take(struct server *s, int fd, struct problem *ret_problem);
void counters_drop(struct server *s);
void counters_tick(struct server *s);
void counters_sum_stream(const struct server_counters *c, uint32_t row, struct sums *ret_sums);
void counters_sum_worker(const struct server_counters *c, uint32_t worker, struct sums *ret_sums);
struct percentiles counters_latency(const struct server_counters *c, uint32_t row);

// server_status.c

json_t *status_json(struct server *s);
