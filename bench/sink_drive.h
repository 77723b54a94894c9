#pragma once

#include "io/checkpoint.h"
#include "io/sink.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sinks driven as an egress thread does: parcels of 256 KiB, a commit (sync, mark, checkpoint, confirm) every COMMIT_BYTES.

enum {
	PARCEL_SIZE = 256 << 10,
	PARCELS = 64, // with the sink at most
	COMMIT_BYTES = 8 << 20,
	SINKS_MAX = 3,
	PATH_SIZE = 300
};

/** A way to write bytes. */
struct way {
	const char *what;
	int sinks; // of files, one beside the other; 0 = the null sink
	bool is_zstd;
	bool has_spool;
	bool is_overlapped;
	enum sink_sync_rule sync_rule;
};

/** Sinks under one checkpoint. */
struct drive {
	const struct way *way;
	int count;
	int first; // number of the first sink
	struct sink sinks[SINKS_MAX];
	size_t at[SINKS_MAX];
	struct checkpoint *checkpoint;
	uint64_t done; // bytes
};

extern uint8_t parcels[PARCELS][PARCEL_SIZE];
extern bool is_held[SINKS_MAX][PARCELS]; // by the sinks
extern char base[PATH_SIZE];             // directory of all that is written

/** Give up. */
_Noreturn void stop(const char *what);
_Noreturn void stop_at(const struct problem *p);

/** Lines of some 400 bytes, of which zstd finds as much to save as of sealed events. */
void fill_parcels(void);

/** What sinks report to; self is a row of is_held. */
sink_report_fn take_report;

/** Remove a directory with its files. */
void empty(const char *directory);

void path_of(char ret_path[static PATH_SIZE], const char *name, int number);

/** Offer a parcel, as soon as it is free and taken. */
void offer_next(const struct sink *sink, int number, size_t *at);

/** Open the sinks of a way, numbered from first. */
void open_drive(const struct way *way, int first, struct drive *ret_drive);

/** Offer and commit so many bytes. @return seconds */
double run_drive(struct drive *d, uint64_t size);

/** Close them, and remove what they wrote. */
void close_drive(struct drive *d);

/** `sink_bench pairs …`. @return of main */
int run_pairs(int argc, char **argv);
