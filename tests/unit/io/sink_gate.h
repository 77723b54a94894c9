#pragma once

#include "io/sink_spool.h"

// The spool before a sink that the tests turn down and up, slow and fast.

enum {
	GATE_MAX = 4096
};

/** A sink that keeps what it has delivered, and does as it is told. */
struct gate {
	sink_report_fn *report;
	void *self;
	bool is_down;
	bool is_slow;   // refuses, and is not down
	bool is_broken; // fails at the next sync
	uint64_t tags[GATE_MAX];
	struct sink_parcel parcels[GATE_MAX];
	uint32_t count;
	uint64_t offers;
	char text[1 << 20]; // delivered
	size_t size;
	size_t marked;    // size at the last mark
	size_t confirmed; // of it
};

extern struct gate gate;

/** The caller's side: numbered lines, and what became of them. */
struct gate_caller {
	char lines[GATE_MAX][64];
	uint64_t offered;
	uint64_t reported;
	uint64_t failed;
	bool is_out_of_order;
};

extern struct gate_caller gate_caller;

extern const struct view gate_no_mark;

/** Forget all, and open a spool before the gate. */
struct sink gate_begin(uint64_t segment_bytes, uint64_t bytes_max);

/** Open it as it is. */
enum sl_status gate_open(struct view mark, struct sink *ret_sink, struct problem *p);

/** Remove the spool's segments. */
void gate_forget(void);

enum sl_status gate_offer_one(const struct sink *sink);
void gate_offer_all(const struct sink *sink, int count);

/** Sync, mark, confirm: all is reported then. */
struct spool_mark gate_commit(const struct sink *sink);

/** Poll and commit, as an egress thread does, until nothing is left to do; all that was offered is there then, in order. */
bool gate_comes_through(const struct sink *sink);

/** The gate has delivered the first count lines, and nothing else. */
bool gate_has(uint64_t count);

void gate_drain(const struct sink *sink);

/** Files of the spool. */
size_t gate_segments(void);
